"""What is measured between two lines of the training log."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Window:
    """What happened since the scalars were last written; the numbers stay on the device until then.

    Args:
        nats: Of each batch.
        objectives: Of each batch.
        gradient_norms: Of each step.
        last_batches: Which batch, from 0, was each step's last.
        tokens: Of all batches together.
        seconds_before: That it took before the run went on from a checkpoint.
    """

    def __init__(
        self,
        nats: Sequence[Tensor] = (),
        objectives: Sequence[Tensor] = (),
        gradient_norms: Sequence[Tensor] = (),
        last_batches: Sequence[int] = (),
        tokens: int = 0,
        seconds_before: float = 0.0,
    ) -> None:
        self.nats = list(nats)
        self.objectives = list(objectives)
        self.gradient_norms = list(gradient_norms)
        self.last_batches = list(last_batches)
        self.tokens = tokens
        self.seconds_before = seconds_before
        self.start = time.perf_counter()

    def add_step(self, gradient_norm: Tensor) -> None:
        """Counts a step that the last batch ended."""
        self.gradient_norms.append(gradient_norm)
        self.last_batches.append(len(self.nats) - 1)

    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.start

    def go_on(self, device: torch.device) -> None:
        """Starts the clock; what came from a checkpoint goes to `device`, where the rest will be."""
        self.start = time.perf_counter()
        self.nats, self.objectives, self.gradient_norms = (
            [value.to(device) for value in values] for values in (self.nats, self.objectives, self.gradient_norms)
        )

    def state_dict(self) -> dict[str, Any]:
        """The arguments that make this window again."""
        return {
            "nats": self.nats,
            "objectives": self.objectives,
            "gradient_norms": self.gradient_norms,
            "last_batches": self.last_batches,
            "tokens": self.tokens,
            "seconds_before": self.seconds(),
        }

    def first_nonfinite(self, *, with_gradients: bool) -> int | None:
        """Which batch was the first with a loss or gradient that is not finite; None where all are."""
        bad = _nonfinite(self.nats)
        if with_gradients:
            bad += [self.last_batches[step] for step in _nonfinite(self.gradient_norms)]
        return min(bad, default=None)

    def steps_since(self, batch: int) -> int:
        """How many steps had this batch or a later one; 0 where its step is not done."""
        return sum(last >= batch for last in self.last_batches)


def _nonfinite(values: list[Tensor]) -> list[int]:
    return (~torch.stack(values).isfinite()).nonzero().flatten().tolist() if values else []
