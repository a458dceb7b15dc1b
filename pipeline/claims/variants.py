"""Controls that several claims use: the models with one thing taken away, nothing else changed."""

import torch
from torch import Tensor

from pipeline.models import GRUSeq2Seq, TransformerSeq2Seq
from pipeline.models.attention import Attended
from pipeline.models.interface import Memory


class UniformGRU(GRUSeq2Seq):
    """Attention without choice: every state is handed over, and all weigh the same."""

    def attend(self, hidden: Tensor, memory: Memory) -> Attended:
        return super().attend(torch.zeros_like(hidden), memory)


class CausalTransformer(TransformerSeq2Seq):
    """Self-attention that reads to the left only, in the encoder too."""

    def _encode(self, states: Tensor, src_mask: Tensor, *, need_weights: bool) -> tuple[Tensor, list[Tensor | None]]:
        length = states.size(1)
        causal = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
        mask = causal & src_mask[:, None, None, :]
        mask = mask | torch.eye(length, dtype=torch.bool, device=states.device)  # padding must read something
        all_weights = []
        for layer in self.encoder:
            states, weights = layer(states, mask, need_weights=need_weights)
            all_weights.append(weights)
        return self.encoder_norm(states), all_weights


class UnorderedTransformer(TransformerSeq2Seq):
    """A Transformer without positions: nothing tells it the order of its source (the target is still causal)."""

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        return self.embedding(ids)
