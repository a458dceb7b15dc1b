"""One progress bar for the whole run, with the time that is left."""

import math
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

_FORECAST_STEPS = 30
_WARMUP_STEPS = 5
_LONG = 10 * 60  # seconds
_FEW_EPOCHS = 5  # which a long training is told of


class RunProgress(ProgressBar):
    """Steps done of all steps, time left, and the latest validation scores.

    After some steps it says how long the run will take on this hardware. Where the output is not a terminal (a log
    file, CI), it prints one line per validation instead of a bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._started = 0.0
        self._first_step = 0
        self._seen_step = 0
        self._seconds_per_step: float | None = None

    def disable(self) -> None:
        self._stop()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._first_step = self._seen_step = trainer.global_step
        self._seconds_per_step = None
        if trainer.is_global_zero and sys.stdout.isatty():
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None, table_column=Column(ratio=1)),
                MofNCompleteColumn(),
                TextColumn("steps"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                TextColumn("{task.fields[scores]}"),
                refresh_per_second=2,
                expand=True,
            )
            steps = trainer.estimated_stepping_batches
            total = None if math.isinf(steps) else steps
            self._progress.add_task(module.name, total=total, completed=trainer.global_step, left="", scores="")
            self._progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if not trainer.is_global_zero or trainer.global_step == self._seen_step:  # one batch of a step of several
            return
        self._seen_step = trainer.global_step
        if module.is_capturing:  # such steps say nothing of those that follow
            self._first_step = trainer.global_step
        steps = trainer.global_step - self._first_step
        if steps == _WARMUP_STEPS:  # the first steps are slow and say little
            self._started = time.monotonic()
        if steps >= _FORECAST_STEPS:
            is_first = self._seconds_per_step is None
            self._seconds_per_step = (time.monotonic() - self._started) / (steps - _WARMUP_STEPS)
            if is_first:
                self._forecast(trainer, module)
        if self._progress is not None:
            left = f"{readable_time(self._seconds_left(trainer))} left"
            self._progress.update(self._progress.task_ids[0], completed=trainer.global_step, left=left)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scores = (
            f"loss/val {trainer.callback_metrics['loss/val']:.3f}  bleu/val {trainer.callback_metrics['bleu/val']:.1f}"
        )
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], scores=scores)
        else:
            steps = trainer.estimated_stepping_batches
            total = "no end" if math.isinf(steps) else steps
            left = readable_time(self._seconds_left(trainer))
            print(f"{module.name}: step {trainer.global_step} of {total}, {scores}, {left} left", flush=True)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _seconds_left(self, trainer: pl.Trainer) -> float:
        """Infinite where nobody knows: before there are steps enough to tell from, and of a training without an end."""
        steps_left = trainer.estimated_stepping_batches - trainer.global_step
        if self._seconds_per_step is None:
            return math.inf if steps_left else 0
        return self._seconds_per_step * steps_left

    def _forecast(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        seconds = self._seconds_left(trainer)
        device = module.device.type.upper()
        message = f"{module.name}: about {readable_time(seconds)} on this hardware ({device}), validation not counted"
        if seconds > _LONG and (trainer.max_epochs or 0) > _FEW_EPOCHS:
            message += f'; for a quick run: CORPUS=toy, or RUNS=quick ARGS="--trainer.max_epochs {_FEW_EPOCHS}"'
        self.print(message)

    def print(self, *args: Any, **kwargs: Any) -> None:
        if self._progress is not None:
            self._progress.console.print(*args, highlight=False)
        else:
            print(*args, flush=True)


def readable_time(seconds: float) -> str:
    """ "45 s", "3 min 20 s", "2 h 5 min"; "unknown" for a training without an end."""
    if math.isinf(seconds):
        return "unknown"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
