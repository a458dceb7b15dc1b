"""Checkpoints that can be trusted: `best.ckpt` by validation loss, `last.ckpt` to go on from; never half a file."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.io import TorchCheckpointIO

from pipeline.errors import UserError

# With several processes, whether it is time to save is agreed on only this often: agreeing waits for all of them.
_AGREE_EVERY = 20


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file, syncs, renames: at every moment the path holds a whole checkpoint or none.

    Lightning's own way stages the file in the system's temporary folder and copies it over the old one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


class Checkpoints(Callback):
    """Keeps `checkpoints/best.ckpt` and `checkpoints/last.ckpt` in the run folder.

    `last.ckpt` is never written on a batch that a validation follows: resumed from there, Lightning would skip that
    validation. At the end of an epoch it is written when its validation is over.

    Args:
        every_seconds: At most this much training is lost when a run is killed.
        monitor: The value whose smallest marks the best checkpoint.
    """

    def __init__(self, every_seconds: float = 30.0, monitor: str = "loss/val") -> None:
        self.every_seconds = every_seconds
        self.monitor = monitor
        self.best: float | None = None
        self._stopped = False
        self._saved_at = time.monotonic()

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._saved_at = time.monotonic()
        folder = checkpoint_folder(trainer)  # on every process: asking for it is a broadcast
        if trainer.is_global_zero:
            for stale in folder.glob(".*.ckpt.*"):
                stale.unlink()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = time.monotonic() - self._saved_at >= self.every_seconds
        if trainer.world_size > 1:
            if trainer.global_step % _AGREE_EVERY:
                return
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        validation_follows = trainer.is_last_batch or (batch_idx + 1) % trainer.val_check_batch == 0
        if due and not validation_follows:
            self._save(trainer, module, "last")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = float(trainer.callback_metrics[self.monitor])
        if self.best is None or value < self.best:
            self.best = value
            self._save(trainer, module, "best")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stopped = trainer.should_stop
        self._save(trainer, module, "last")

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Lightning forgets that a run was stopped early, and would train it on.
        trainer.should_stop = self._stopped

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self._stopped = state_dict["stopped"]

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule, name: str) -> None:
        if trainer.fast_dev_run:
            return
        if not all(bool(parameter.isfinite().all()) for parameter in module.parameters()):
            raise UserError(
                f"the weights are not finite at step {trainer.global_step}; the last good checkpoint is kept. "
                "Train anew with a lower --model.lr or a longer --model.warmup_steps, and RETRAIN=1"
            )
        trainer.save_checkpoint(checkpoint_folder(trainer) / f"{name}.ckpt")
        if name == "last":
            self._saved_at = time.monotonic()


def checkpoint_folder(trainer: pl.Trainer) -> Path:
    """Where a run keeps its checkpoints."""
    return Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"
