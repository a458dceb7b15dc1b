"""Checkpoints that can be trusted: `best.ckpt` by validation loss, `last.ckpt` to go on from; never half a file."""

import math
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO

from pipeline.checkpoint_file import checksum_file, read_checkpoint, write_checkpoint
from pipeline.errors import UserError

# Several processes agree on whether it is time to save: this often between two checkpoints, as agreeing waits for all.
_AGREEMENTS = 20


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lets Lightning write and read checkpoints as `pipeline.checkpoint_file` does.

    Its own way stages a file in the system's temporary folder and copies it over the old one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        super().remove_checkpoint(path)
        checksum_file(Path(path)).unlink(missing_ok=True)


class Checkpoints(Callback):
    """Keeps `checkpoints/best.ckpt`, of the lowest `loss/val`, and `checkpoints/last.ckpt` in the run folder.

    `last.ckpt` is never written on a batch that a validation follows: resumed from there, Lightning would skip that
    validation. At the end of an epoch it is written when its validation is over.

    Args:
        every_seconds: At most this much training is lost when a run is killed, and a few steps.
    """

    def __init__(self, every_seconds: float = 25.0) -> None:
        self.every_seconds = every_seconds
        self.best: float | None = None
        self._stopped = False
        self._saved_at = time.monotonic()
        self._agreed = (0, 0.0)  # the step and the time of the last agreement
        self._agree_at = 0

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = self._is_due(trainer)
        # Without check_val_every_n_epoch, Lightning counts the batches of all epochs.
        is_over_epochs = trainer.check_val_every_n_epoch is None
        index = trainer.fit_loop.epoch_loop.total_batch_idx if is_over_epochs else batch_idx
        validation_follows = trainer.is_last_batch or (index + 1) % trainer.val_check_batch == 0
        # Between the batches of one step there are gradients, which no checkpoint holds.
        is_step_done = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if due and is_step_done and not validation_follows:
            self._save(trainer, "last")

    def _is_due(self, trainer: pl.Trainer) -> bool:
        now, step = time.monotonic(), trainer.global_step
        due = now - self._saved_at >= self.every_seconds
        if trainer.world_size == 1:
            return due
        if step < self._agree_at:
            return False
        # The first process decides, and also when to ask it again: steps may take a millisecond or many seconds.
        last_step, last_time = self._agreed
        steps = (step - last_step) / (now - last_time) * self.every_seconds / _AGREEMENTS
        due, self._agree_at = trainer.strategy.broadcast((due, step + max(1, round(steps))))
        self._agreed = (step, now)
        return due

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        value = float(trainer.callback_metrics["loss/val"])
        if not math.isfinite(value):
            raise UserError(
                f"loss/val is {value} at step {trainer.global_step}; the last good checkpoint is kept. "
                "Train anew with a lower --model.lr or a longer --model.warmup_steps, and RETRAIN=1"
            )
        if self.best is None or value < self.best:
            self.best = value
            self._save(trainer, "best")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stopped = trainer.should_stop
        self._save(trainer, "last")

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Lightning forgets that a run was stopped early, and would train it on.
        trainer.should_stop = self._stopped
        self._agreed = (trainer.global_step, time.monotonic())
        _refuse_other_start(trainer)
        _end_at_once_when_asked(trainer)

    def on_test_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        _end_at_once_when_asked(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self._stopped = state_dict["stopped"]

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        if trainer.fast_dev_run:
            return
        folder = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"
        try:
            trainer.save_checkpoint(folder / f"{name}.ckpt")
        except OSError as error:
            kept = "the one before is kept" if (folder / "last.ckpt").is_file() else "there is none before it"
            raise UserError(
                f"the checkpoint of step {trainer.global_step} cannot be written ({error.strerror}); {kept}. "
                f"Make room in {folder} and run the same command, which goes on from what is there"
            ) from error
        if name == "last":
            self._saved_at = time.monotonic()


def _refuse_other_start(trainer: pl.Trainer) -> None:
    """Raises UserError where a process starts from another step than the first one, or with another corpus.

    So it is on machines that do not share the run folder; they would train on, each a model of its own.
    """
    mine = (trainer.global_step, trainer.datamodule.content_hash)
    first = trainer.strategy.broadcast(mine)
    if mine != first:
        raise UserError(
            f"process {trainer.global_rank} starts at step {mine[0]} with the text {mine[1][:8]}…, but the first one "
            f"at step {first[0]} with {first[1][:8]}…; all machines must see the same --runs_dir and the same corpus"
        )


def _end_at_once_when_asked(trainer: pl.Trainer) -> None:
    """Makes SIGTERM an exit with status 143, wherever the process is.

    Lightning would go on to the end of the step, and first send a message to the other processes: in the middle of
    whatever they are exchanging, so that they wait for good or take it for a gradient. Not under SLURM, which sends the
    signal before it requeues a job.
    """

    def end(*_: Any) -> None:
        launcher = trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(signal.SIGTERM)
        sys.exit(128 + signal.SIGTERM)

    if not SLURMEnvironment.detect():
        signal.signal(signal.SIGTERM, end)
