"""How far training and search are from what the machine can do at best, and where their time goes."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pipeline.bench.reference import make_model, spread, training_batches
from pipeline.bench.training import bare_step, fast_step, now, task_optimizer
from pipeline.data.datamodule import TranslationData
from pipeline.fast.modules import use_fast_modules

# Reads of weight, gradient and AdamW's two moments, and writes of all but the gradient, in float32.
_BYTES_PER_PARAMETER = 7 * 4
_TOP = 8
_RUNS = 7  # of which the fastest counts
_LONG_ENOUGH = 0.05  # seconds, to be measured well


def ceilings() -> dict[str, float]:
    """What the machine reaches now: float32 and bfloat16 products of square matrices, and copying memory."""
    found = {
        f"{name}_gflops": _product_speed(dtype) / 1e9
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    big = torch.zeros(64 * 2**20)
    copy = torch.empty_like(big)
    found["copy_gbytes_per_second"] = 2 * big.numel() * 4 / fastest(lambda: copy.copy_(big)) / 1e9
    return found


def _product_speed(dtype: torch.dtype) -> float:
    """Floating-point operations per second in a product of large square matrices; of less large ones where even those
    take long, as bfloat16 does on processors that do not have it."""
    for size in (256, 512, 1024, 2048):
        a = torch.randn(size, size).to(dtype)
        seconds = fastest(lambda a=a: a @ a)
        if seconds > _LONG_ENOUGH:
            break
    return 2 * size**3 / seconds


def step_against_ceilings(data: TranslationData, model: str, machine: dict[str, float], rounds: int) -> dict[str, Any]:
    """Floating-point operations of a step, the least time they need here, and the operators that take most.

    Args:
        data: Set up.
        model: A name in `reference.MODELS`.
        machine: What `ceilings` gives.
        rounds: Steps that are timed.
    """
    network = make_model(model, data.vocab_size)
    batch = training_batches(data, 1)[0]
    optimizer = task_optimizer(network)
    flops = floating_point_operations(lambda: bare_step(network, optimizer, batch))
    num_parameters = sum(p.numel() for p in network.parameters())
    compute = flops / machine["float32_gflops"] / 1e9
    memory = num_parameters * _BYTES_PER_PARAMETER / machine["copy_gbytes_per_second"] / 1e9
    steps = {"readable": lambda: bare_step(network, optimizer, batch)}
    fast_network = make_model(model, data.vocab_size)
    use_fast_modules(fast_network)
    fast_optimizer = task_optimizer(fast_network)
    steps["fast"] = lambda: fast_step(fast_network, fast_optimizer, batch)
    return {
        "target_tokens": batch.num_tokens,
        "gflop": flops / 1e9,
        "parameters": num_parameters,
        "floor_seconds": {"products": compute, "weights_and_optimiser": memory},
        "ways": {name: _timed(step, compute + memory, rounds) for name, step in steps.items()},
    }


def _timed(step: Callable[[], None], floor: float, rounds: int) -> dict[str, Any]:
    step()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return {
        "seconds": spread(seconds)._asdict(),
        "times_floor": spread([s / floor for s in seconds])._asdict(),
        "share_of_time": shares_of_time(step),
    }


def floating_point_operations(run: Callable[[], Any]) -> int:
    """Of all matrix products in `run`, those of oneDNN (`pipeline.fast.product`) too, where torch has it."""
    own = {torch.ops.mkldnn._linear_pointwise: _linear_flops} if torch.backends.mkldnn.is_available() else {}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        run()
    return counter.get_total_flops()


def _linear_flops(rows: Sequence[int], matrix: Sequence[int], *_: Any, **__: Any) -> int:
    """Of (…, d) · (n, d)ᵀ, from the two shapes."""
    return 2 * math.prod(rows) * matrix[0]


def shares_of_time(run: Callable[[], Any]) -> dict[str, float]:
    """The operators that take most of the time of `run`, each with its share."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return {event.key: event.self_cpu_time_total / total for event in events[:_TOP]}


def fastest(run: Callable[[], Any]) -> float:
    """Seconds of the shortest of some runs, after one that does not count."""
    run()
    seconds = []
    for _ in range(_RUNS):
        start = now()
        run()
        seconds.append(now() - start)
    return min(seconds)
