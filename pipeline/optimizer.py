"""AdamW, the optimiser of every network here, and its learning rate in training: up, then down to 0, both linearly."""

import math
from collections.abc import Iterable

import torch
from torch import nn

BETAS = (0.9, 0.98)  # Vaswani et al. 2017, §5.3
WEIGHT_DECAY = 0.01


def make_optimizer(
    parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = WEIGHT_DECAY, *, fused: bool | None = None
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); `fused` takes one kernel for all parameters."""
    return torch.optim.AdamW(parameters, lr=lr, betas=BETAS, weight_decay=weight_decay, fused=fused)


def lr_factor(step: int, warmup_steps: int, total: float) -> float:
    """What the peak rate is multiplied by at a step: up linearly to 1 over `warmup_steps`, then down to 0 at `total`.

    Where training has no end (`total` is infinite) it stays at 1; where it is short, it rises over half of it at most.
    """
    warmup = warmup_steps if math.isinf(total) else min(warmup_steps, max(1, total // 2))
    if step < warmup:
        return (step + 1) / warmup
    return 1.0 if math.isinf(total) else max(0.0, (total - step) / max(1, total - warmup))
