"""What a GPU makes of the reference models: eager steps beside CUDA graphs, bare and through the pipeline; and how
long the test set takes to translate."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.bench.ceilings import fastest, floating_point_operations
from pipeline.bench.reference import LABEL_SMOOTHING, MODELS, make_model, spread
from pipeline.bench.searching import SEARCHES
from pipeline.bench.training import Way, bare_step, now, task_optimizer, through_pipeline
from pipeline.data.batching import Batch, TokenBudgetBatches
from pipeline.data.datamodule import TranslationData
from pipeline.fast.captured import CapturedSteps
from pipeline.fast.modules import use_fast_modules
from pipeline.fast.objective import batch_objective
from pipeline.models import Seq2Seq
from pipeline.objective import objective
from pipeline.scoring import Search, translate_batch

PAIRS = 1000  # of the training split: they have few shapes, which are soon captured
PASSES = 20  # over these pairs in an epoch, which then has about as many steps as one of the whole corpus
EAGER_BEFORE = 1  # passes before the clock starts
CAPTURED_BEFORE = 3  # likewise where steps are captured: by then, every shape is
SIDE = 8192  # of the square matrices whose product is the ceiling
IN_ORDER = tuple(reversed(MODELS))  # the Transformer first: whoever is cut off has what matters most
# What is compared: the first way's tokens per second over the second's.
RATIOS = (
    ("pipeline, fast", "bare loop, graphs, TF32"),
    ("pipeline, fast", "pipeline, readable"),
    ("bare loop, graphs, TF32", "bare loop"),
)


class Precision(NamedTuple):
    """How products are rounded: `matmul` is torch's float32_matmul_precision, `autocast` whether they are bfloat16."""

    name: str
    matmul: str
    autocast: bool


FLOAT32, TF32 = Precision("float32", "highest", False), Precision("TF32", "high", False)
PRECISIONS = (FLOAT32, TF32, Precision("bfloat16", "high", True))


class _SeveralPasses(TokenBudgetBatches):
    """Batches of which an epoch has all `PASSES` times, each time in another order."""

    def plan(self, epoch: int) -> list[np.ndarray]:
        found = []
        for number in range(PASSES):
            found += super().plan(epoch * PASSES + number)
        return found


class FewPairs(TranslationData):
    """Trains on the first `PAIRS` of the corpus, in epochs as long as those of all."""

    def train_dataloader(self) -> TokenBudgetBatches:
        pairs = self._encoded["train"][:PAIRS]
        self._train_batches = _SeveralPasses(pairs, self.batch_tokens, self.seed)
        self._train_batches.consumed = self.num_consumed
        return self._train_batches

    def one_pass(self) -> list[Batch]:
        """The batches of all these pairs."""
        return list(TokenBudgetBatches(self._encoded["train"][:PAIRS], self.batch_tokens, self.seed))


def measure_gpu(
    data: FewPairs, rounds: int, device: torch.device, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Ceilings of a GPU; then, of each reference model, the ways that are compared, seconds for the test set, and the
    other precisions: in this order, since a run may be cut off.

    Args:
        data: Set up.
        rounds: Windows of each way.
        keep: Gets what there is after each part.
    """
    found: dict[str, Any] = {"ceilings": _ceilings(device), "models": {}}
    trained = {model: make_model(model, data.vocab_size).to(device) for model in IN_ORDER}
    ways = {model: _Ways(data, model, rounds, device, found["ceilings"]) for model in IN_ORDER}
    parts = (
        lambda model: ways[model].compared(trained[model]),
        lambda model: [{"seconds_for_the_test_set": _searches(data, trained[model], rounds, device)}],
        lambda model: ways[model].in_other_precisions(),
    )
    for part in parts:
        for model in IN_ORDER:
            of_model = found["models"].setdefault(model, {"ways": {}, "ratios": {}})
            for more in part(model):
                of_model["ways"] |= more.pop("ways", {})
                of_model |= more
                of_model["ratios"] = ratios(of_model["ways"])
                keep(found)
    return found


def ratios(ways: dict[str, Any]) -> dict[str, dict[str, float]]:
    """ "one ÷ other" → `value`, of the medians, with `low` and `high`, of the windows that are furthest apart."""
    speeds = {name: way["tokens_per_second"] for name, way in ways.items()}
    return {
        f"{one} ÷ {other}": {
            "value": speeds[one]["median"] / speeds[other]["median"],
            "low": speeds[one]["low"] / speeds[other]["high"],
            "high": speeds[one]["high"] / speeds[other]["low"],
        }
        for one, other in RATIOS
        if one in speeds and other in speeds
    }


class _Ways:
    """The ways of one model: of each, milliseconds per step, tokens per second, and the share of the ceiling that its
    products reach."""

    def __init__(
        self, data: FewPairs, model: str, rounds: int, device: torch.device, ceilings: dict[str, float]
    ) -> None:
        self.data, self.rounds, self.device, self.ceilings = data, rounds, device, ceilings
        self.new_network = lambda: make_model(model, data.vocab_size)
        self.batches = data.one_pass()
        self.tokens = PASSES * sum(batch.num_tokens for batch in self.batches)  # of a window
        self.steps = PASSES * len(self.batches)
        on_cpu = self.new_network()
        self.gflop = PASSES * sum(_gflop(on_cpu, batch) for batch in self.batches)

    def compared(self, trained: Seq2Seq) -> Iterator[dict[str, Any]]:
        """Part by part, the most important first, with what a graph costs. `trained` is trained by the first."""
        shapes = {(batch.src.shape, batch.tgt_in.shape) for batch in self.batches}
        per_step = {"steps": self.steps, "tokens": self.tokens, "gflop_per_step": self.gflop / self.steps}
        yield {**per_step, "shapes": len(shapes)}
        captured = _captured(trained)
        first = self._before(TF32, captured, CAPTURED_BEFORE)
        bare = self._loop(TF32, captured, PASSES)
        yield {
            "ways": {"bare loop, graphs, TF32": self._way(TF32, bare)},
            # The second pass captures each shape and replays what it captured.
            "milliseconds_to_capture_a_shape": 1000 * (first[1] - min(bare) / PASSES) / len(shapes),
        }
        fast = self._pipeline("fast", CAPTURED_BEFORE, PASSES)
        # The bare loop again, since the two are compared and a machine has its moods; with new graphs, since Lightning
        # frees the workspace of cuBLAS, which the old ones read.
        captured = _captured(self.new_network().to(self.device))
        self._before(TF32, captured, CAPTURED_BEFORE)
        bare += self._loop(TF32, captured, PASSES)
        yield {"ways": {"pipeline, fast": fast, "bare loop, graphs, TF32": self._way(TF32, bare)}}
        yield {"ways": {"pipeline, readable": self._pipeline("readable", EAGER_BEFORE, 1)}}
        network = self.new_network().to(self.device)
        optimizer = task_optimizer(network)

        def eager(batch: Batch) -> None:
            bare_step(network, optimizer, batch.on(self.device))

        self._before(TF32, eager, EAGER_BEFORE)
        yield {"ways": {"bare loop": self._way(TF32, self._loop(TF32, eager, 1))}}

    def in_other_precisions(self) -> Iterator[dict[str, Any]]:
        """The bare loop with graphs, as in TF32."""
        for precision in (p for p in PRECISIONS if p is not TF32):
            captured = _captured(self.new_network().to(self.device))
            self._before(precision, captured, CAPTURED_BEFORE)
            seconds = self._loop(precision, captured, PASSES)
            yield {"ways": {f"bare loop, graphs, {precision.name}": self._way(precision, seconds)}}

    def _way(self, precision: Precision, seconds: Sequence[float]) -> dict[str, Any]:
        """Of seconds for each window."""
        ceiling = self.ceilings[f"{precision.name}_tflops"]
        return {
            "milliseconds_per_step": spread([1000 * s / self.steps for s in seconds])._asdict(),
            "tokens_per_second": spread([self.tokens / s for s in seconds])._asdict(),
            "share_of_ceiling": spread([self.gflop / 1000 / s / ceiling for s in seconds])._asdict(),
        }

    def _loop(self, precision: Precision, step: Callable[[Batch], Any], passes: int) -> list[float]:
        """Seconds of each window without the pipeline, as if it had `PASSES` passes."""
        with _precision(precision, self.device):
            return [_seconds(step, self.batches * passes) * PASSES / passes for _ in range(self.rounds)]

    def _before(self, precision: Precision, step: Callable[[Batch], Any], passes: int) -> list[float]:
        """Seconds of each pass before the clock starts."""
        with _precision(precision, self.device):
            return [_seconds(step, self.batches) for _ in range(passes)]

    def _pipeline(self, name: str, passes_before: int, passes: int) -> dict[str, Any]:
        with _precision(TF32, self.device):
            windows = through_pipeline(
                Way(name, fast=name == "fast"),
                self.new_network(),
                self.data,
                passes * len(self.batches),
                windows=self.rounds,
                warm_up=passes_before * len(self.batches),
                accelerator="gpu" if self.device.type == "cuda" else "cpu",
            )
        return self._way(TF32, [s * PASSES / passes for s in windows])


def _captured(network: Seq2Seq) -> CapturedSteps:
    use_fast_modules(network)
    return CapturedSteps(lambda batch: batch_objective(network, batch, LABEL_SMOOTHING), task_optimizer(network), 1.0)


def _gflop(network: Seq2Seq, batch: Batch) -> float:
    """Of forward and backward of a step: those of one row, which all rows of a batch have alike; counted on the CPU,
    where a GRU is made of products that can be counted."""
    src, mask, tgt_in, tgt_out = (part[:1] for part in batch[:4])

    def step() -> None:
        objective(network(src, mask, tgt_in), tgt_out, LABEL_SMOOTHING).objective.backward()

    return len(batch.src) * floating_point_operations(step) / 1e9


def _searches(data: TranslationData, network: Seq2Seq, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds for the test set, in one batch, by each search: greedy in TF32, as `make train` does it, by beam in
    float32, as `make evaluate` does. The model is hardly trained, so that some translations run to the length limit, as
    those of a finished model would not."""
    network.eval()
    test, _ = data.test_dataloader()
    batches = [batch.on(device) for batch in test]
    found = {}
    for name, search in SEARCHES.items():

        def translate(batch: Batch, search: Search = search) -> None:
            translate_batch(network, batch, data.tokenizer, search)

        with _precision(TF32 if search.beam == 1 else FLOAT32, device):
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
