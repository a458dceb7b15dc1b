"""Token vectors: the way in and, tied, the way out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TiedEmbedding(nn.Module):
    """One matrix for source, target input and output (Press & Wolf 2017; Vaswani et al. 2017, §3.4).

    Args:
        scale: Rows are multiplied by it on the way in, and start with standard deviation 1 / scale, so that they enter
            with standard deviation 1. What it changes is the way out, and how fast rows learn: Adam's steps have one
            size, large against small rows.

    Raises:
        ValueError: `d_embed` or `scale` is not above 0.
    """

    def __init__(self, vocab_size: int, d_embed: int, dropout: float, scale: float = 1.0) -> None:
        super().__init__()
        if d_embed < 1 or scale <= 0:
            raise ValueError(f"token vectors have size {d_embed} and scale {scale:g}; both must be above 0")
        self.weight = nn.Parameter(torch.empty(vocab_size, d_embed))
        self.dropout = nn.Dropout(dropout)
        self.scale = scale
        nn.init.normal_(self.weight, std=1 / scale)

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """(batch, len) ids → (batch, len, d_embed); `positions` (len, d_embed) are added before the dropout."""
        vectors = F.embedding(ids, self.weight) * self.scale
        if positions is not None:
            vectors = vectors + positions
        return self.dropout(vectors)

    def logits(self, states: Tensor) -> Tensor:
        """(batch, len, d_embed) → (batch, len, vocab_size): the dot product of a state and each token's row.

        Autocast rounds them in training only: in bfloat16 the best tokens often tie, and a search would take any.
        """
        if self.training:
            return F.linear(states, self.weight)
        with torch.autocast(states.device.type, enabled=False):
            return F.linear(states.to(self.weight.dtype), self.weight)
