"""Options of `scripts.train` that are refused before anything is written or trained, and what to do instead.

Lightning would take them, and fail late in its own words, lose what was trained, or not do what they say.
"""

import math
from pathlib import Path

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from pipeline.checkpoint_file import checked_name
from pipeline.circumstances import default_device
from pipeline.data.tokenizer import MAX_VOCAB_SIZE
from pipeline.errors import UserError
from pipeline.scored_task import VALIDATION_SCORES
from pipeline.translator import is_in_models

_RANGES = {
    "seed_everything": (0, 2**32 - 1),
    "model.lr": (0, math.inf),
    "model.weight_decay": (0, math.inf),
    "model.warmup_steps": (0, math.inf),
    "data.vocab_size": (1, MAX_VOCAB_SIZE),
    "data.batch_tokens": (1, math.inf),
    "data.eval_batch_tokens": (1, math.inf),
    "trainer.accumulate_grad_batches": (1, math.inf),
    "trainer.gradient_clip_val": (0, math.inf),
    "trainer.check_val_every_n_epoch": (1, math.inf),
}


def refuse_values_out_of_range(config: Namespace) -> None:
    """Raises UserError for a number that a library would refuse later."""
    for name, (least, most) in _RANGES.items():
        value = config[name]
        if value is None:
            continue  # as it may be where Lightning gives it a meaning
        if isinstance(value, bool) or not least <= value <= most:
            wanted = f"at least {least}" if most == math.inf else f"from {least} to {most}"
            raise UserError(f"--{name} is {value}; it must be {wanted}")
    if not 0 <= config.dropout < 1:
        raise UserError(f"--dropout is {config.dropout}; it must be at least 0 and less than 1")
    checked_name(config.model.name, "--model.name")


def refuse_what_is_not_done(config: Namespace) -> None:
    """Raises UserError for an option that does not do what it says here, or leaves out what is needed."""
    trainer = config.trainer
    if not is_in_models(config.model.network.class_path):
        raise UserError(
            f"model.network is a {config.model.network.class_path}, and checkpoints of models that are not in "
            "pipeline/models are not read; put its file, or a link to it, there"
        )
    if config.ckpt_path is not None:
        raise UserError(
            "--ckpt_path is not taken: a run goes on from its own folder by itself. "
            "Give the command that started it again"
        )
    if config.weights_only is not None:
        raise UserError("--weights_only is not taken: a run goes on with all that its checkpoint holds")
    if trainer.max_time is not None:
        raise UserError(
            "--trainer.max_time is not taken: no run could be repeated; give --trainer.max_epochs, or stop the run "
            "whenever you like: the same command goes on"
        )
    if trainer.logger not in (None, True):
        raise UserError("--trainer.logger is not taken: a run logs to TensorBoard, in its own folder")
    if trainer.default_root_dir is not None:
        raise UserError("--trainer.default_root_dir is not taken: a run is kept under --runs_dir")
    if trainer.profiler is not None:
        raise UserError("--trainer.profiler is not taken: make bench says where the time goes")
    if trainer.gradient_clip_algorithm not in (None, "norm"):
        raise UserError(
            f"--trainer.gradient_clip_algorithm is {trainer.gradient_clip_algorithm}; gradients are clipped by norm"
        )
    for name, is_part in (
        ("limit_train_batches", _is_part(trainer.limit_train_batches)),
        ("overfit_batches", trainer.overfit_batches),
    ):
        if is_part:
            raise UserError(
                f"--trainer.{name} is not taken: an epoch is all batches of the corpus, so that a stopped run can "
                "go on; for a short training use --trainer.max_steps with --trainer.val_check_interval, for few "
                "sentences a smaller corpus"
            )
    for name in ("limit_val_batches", "limit_test_batches"):
        if _is_part(trainer[name]):
            raise UserError(f"--trainer.{name} is not taken: scores are of all sentences, or they do not compare")
    if trainer.num_sanity_val_steps != 0:
        raise UserError(
            f"--trainer.num_sanity_val_steps is {trainer.num_sanity_val_steps}; it must be 0: scores of some sentences "
            "would be logged as if they were of all"
        )
    callbacks = trainer.callbacks or []
    if not isinstance(callbacks, list):
        raise UserError("--trainer.callbacks is one callback in the place of all; to add one, --trainer.callbacks+")
    if not any(callback.class_path.endswith(".Checkpoints") for callback in callbacks):
        raise UserError(
            "trainer.callbacks lacks pipeline.callbacks.Checkpoints, so that nothing would be kept: a list takes the "
            "place of the one in configs/base.yaml; to add to that, write callbacks+"
        )
    plugins = trainer.plugins if isinstance(trainer.plugins, list) else [trainer.plugins]
    if not any(getattr(plugin, "class_path", "").endswith(".AtomicCheckpointIO") for plugin in plugins):
        raise UserError(
            "trainer.plugins lacks pipeline.callbacks.AtomicCheckpointIO, without which no run could go on: a list "
            "takes the place of the one in configs/base.yaml; to add to that, write plugins+"
        )


def refuse_another_place(logger: TensorBoardLogger, folder: Path) -> None:
    """Raises UserError where Lightning, which fills in variables, would write elsewhere than to the run's `folder`."""
    if Path(logger.log_dir) != folder:
        raise UserError(
            f"{folder} would be written to {logger.log_dir}, since what stands after its $ is the name of a variable; "
            "give a --runs_dir (RUNS) and a corpus without $"
        )


def stop_at_validations(callbacks: list[Namespace]) -> None:
    """Has early stopping decide when a validation ends; by default, after the epoch's checkpoint is written.

    Raises:
        UserError: It is asked for when an epoch ends.
    """
    for callback in callbacks:
        package, _, name = callback.class_path.partition(".")  # Lightning's class has a longer path as well
        if package == "pytorch_lightning" and name.endswith(".EarlyStopping"):
            if callback.init_args.check_on_train_epoch_end:
                raise UserError("EarlyStopping's check_on_train_epoch_end is not taken: it is checked at validations")
            callback.init_args.check_on_train_epoch_end = False


def _is_part(limit: float | int | None) -> bool:
    """Whether a limit of Lightning's leaves out any batch: 1.0 is all of them, 1 is one."""
    return not (limit is None or (isinstance(limit, float) and limit == 1))


def chosen_accelerator(accelerator: str) -> str:
    """What Lightning is told to use: `auto` is a GPU with CUDA if there is one, or else the CPU. Lightning's own `auto`
    would be a Mac's GPU there, on which torch has no deterministic backward pass for these models.

    Raises:
        UserError: A GPU is asked for that is not there, or a Mac's.
    """
    if accelerator == "mps":
        raise UserError("--trainer.accelerator mps is not taken: torch could not repeat a training there; use cpu")
    if accelerator in ("cuda", "gpu") and not torch.cuda.is_available():
        raise UserError(
            f"--trainer.accelerator {accelerator} was asked for, but torch {torch.__version__} finds no GPU with CUDA; "
            "use --trainer.accelerator cpu, or install the CUDA build of torch (README)"
        )
    return accelerator if accelerator != "auto" else default_device()


def refuse_to_end_unvalidated(trainer: pl.Trainer, num_batches: int) -> None:
    """Raises UserError where training would end before its first validation, which finds what is scored, or where
    the clock would say when that is.

    Args:
        trainer: With its limits.
        num_batches: In every epoch.
    """
    if trainer._val_check_time_interval is not None:
        raise UserError(
            "--trainer.val_check_interval is a time, so that no run could be repeated; give a number of batches or a "
            "share of an epoch"
        )
    interval = trainer.val_check_interval
    if not interval:
        raise UserError("--trainer.val_check_interval is 0; give a number of batches or a share of an epoch")
    interval = interval if isinstance(interval, int) else max(1, int(num_batches * interval))
    every = trainer.check_val_every_n_epoch
    if every is not None and interval > num_batches:
        raise UserError(
            f"--trainer.val_check_interval is {interval}, but an epoch has {num_batches} batches; give fewer, or count "
            "over epochs: --trainer.check_val_every_n_epoch null"
        )
    first = interval if every is None else (every - 1) * num_batches + interval
    planned = math.inf
    if trainer.max_epochs not in (None, -1):
        planned = trainer.max_epochs * num_batches
    if trainer.max_steps != -1:
        steps_each = math.ceil(num_batches / trainer.accumulate_grad_batches)
        epochs, steps = divmod(trainer.max_steps, steps_each)
        planned = min(planned, epochs * num_batches + steps * trainer.accumulate_grad_batches)
    if planned < first:
        sooner = ""
        if planned > 0:
            fitting = min(planned, num_batches) if every is not None else planned
            sooner = f", or validate sooner: --trainer.val_check_interval {fitting}"
            sooner += " --trainer.check_val_every_n_epoch 1" if every not in (None, 1) else ""
        raise UserError(
            f"training would end after {planned} batches, before its first validation, after {first}, and nothing "
            f"would be kept to score; train longer{sooner}"
        )


def refuse_other_monitors(trainer: pl.Trainer) -> None:
    """Raises UserError for a callback that watches what no validation gives."""
    for callback in trainer.callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in VALIDATION_SCORES:
            raise UserError(f"{type(callback).__name__} monitors {monitor!r}; there are {', '.join(VALIDATION_SCORES)}")


def refuse_other_strategies(trainer: pl.Trainer) -> None:
    """Raises UserError for a strategy whose checkpoints cannot be scored here, or that clips gradients part by part."""
    strategy = trainer.strategy
    if isinstance(strategy, SingleDeviceStrategy):
        return
    if type(strategy) is not DDPStrategy or strategy._start_method != "popen":  # DeepSpeed's is derived from it
        raise UserError(
            "--trainer.strategy must be auto or ddp, in a process that Python was started for (no notebook): what "
            "others train could not be scored here, or its gradients would be clipped part by part"
        )
