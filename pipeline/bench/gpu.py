"""What a GPU makes of the reference models: steps one kernel after another beside steps from CUDA graphs, by themselves
and through the pipeline, and how long the test set takes to translate."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from pipeline.bench.ceilings import floating_point_operations
from pipeline.bench.reference import LABEL_SMOOTHING, MODELS, make_model, spread
from pipeline.bench.training import Way, bare_step, make_optimizer, now, through_pipeline
from pipeline.data.batching import Batch
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import PAD
from pipeline.fast.captured import CapturedSteps
from pipeline.fast.modules import use_fast_modules
from pipeline.fast.objective import chunked_objective
from pipeline.models import Seq2Seq
from pipeline.objective import Objective
from pipeline.scoring import Search, translate_batch

# An epoch of these has few shapes of batches: recording them is measured by itself.
PAIRS = 2000
# Before the clock starts: every shape is recorded by then.
EPOCHS_BEFORE = 3
_SIDE = 8192  # of the square matrices whose product is the ceiling


class Precision(NamedTuple):
    """How products are rounded: `matmul` is torch's float32_matmul_precision, `autocast` whether they are bfloat16."""

    name: str
    matmul: str
    autocast: bool


TF32 = Precision("TF32", "high", False)
PRECISIONS = (Precision("float32", "highest", False), TF32, Precision("bfloat16", "high", True))


def measure_gpu(data: TranslationData, rounds: int, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Ceilings of the GPU, and what `_measure` finds of each reference model.

    Args:
        data: Set up.
        rounds: Windows of each way.
        keep: Gets what there is after each model.
    """
    torch.use_deterministic_algorithms(True)  # as training has it
    torch.utils.deterministic.fill_uninitialized_memory = False
    found: dict[str, Any] = {"ceilings": _ceilings(), "models": {}}
    for model in MODELS:
        found["models"][model] = _measure(data, model, rounds, found["ceilings"])
        keep(found)
    return found


def _measure(data: TranslationData, model: str, rounds: int, ceilings: dict[str, float]) -> dict[str, Any]:
    few = copy.copy(data)
    few._encoded = {**data._encoded, "train": data._encoded["train"][:PAIRS]}
    batches = list(few.train_dataloader())
    tokens = sum(batch.num_tokens for batch in batches)
    gflop = tokens * _gflop_per_token(model, data.vocab_size, batches[0])
    network = make_model(model, data.vocab_size).cuda()
    optimizer = make_optimizer(network)

    def bare(batch: Batch) -> None:
        bare_step(network, optimizer, _on_gpu(batch))

    ways: list[tuple[str, Precision, Callable[[Batch], Any]]] = [("bare loop", TF32, bare)]
    recording = {}
    for precision in PRECISIONS:
        trained, steps = _captured(model, data.vocab_size)
        with _precision(precision):
            recording[precision.name] = [_epoch(steps, batches), _epoch(steps, batches)]  # seconds
        ways.append((f"bare loop, graphs, {precision.name}", precision, steps))
    seconds: dict[str, list[float]] = {}  # of an epoch
    for name, precision, step in ways:
        with _precision(precision):
            for _ in range(EPOCHS_BEFORE):
                _epoch(step, batches)
            seconds[name] = [_epoch(step, batches) for _ in range(rounds)]
    for name, epochs in (("readable", 1), ("fast", 20)):
        way, lengths = Way(name, fast=name == "fast"), (EPOCHS_BEFORE, EPOCHS_BEFORE + epochs)
        warm_up, all_steps = (length * len(batches) for length in lengths)
        with _precision(TF32):
            seconds[f"pipeline, {name}"] = [
                through_pipeline(
                    way,
                    make_model(model, data.vocab_size),
                    copy.copy(few),
                    all_steps,
                    warm_up=warm_up,
                    accelerator="gpu",
                )
                / epochs
                for _ in range(rounds)
            ]
    ceiling = {name: ceilings[f"{precision.name}_tflops"] for name, precision, _ in ways}
    return {
        "steps": len(batches),
        "tokens": tokens,
        "gflop_per_step": gflop / len(batches),
        "ways": {
            name: {
                "milliseconds_per_step": spread([1000 * s / len(batches) for s in of_way])._asdict(),
                "tokens_per_second": spread([tokens / s for s in of_way])._asdict(),
                "share_of_ceiling": spread(
                    [gflop / 1000 / s / ceiling.get(name, ceilings["TF32_tflops"]) for s in of_way]
                )._asdict(),
            }
            for name, of_way in seconds.items()
        },
        "seconds_of_the_two_epochs_that_record": recording,
        "search": _searches(data, trained, rounds),
    }


def _epoch(step: Callable[[Batch], Any], batches: Sequence[Batch]) -> float:
    """Seconds for a step of each batch."""
    start = now()
    for batch in batches:
        step(batch)
    return now() - start


def _gflop_per_token(model: str, vocab_size: int, batch: Batch) -> float:
    """Of a training step; counted on the CPU, where a GRU is made of products that can be counted."""
    network = make_model(model, vocab_size)
    optimizer = make_optimizer(network)
    return floating_point_operations(lambda: bare_step(network, optimizer, batch)) / batch.num_tokens / 1e9


def _captured(model: str, vocab_size: int) -> tuple[Seq2Seq, CapturedSteps]:
    network = make_model(model, vocab_size).cuda()
    use_fast_modules(network)

    def objective_of(batch: Batch) -> Objective:
        output = network.decode(batch.tgt_in, network.encode(batch.src, batch.src_mask), need_logits=False).output
        return chunked_objective(output, network.output_matrix, batch.tgt_out, PAD, LABEL_SMOOTHING)

    return network, CapturedSteps(objective_of, make_optimizer(network), 1.0)


def _searches(data: TranslationData, network: Seq2Seq, rounds: int) -> dict[str, Any]:
    """Seconds for the test set, greedy and with a beam of 5."""
    network.eval()
    test, _ = data.test_dataloader()
    batches = [_on_gpu(batch) for batch in test]
    found = {}
    for name, search in (("greedy", Search(beam=1, fast=True)), ("beam 5", Search(fast=True))):

        def translate(batch: Batch, search: Search = search) -> None:
            translate_batch(network, batch.src, batch.src_mask, data.tokenizer, search)

        _epoch(translate, batches)
        found[name] = spread([_epoch(translate, batches) for _ in range(rounds)])._asdict()
    return found


def _ceilings() -> dict[str, float]:
    """Products of large square matrices in each precision, and a copy within the GPU's memory."""
    found = {}
    for precision in PRECISIONS:
        matrix = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.bfloat16 if precision.autocast else torch.float32)
        with _precision(precision._replace(autocast=False)):
            found[f"{precision.name}_tflops"] = 2 * _SIDE**3 / _fastest(lambda m=matrix: m @ m) / 1e12
    big = torch.randn(2**28, device="cuda")
    target = torch.empty_like(big)
    found["copy_gbytes_per_second"] = 2 * 4 * big.numel() / _fastest(lambda: target.copy_(big)) / 1e9
    return found


@contextlib.contextmanager
def _precision(precision: Precision) -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision.matmul)
    torch.backends.cudnn.allow_tf32 = precision.matmul == "high"
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=precision.autocast):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _on_gpu(batch: Batch) -> Batch:
    return Batch(*(part.cuda() for part in batch[:5]), batch.num_tokens)


def _fastest(run: Callable[[], Any], repeats: int = 10) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        start = now()
        run()
        seconds.append(now() - start)
    return min(seconds)
