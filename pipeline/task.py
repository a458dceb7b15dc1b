"""Training: a step, and what is measured of every step; the same for every model."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

from pipeline.circumstances import circumstances, commit
from pipeline.data.batching import Batch
from pipeline.errors import UserError
from pipeline.fast.captured import CapturedSteps
from pipeline.fast.objective import batch_objective
from pipeline.models import Seq2Seq
from pipeline.objective import Objective, objective
from pipeline.optimizer import WEIGHT_DECAY, lr_factor, make_optimizer
from pipeline.scored_task import ScoredTask
from pipeline.window import Window


class TranslationTask(ScoredTask):
    """Trains any `Seq2Seq` to translate.

    The loss is nats per real target token, teacher-forced. Label smoothing changes only what is optimised
    (`loss/objective`), never what is reported as `loss/train` and `loss/val`.

    Args:
        network: The model.
        name: What the model's run folder is called.
        lr: Peak learning rate of AdamW.
        warmup_steps: Steps over which the rate rises to `lr`; then it falls linearly to 0 at the last step.
        weight_decay: Of AdamW.
        label_smoothing: In [0, 1): the share of probability that the objective spreads over the whole vocabulary
            (Szegedy et al. 2016, §7).
        seed: Of the dropout masks; each batch draws from (seed, its number, process) alone.
        fast: Take the fast paths of `pipeline.fast`: the same objective and translations in a fraction of the time. On
            one GPU, in float32 or bf16-mixed, a step is then a CUDA graph: Lightning's hooks around backward and the
            optimiser are not called.
    """

    def __init__(
        self,
        network: Seq2Seq,
        name: str,
        lr: float = 2e-3,
        warmup_steps: int = 200,
        weight_decay: float = WEIGHT_DECAY,
        label_smoothing: float = 0.0,
        seed: int = 1,
        fast: bool = False,
    ) -> None:
        super().__init__(network, name, fast)
        if not 0 <= label_smoothing < 1:
            raise UserError(f"model.label_smoothing is {label_smoothing}; it must be at least 0 and less than 1")
        self.save_hyperparameters()
        self.lr = lr
        self.warmup_steps = warmup_steps
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.seed = seed
        # Kept in the checkpoint: a resumed run goes on counting.
        self.tokens_seen = 0
        self.seconds = 0.0
        self.commits: list[str | None] = []  # of the code that trained, the first one first
        self._window = Window()
        self._validation_start = 0.0
        self._rate = 0.0  # of the last step
        self._logged_at = 0
        self._captured: CapturedSteps | None = None

    # Training

    def on_train_start(self) -> None:
        if (now := commit()) not in self.commits:
            self.commits.append(now)
        self._window.go_on(self.device)
        self._logged_at = self.global_step
        self._decide_on_graphs()

    def on_train_epoch_start(self) -> None:
        self._decide_on_graphs()  # again: a callback may let batches be accumulated from some epoch on

    def _decide_on_graphs(self) -> None:
        """Lets steps be CUDA graphs by the fast paths on one GPU, where a batch is a step and no number is scaled."""
        trainer = self.trainer
        can_capture = (
            self.fast
            and self.device.type == "cuda"
            and isinstance(trainer.strategy, SingleDeviceStrategy)
            and trainer.accumulate_grad_batches == 1
            and trainer.precision in ("32-true", "bf16-mixed")
        )
        if not can_capture:
            self._captured = None
        elif self._captured is None:
            limit = _clip_limit(trainer.gradient_clip_val)
            self._captured = CapturedSteps(self.objective_of, trainer.optimizers[0], limit)

    @property
    def is_capturing(self) -> bool:
        """Whether steps are still captured as CUDA graphs, and take many times as long as later."""
        return self._captured is not None and not self._captured.is_replayed

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        if self._captured is not None and self.trainer.training:
            return batch  # goes straight to where its graph reads it
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Makes randomness a function of the batch, so that nothing drawn elsewhere can change a run."""
        seed = (self.seed * 1_000_003 + self.trainer.datamodule.num_consumed) * 1_009 + self.global_rank
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index].manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        if self._captured is not None:
            minimised, nats, gradient_norm = self._captured(batch).unbind()
        else:
            minimised, nats = self.objective_of(batch)
        self.trainer.datamodule.on_batch_consumed()
        self.tokens_seen += batch.num_tokens
        self._window.nats.append(nats.detach())
        self._window.objectives.append(minimised.detach())
        self._window.tokens += batch.num_tokens
        if self._captured is not None:
            self._window.add_step(gradient_norm)
            return None  # there is nothing left to do
        # The mean over the tokens of all processes: DDP averages gradients over processes, hence the factor. Batches
        # that are accumulated weigh alike, however many tokens each has.
        return minimised * (self.trainer.world_size / batch.num_tokens)

    def objective_of(self, batch: Batch) -> Objective:
        """The objective of a batch, by the fast path if that is wanted and the model has it."""
        network = self.network
        if self.fast and network.output_matrix is not None:
            return batch_objective(network, batch, self.label_smoothing)
        logits = network(batch.src, batch.src_mask, batch.tgt_in)
        return objective(logits, batch.tgt_out, self.label_smoothing)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        self._rate = optimizer.param_groups[0]["lr"]  # the schedule will have moved on when this is logged
        if self._captured is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        else:
            optimizer_closure()  # its training step is the whole step

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm=None
    ) -> None:
        """Clips by the norm over all parameters, and keeps that norm for the log."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), _clip_limit(gradient_clip_val), foreach=True)
        self._window.add_step(norm)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self._log_window_if_due()

    def on_train_end(self) -> None:
        self._captured = None
        if self._window.tokens:
            self._log_window()

    def _log_window_if_due(self) -> None:
        every = self.trainer.log_every_n_steps  # 0 means never
        is_new = self.global_step != self._logged_at  # not so between the batches of one step
        if self._window.tokens and every and is_new and self.global_step % every == 0:
            self._log_window()

    def _log_window(self) -> None:
        """Writes the means since the last call. Not at every step: reading them back waits for the device."""
        self._refuse_nonfinite()
        self._logged_at = self.global_step
        window, self._window = self._window, Window()
        seconds = window.seconds()
        self.seconds += seconds
        # One process's share of the tokens, times the processes, is close enough for a curve.
        scale = self.trainer.world_size / window.tokens
        scalars = {
            "loss/train": float(torch.stack(window.nats).sum()) * scale,
            "lr": self._rate,
            "gradient/norm": float(window.gradient_norms[-1]) if window.gradient_norms else 0.0,
            "speed/tokens_per_second": window.tokens / seconds,
            "tokens_seen": self.tokens_seen,
        }
        if self.label_smoothing:
            scalars["loss/objective"] = float(torch.stack(window.objectives).sum()) * scale
        self._log(scalars)

    def _refuse_nonfinite(self) -> None:
        """Raises UserError if a loss or gradient since the last call of `_log_window` is not finite."""
        window = self._window
        # Scaled 16-bit gradients overflow now and then by design; the scaler leaves such a step out.
        bad = window.first_nonfinite(with_gradients=not self._has_scaled_gradients())
        if bad is None:
            return
        step = self.global_step + 1 - window.steps_since(bad)
        numbers = self.trainer.datamodule.consumed_sentences(len(window.nats) - 1 - bad)
        shown = ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
        raise UserError(
            f"the loss or its gradient is not finite at step {step}, "
            f"on the training sentences {shown}; the last good checkpoint is kept. Look at these sentences, or train "
            "anew with a lower --model.lr or a longer --model.warmup_steps, and RETRAIN=1"
        )

    def _has_scaled_gradients(self) -> bool:
        return getattr(self.trainer.precision_plugin, "scaler", None) is not None

    # Validation

    def on_validation_epoch_start(self) -> None:
        if self._window.tokens:
            self._log_window()
        self._validation_start = time.perf_counter()
        super().on_validation_epoch_start()

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.seconds += time.perf_counter() - self._validation_start

    def on_validation_end(self) -> None:
        # Comes after the callbacks': what they draw and save in between is no time of training.
        self._window = Window()

    # Optimiser, checkpoint

    def configure_optimizers(self) -> dict[str, Any]:
        # A fused step would undo the scale of 16-bit gradients itself, after they were clipped.
        fused = not self._has_scaled_gradients()
        optimizer = make_optimizer(self.parameters(), self.lr, self.weight_decay, fused=fused)
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, self.warmup_steps, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # A run that goes on from here never comes back to what is behind: that must be right, and in the log on disk.
        self._refuse_nonfinite()
        self._log_window_if_due()
        if self.logger is not None:
            self.logger.experiment.flush()
        checkpoint["progress"] = {
            "tokens_seen": self.tokens_seen,
            "seconds": self.seconds,
            "commits": self.commits,
            "window": self._window.state_dict(),
        }
        checkpoint["circumstances"] = circumstances(self.trainer.world_size, self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        progress = checkpoint["progress"]
        self.tokens_seen = progress["tokens_seen"]
        self.seconds = progress["seconds"]
        self.commits = progress["commits"]
        self._window = Window(**progress["window"])


def _clip_limit(gradient_clip_val: float | None) -> float:
    """The largest norm of a gradient; Lightning's 0 and None mean that there is none."""
    return gradient_clip_val or math.inf
