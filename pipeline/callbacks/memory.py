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
        self._batch = ""
        self._advice = _train_anew_with("--data.batch_tokens, --data.max_len")

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._batch = _described(batch)
        self._advice = _train_anew_with(f"--data.batch_tokens (now {trainer.datamodule.batch_tokens}), --data.max_len")

    def on_validation_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, *_: Any) -> None:
        self._batch = _described(batch)
        self._advice = (
            "give it with a lower --data.eval_batch_tokens "
            f"(now {trainer.datamodule.eval_batch_tokens}), which goes on likewise"
        )

    on_test_batch_start = on_validation_batch_start

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        if _is_out_of_memory(exception):
            raise UserError(
                f"out of memory at step {trainer.global_step}{self._batch}; the last good checkpoint is kept. If "
                f"another program held the memory, give the same command again, which goes on. Else {self._advice}"
            ) from exception


def _train_anew_with(settings: str) -> str:
    return f"lower {settings} or the model's sizes; the run must then start anew, with RETRAIN=1"


def _described(batch: Batch) -> str:
    sentences, src_len = batch.src.shape
    return f", with a batch of {sentences} sentences × {src_len} source tokens and {batch.tgt_in.size(1)} target tokens"


def _is_out_of_memory(error: BaseException) -> bool:
    # On the CPU, and where a GPU is full before torch takes any, torch has no exception of its own for it.
    said = ("can't allocate memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in said)
