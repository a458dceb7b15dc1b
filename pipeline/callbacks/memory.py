"""What to do when a batch does not fit into the memory."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from pipeline.data.batching import Batch
from pipeline.errors import UserError


class MemoryAdvice(Callback):
    """Says which batch was too large, and which setting makes batches smaller, when memory runs out."""

    def __init__(self) -> None:
        self._shape = ""
        self._setting = "--data.batch_tokens"

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._shape = _shape(batch)
        self._setting = f"--data.batch_tokens (now {trainer.datamodule.batch_tokens})"

    def on_validation_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, *_: Any) -> None:
        self._shape = _shape(batch)
        self._setting = f"--data.eval_batch_tokens (now {trainer.datamodule.eval_batch_tokens})"

    on_test_batch_start = on_validation_batch_start

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        if _is_out_of_memory(exception):
            raise UserError(
                f"out of memory at step {trainer.global_step}, with a batch of {self._shape}; the last good checkpoint "
                f"is kept. Lower {self._setting}, or --data.max_len, or the model's sizes; the run must then start "
                "anew, with RETRAIN=1"
            ) from exception


def _shape(batch: Batch) -> str:
    sentences, src_len = batch.src.shape
    return f"{sentences} sentences × {src_len} source tokens and {batch.tgt_in.size(1)} target tokens"


def _is_out_of_memory(error: BaseException) -> bool:
    # On the CPU torch has no exception of its own for it.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
