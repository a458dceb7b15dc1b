"""Controls that several claims use: the models with one thing taken away, nothing else changed."""

import torch
from torch import Tensor

from pipeline.models import GRUSeq2Seq, TransformerSeq2Seq
from pipeline.models.attention import Attended, causal_mask
from pipeline.models.interface import Memory


class UniformGRU(GRUSeq2Seq):
    """Attention without choice: every state is handed over, and all weigh the same."""

    def attend(self, hidden: Tensor, memory: Memory) -> Attended:
        return super().attend(torch.zeros_like(hidden), memory)


class CausalTransformer(TransformerSeq2Seq):
    """Self-attention that reads to the left only, in the encoder too."""

    def _encoder_mask(self, src_mask: Tensor) -> Tensor:
        """(batch, 1, src_len, src_len)"""
        length = src_mask.size(1)
        mask = causal_mask(length, src_mask.device) & super()._encoder_mask(src_mask)
        return mask | torch.eye(length, dtype=torch.bool, device=src_mask.device)  # padding must read something


class UnorderedTransformer(TransformerSeq2Seq):
    """A Transformer without positions: nothing tells it the order of its source (the target is still causal)."""

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        return self.embedding(ids)
