"""Callbacks that end a training in bad ways, for the tests of what is left then, or say how its steps are made."""

import os

import torch
from pytorch_lightning.callbacks import Callback

from pipeline.callbacks import Checkpoints
from pipeline.fast import captured


class StopAt(Callback):
    """Lets a checkpoint be written at every step, and kills the process, without any clean-up, after one.

    Args:
        step: The last step that is taken.
        rank: The process that is killed.
    """

    def __init__(self, step: int, rank: int = 0) -> None:
        self.step = step
        self.rank = rank

    def on_train_start(self, trainer, module) -> None:
        _checkpoints_of(trainer).every_seconds = 0
        self.started_at = trainer.global_step

    def on_train_batch_start(self, trainer, module, *_) -> None:
        is_after = trainer.global_step == self.step and self.started_at != self.step  # else it goes on from there
        if is_after and trainer.global_rank == self.rank:
            os._exit(7)


class PoisonAt(Callback):
    """Lets a checkpoint be written at every step before one, and makes the loss of that one not a number.

    Args:
        step: The one.
    """

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, module, *_) -> None:
        _checkpoints_of(trainer).every_seconds = 0 if trainer.global_step < self.step - 1 else float("inf")
        if trainer.global_step == self.step - 1:
            with torch.no_grad():
                module.network.embedding.weight.fill_(float("nan"))


class InDeterministicMode(Callback):
    """Fails unless algorithms are deterministic and new memory is left as it is."""

    def on_train_start(self, trainer, module) -> None:
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory


class WithGraphs(Callback):
    """Fails at the end unless steps were CUDA graphs; with `most` 0, unless none was.

    Args:
        most: Graphs that may be captured.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def on_train_start(self, trainer, module) -> None:
        captured.MOST_GRAPHS = self.most

    def on_train_end(self, trainer, module) -> None:
        assert (len(module._captured._graphs) > 0) == (self.most > 0)


def _checkpoints_of(trainer) -> Checkpoints:
    return next(callback for callback in trainer.callbacks if isinstance(callback, Checkpoints))
