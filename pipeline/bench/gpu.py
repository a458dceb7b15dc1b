"""What a GPU makes of the reference models: eager steps beside CUDA graphs, bare and through the pipeline; and how
long the test set takes to translate."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from pipeline.bench.ceilings import fastest, floating_point_operations
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

PAIRS = 2000  # of the training split: an epoch of them has few shapes, which are soon captured
EPOCHS_BEFORE = 3  # before the clock starts: by then, every shape is captured
SIDE = 8192  # of the square matrices whose product is the ceiling
SEARCHES = {"greedy": Search(beam=1), "beam 5": Search()}


class Precision(NamedTuple):
    """How products are rounded: `matmul` is torch's float32_matmul_precision, `autocast` whether they are bfloat16."""

    name: str
    matmul: str
    autocast: bool


TF32 = Precision("TF32", "high", False)
PRECISIONS = (Precision("float32", "highest", False), TF32, Precision("bfloat16", "high", True))


class Loop(NamedTuple):
    """A way to train without the pipeline: `step` takes one batch in the memory of the host."""

    name: str
    precision: Precision
    step: Callable[[Batch], Any]


def measure_gpu(
    data: TranslationData, rounds: int, device: torch.device, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Ceilings of a GPU, and what `_measure` finds of each reference model.

    Args:
        data: Set up.
        rounds: Windows of each way.
        keep: Gets what there is after each model.
    """
    found: dict[str, Any] = {"ceilings": _ceilings(device), "models": {}}
    for model in MODELS:
        found["models"][model] = _measure(data, model, rounds, device, found["ceilings"])
        keep(found)
    return found


def _measure(
    data: TranslationData, model: str, rounds: int, device: torch.device, ceilings: dict[str, float]
) -> dict[str, Any]:
    """Of each way, milliseconds per step, tokens per second and the share of the ceiling that its products reach; how
    long the two epochs take in which graphs are captured; and seconds for the test set."""
    few = data.with_fewer_pairs(PAIRS)
    batches = list(few.train_dataloader())
    tokens = sum(batch.num_tokens for batch in batches)
    network = make_model(model, data.vocab_size).to(device)
    optimizer = make_optimizer(network)
    loops = [Loop("bare loop", TF32, lambda batch: bare_step(network, optimizer, batch.on(device)))]
    capturing = {}
    for precision in PRECISIONS:
        trained = make_model(model, data.vocab_size).to(device)
        loop = Loop(f"bare loop, graphs, {precision.name}", precision, _captured(trained))
        with _precision(precision, device):
            capturing[precision.name] = [_seconds(loop.step, batches) for _ in range(2)]
        loops.append(loop)
    seconds: dict[str, list[float]] = {}  # of an epoch
    for loop in loops:
        with _precision(loop.precision, device):
            epochs = [_seconds(loop.step, batches) for _ in range(EPOCHS_BEFORE + rounds)]
        seconds[loop.name] = epochs[EPOCHS_BEFORE:]
    for name, epochs in (("readable", 1), ("fast", 20)):
        with _precision(TF32, device):
            seconds[f"pipeline, {name}"] = [_through_pipeline(few, model, name, epochs, device) for _ in range(rounds)]
    gflop = tokens * _gflop_per_token(model, data.vocab_size, batches[0])
    ceiling = {loop.name: ceilings[f"{loop.precision.name}_tflops"] for loop in loops}
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
        "seconds_of_the_two_epochs_that_capture": capturing,
        "seconds_for_the_test_set": _searches(data, trained, rounds, device),
    }


def _captured(network: Seq2Seq) -> CapturedSteps:
    use_fast_modules(network)

    def objective_of(batch: Batch) -> Objective:
        output = network.decode(batch.tgt_in, network.encode(batch.src, batch.src_mask), need_logits=False).output
        return chunked_objective(output, network.output_matrix, batch.tgt_out, PAD, LABEL_SMOOTHING)

    return CapturedSteps(objective_of, make_optimizer(network), 1.0)


def _through_pipeline(data: TranslationData, model: str, way: str, epochs: int, device: torch.device) -> float:
    """Seconds of an epoch, the mean over `epochs` of them, after those that are not counted."""
    steps = len(data.train_dataloader())
    took = through_pipeline(
        Way(way, fast=way == "fast"),
        make_model(model, data.vocab_size),
        copy.copy(data),
        (EPOCHS_BEFORE + epochs) * steps,
        warm_up=EPOCHS_BEFORE * steps,
        accelerator="gpu" if device.type == "cuda" else "cpu",
    )
    return took / epochs


def _gflop_per_token(model: str, vocab_size: int, batch: Batch) -> float:
    """Of a training step; counted on the CPU, where a GRU is made of products that can be counted."""
    network = make_model(model, vocab_size)
    optimizer = make_optimizer(network)
    return floating_point_operations(lambda: bare_step(network, optimizer, batch)) / batch.num_tokens / 1e9


def _searches(data: TranslationData, network: Seq2Seq, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds for the test set by each search. The model is hardly trained, so that some translations run to the length
    limit, as those of a finished model would not."""
    network.eval()
    test, _ = data.test_dataloader()
    batches = [batch.on(device) for batch in test]
    found = {}
    for name, search in SEARCHES.items():

        def translate(batch: Batch, search: Search = search) -> None:
            translate_batch(network, batch.src, batch.src_mask, data.tokenizer, search)

        found[name] = spread([_seconds(translate, batches) for _ in range(1 + rounds)][1:])._asdict()
    return found


def _ceilings(device: torch.device) -> dict[str, float]:
    """Products of large square matrices in each precision, and a copy within the device's memory."""
    found = {}
    for precision in PRECISIONS:
        matrix = torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16 if precision.autocast else torch.float32)
        with _precision(precision._replace(autocast=False), device):
            found[f"{precision.name}_tflops"] = 2 * SIDE**3 / fastest(lambda m=matrix: m @ m) / 1e12
    big = torch.randn(4 * SIDE**2, device=device)
    target = torch.empty_like(big)
    found["copy_gbytes_per_second"] = 2 * 4 * big.numel() / fastest(lambda: target.copy_(big)) / 1e9
    return found


@contextlib.contextmanager
def _precision(precision: Precision, device: torch.device) -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision.matmul)
    torch.backends.cudnn.allow_tf32 = precision.matmul == "high"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision.autocast):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _seconds(run: Callable[[Batch], Any], batches: Sequence[Batch]) -> float:
    start = now()
    for batch in batches:
        run(batch)
    return now() - start
