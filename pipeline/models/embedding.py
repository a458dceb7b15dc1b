"""Token vectors: the way in and, tied, the way out."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TiedEmbedding(nn.Module):
    """One matrix for source, target input and output (Press & Wolf 2017; Vaswani et al. 2017, §3.4).

    On the way in, rows are multiplied by √d_embed, so that they enter with standard deviation 1; on the way out, the
    logit of a token is the dot product of the state and its row.
    """

    def __init__(self, vocab_size: int, d_embed: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, d_embed))
        self.dropout = nn.Dropout(dropout)
        self.scale = math.sqrt(d_embed)
        nn.init.normal_(self.weight, std=1 / self.scale)

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """(batch, len) ids → (batch, len, d_embed); `positions` (len, d_embed) are added before the dropout."""
        vectors = F.embedding(ids, self.weight) * self.scale
        if positions is not None:
            vectors = vectors + positions
        return self.dropout(vectors)

    def logits(self, states: Tensor) -> Tensor:
        """(batch, len, d_embed) → (batch, len, vocab_size)"""
        return F.linear(states, self.weight)
