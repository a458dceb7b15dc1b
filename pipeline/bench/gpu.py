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
EAGER_BEFORE = 1  # epochs before the clock starts
CAPTURED_BEFORE = 3  # likewise where steps are captured: by then, every shape is
EPOCHS_PER_WINDOW = 20  # of captured steps through the pipeline: of some seconds, so that what begins late counts
SIDE = 8192  # of the square matrices whose product is the ceiling
SEARCHES = {"greedy": Search(beam=1), "beam 5": Search()}


class Precision(NamedTuple):
    """How products are rounded: `matmul` is torch's float32_matmul_precision, `autocast` whether they are bfloat16."""

    name: str
    matmul: str
    autocast: bool


TF32 = Precision("TF32", "high", False)
PRECISIONS = (Precision("float32", "highest", False), TF32, Precision("bfloat16", "high", True))


def measure_gpu(
    data: TranslationData, rounds: int, device: torch.device, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Ceilings of a GPU, and what `_measure` finds of each reference model.

    Args:
        data: Set up.
        rounds: Windows of each way.
        keep: Gets what there is after each way of each model.
    """
    found: dict[str, Any] = {"ceilings": _ceilings(device), "models": {}}
    for model in MODELS:
        of_model = found["models"][model] = {}
        for part in _measure(data, model, rounds, device, found["ceilings"]):
            _merge(of_model, part)
            keep(found)
    return found


def _merge(into: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        into[key] = into[key] | value if isinstance(value, dict) and key in into else value


def _measure(
    data: TranslationData, model: str, rounds: int, device: torch.device, ceilings: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Part by part: of each way, milliseconds per step, tokens per second and the share of the ceiling that its
    products reach; how long the two epochs take in which graphs are captured; and seconds for the test set."""
    few = data.with_fewer_pairs(PAIRS)
    batches = list(few.train_dataloader())
    tokens = sum(batch.num_tokens for batch in batches)
    gflop = tokens * _gflop_per_token(model, data.vocab_size, batches[0])
    yield {"steps": len(batches), "tokens": tokens, "gflop_per_step": gflop / len(batches)}

    def way(name: str, precision: Precision, seconds: Sequence[float]) -> dict[str, Any]:
        """What an epoch took in each window."""
        ceiling = ceilings[f"{precision.name}_tflops"]
        return {
            name: {
                "milliseconds_per_step": spread([1000 * s / len(batches) for s in seconds])._asdict(),
                "tokens_per_second": spread([tokens / s for s in seconds])._asdict(),
                "share_of_ceiling": spread([gflop / 1000 / s / ceiling for s in seconds])._asdict(),
            }
        }

    def loop(precision: Precision, step: Callable[[Batch], Any], epochs: int) -> list[float]:
        """Seconds of each epoch, without the pipeline."""
        with _precision(precision, device):
            return [_seconds(step, batches) for _ in range(epochs)]

    network = make_model(model, data.vocab_size).to(device)
    optimizer = make_optimizer(network)
    seconds = loop(TF32, lambda batch: bare_step(network, optimizer, batch.on(device)), EAGER_BEFORE + rounds)
    yield {"ways": way("bare loop", TF32, seconds[EAGER_BEFORE:])}
    for precision in PRECISIONS:
        trained = make_model(model, data.vocab_size).to(device)
        seconds = loop(precision, _captured(trained), CAPTURED_BEFORE + rounds)
        name = f"bare loop, graphs, {precision.name}"
        yield {
            "ways": way(name, precision, seconds[CAPTURED_BEFORE:]),
            "seconds_of_the_two_epochs_that_capture": {precision.name: seconds[:2]},
        }
    for name, before, epochs in (("readable", EAGER_BEFORE, 1), ("fast", CAPTURED_BEFORE, EPOCHS_PER_WINDOW)):
        with _precision(TF32, device):
            windows = through_pipeline(
                Way(name, fast=name == "fast"),
                make_model(model, data.vocab_size),
                copy.copy(few),
                epochs * len(batches),
                windows=rounds,
                warm_up=before * len(batches),
                accelerator="gpu" if device.type == "cuda" else "cpu",
            )
        yield {"ways": way(f"pipeline, {name}", TF32, [s / epochs for s in windows])}
    yield {"seconds_for_the_test_set": _searches(data, trained, rounds, device)}


def _captured(network: Seq2Seq) -> CapturedSteps:
    use_fast_modules(network)

    def objective_of(batch: Batch) -> Objective:
        output = network.decode(batch.tgt_in, network.encode(batch.src, batch.src_mask), need_logits=False).output
        return chunked_objective(output, network.output_matrix, batch.tgt_out, PAD, LABEL_SMOOTHING)

    return CapturedSteps(objective_of, make_optimizer(network), 1.0)


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
