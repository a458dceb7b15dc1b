"""How far a training step is from what the machine can do at best, and where its time goes."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pipeline.bench.reference import make_model, spread, training_batches
from pipeline.bench.training import bare_step, fast_step, make_optimizer
from pipeline.data.datamodule import TranslationData
from pipeline.fast.dropout import use_fast_dropout

# Reads of weight, gradient and AdamW's two moments, and writes of all but the gradient, in float32.
_BYTES_PER_PARAMETER = 7 * 4
_TOP = 8


def ceilings() -> dict[str, float]:
    """What the machine reaches now: float32 and bfloat16 products of square matrices, and copying memory."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a = torch.randn(2048, 2048).to(dtype)
        found[f"{name}_gflops"] = 2 * 2048**3 / _fastest(lambda a=a: a @ a) / 1e9
    big = torch.zeros(64 * 2**20)
    copy = torch.empty_like(big)
    found["copy_gbytes_per_second"] = 2 * big.numel() * 4 / _fastest(lambda: copy.copy_(big)) / 1e9
    return found


def step_against_ceilings(data: TranslationData, model: str, machine: dict[str, float], repeats: int) -> dict[str, Any]:
    """Floating-point operations of a step, the least time they need here, and the operators that take most.

    Args:
        data: Set up.
        model: A name in `reference.MODELS`.
        machine: What `ceilings` gives.
        repeats: Steps that are timed.
    """
    network = make_model(model, data.vocab_size)
    batch = training_batches(data, 1)[0]
    optimizer = make_optimizer(network)
    with FlopCounterMode(display=False) as counter:
        bare_step(network, optimizer, batch)
    flops = counter.get_total_flops()
    num_parameters = sum(p.numel() for p in network.parameters())
    compute = flops / machine["float32_gflops"] / 1e9
    memory = num_parameters * _BYTES_PER_PARAMETER / machine["copy_gbytes_per_second"] / 1e9
    steps = {"readable": lambda: bare_step(network, optimizer, batch)}
    fast_network = make_model(model, data.vocab_size)
    use_fast_dropout(fast_network)
    fast_optimizer = make_optimizer(fast_network)
    steps["fast"] = lambda: fast_step(fast_network, fast_optimizer, batch)
    return {
        "target_tokens": batch.num_tokens,
        "gflop": flops / 1e9,
        "parameters": num_parameters,
        "floor_seconds": {"products": compute, "weights_and_optimiser": memory},
        "ways": {name: _timed(step, compute + memory, repeats) for name, step in steps.items()},
    }


def _timed(step: Callable[[], None], floor: float, repeats: int) -> dict[str, Any]:
    step()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return {
        "seconds": spread(seconds)._asdict(),
        "times_floor": spread([s / floor for s in seconds])._asdict(),
        "share_of_time": {event.key: event.self_cpu_time_total / total for event in events[:_TOP]},
    }


def _fastest(run: Callable[[], Any], repeats: int = 7) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
