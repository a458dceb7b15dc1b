"""Training throughput: the pipeline's readable and fast ways beside a bare PyTorch loop, in turns.

Machines are shared, so that speeds of different minutes cannot be compared: the ways take turns, a window of some steps
each, round after round, and what is compared is the ratio within a round.
"""

import copy
import itertools
import tempfile
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from pipeline.bench.reference import LABEL_SMOOTHING, LR, make_model, spread, training_batches
from pipeline.data.batching import Batch
from pipeline.data.datamodule import TranslationData
from pipeline.fast.objective import batch_objective
from pipeline.models import Seq2Seq
from pipeline.objective import objective
from pipeline.optimizer import make_optimizer
from pipeline.task import TranslationTask

WARM_UP = 2  # steps before each window


class Way(NamedTuple):
    """One way to train: through the pipeline or by the bare loop, by the fast paths or the readable ones."""

    name: str
    is_bare: bool = False
    fast: bool = False
    precision: str = "32-true"


WAYS = (
    Way("bare loop", is_bare=True),
    Way("readable"),
    Way("fast", fast=True),
    Way("fast, bf16-mixed", fast=True, precision="bf16-mixed"),
)


def measure_training(data: TranslationData, model: str, rounds: int, steps: int) -> dict[str, Any]:
    """Target tokens and sentences per second of each way.

    Args:
        data: Set up.
        model: A name in `reference.MODELS`.
        rounds: Windows per way.
        steps: Optimiser steps per window.

    Returns:
        Way → {"tokens_per_second", "sentences_per_second", "times_bare_loop"}, each the spread over rounds.
    """
    networks = {way.name: make_model(model, data.vocab_size) for way in WAYS}
    batches = training_batches(data, WARM_UP + steps)
    measured = batches[WARM_UP:]
    tokens, sentences = sum(b.num_tokens for b in measured), sum(len(b.src) for b in measured)
    seconds: dict[str, list[float]] = {way.name: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            network = networks[way.name]
            seconds[way.name] += (
                [_bare(network, batches)] if way.is_bare else through_pipeline(way, network, data, len(measured))
            )
    bare = seconds[WAYS[0].name]
    return {
        name: {
            "tokens_per_second": spread([tokens / s for s in of_way])._asdict(),
            "sentences_per_second": spread([sentences / s for s in of_way])._asdict(),
            "times_bare_loop": spread([b / s for b, s in zip(bare, of_way, strict=True)])._asdict(),
        }
        for name, of_way in seconds.items()
    }


def bare_step(network: Seq2Seq, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """What any PyTorch loop does with these models: forward, backward, clip, update."""
    logits = network(batch.src, batch.src_mask, batch.tgt_in)
    _update(network, optimizer, objective(logits, batch.tgt_out, LABEL_SMOOTHING).objective / batch.num_tokens)


def fast_step(network: Seq2Seq, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """The same with the fast objective; `network` may have the fast modules too."""
    _update(network, optimizer, batch_objective(network, batch, LABEL_SMOOTHING).objective / batch.num_tokens)


def _update(network: Seq2Seq, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
    optimizer.step()


def task_optimizer(network: Seq2Seq) -> torch.optim.Optimizer:
    """The optimiser of `TranslationTask`."""
    return make_optimizer(network.parameters(), LR, fused=True)


def _bare(network: Seq2Seq, batches: Sequence[Batch]) -> float:
    optimizer = task_optimizer(network)
    for index, batch in enumerate(batches):
        if index == WARM_UP:
            start = time.perf_counter()
        bare_step(network, optimizer, batch)
    return time.perf_counter() - start


class _Stopwatch(pl.Callback):
    """Reads the clock after the warm-up, and after each window of as many steps from there on."""

    def __init__(self, warm_up: int, window: int) -> None:
        self.warm_up = warm_up
        self.window = window
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step >= self.warm_up and (trainer.global_step - self.warm_up) % self.window == 0:
            self.times.append(now())


class _ScalarsOnly(TensorBoardLogger):
    """Writes no settings: the network is among those of a task made by hand, and takes half a minute as YAML."""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass


def now() -> float:
    """Seconds on a clock that is read when the GPU, if there is one, has done what it was told to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def through_pipeline(
    way: Way,
    network: Seq2Seq,
    data: TranslationData,
    window: int,
    *,
    windows: int = 1,
    warm_up: int = WARM_UP,
    accelerator: str = "cpu",
) -> list[float]:
    """Seconds of each of `windows` windows of `window` steps of training by Lightning's trainer, after `warm_up` steps.

    With the settings of configs/base.yaml and a log, but no validation and no checkpoint. Always from the first batch
    of `data` on, as the loops beside which it is measured.
    """
    data = copy.copy(data)  # which counts what it has handed out
    stopwatch = _Stopwatch(warm_up, window)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = TranslationTask(network, "bench", lr=LR, label_smoothing=LABEL_SMOOTHING, fast=way.fast)
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=way.precision,
            max_steps=warm_up + windows * window,
            limit_val_batches=0,
            gradient_clip_val=1.0,
            deterministic=True,
            num_sanity_val_steps=0,
            log_every_n_steps=20,
            enable_model_summary=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            logger=_ScalarsOnly(folder, name="", version=""),
            callbacks=[stopwatch],
        )
        trainer.fit(task, data)
    return [end - start for start, end in itertools.pairwise(stopwatch.times)]
