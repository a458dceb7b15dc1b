"""Dropout that draws four masks from each random number, where random numbers are what dropout costs."""

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


class FastDropout(nn.Dropout):
    """Inverted dropout (Srivastava et al. 2014) with `p` rounded to a multiple of 2⁻¹⁶.

    On a CPU, torch draws one 64-bit number per mask, and that takes longer than all the rest of dropout. On anything
    else this is `nn.Dropout`.
    """

    @property
    def level(self) -> int:
        """How many of the 2¹⁶ numbers that a mask is drawn from drop."""
        return min(round(self.p * _LEVELS), _LEVELS - 1)

    def forward(self, states: Tensor) -> Tensor:
        if states.device.type != "cpu":
            return super().forward(states)
        level = self.level
        if not self.training or not level:
            return states
        numbers = torch.empty(-(-states.numel() // 4), dtype=torch.int64)
        lanes = numbers.random_(-(2**63), None).view(torch.int16)[: states.numel()].view(states.shape)
        kept = lanes >= level - _LEVELS // 2
        return states * kept.to(states.dtype).mul_(_LEVELS / (_LEVELS - level))
