"""The GRU models. Without attention and with it they are this one class: `memory: last` or `memory: all`.

The mechanism is the article's (README), with Luong et al. 2015 for what it leaves out (softmax, W_c, tanh):

    HS = encoder states          (batch, src_len, d_model)     `memory.states`
    H  = decoder states          (batch, tgt_len, d_model)     `hidden`
    A  = softmax(H · HSᵀ)        (batch, tgt_len, memory_len)  `alignment`, Luong eq. 7, "dot"
    C  = A · HS                  (batch, tgt_len, d_model)     `context`
    Y  = W_s tanh(W_c [C; H])    (batch, tgt_len, vocab_size)  `logits`, Luong eq. 5–6

Where the memory has one state, the softmax over one score is 1 and C is that state at every step: no attention, with
the same parameters. There is no input feeding, so a whole target is one GRU call and two batched products.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.models.attention import Attended, dot_product_attention
from pipeline.models.embedding import TiedEmbedding
from pipeline.models.interface import (
    DecoderOutput,
    Handover,
    Memory,
    Seq2Seq,
    check_handover,
    gather_position,
    hand_over,
    last_position,
    positions_to_rows,
    rows_to_positions,
)

Direction = Literal["forward", "backward", "both"]


class GRUSeq2Seq(Seq2Seq):
    """A GRU encoder and a GRU decoder of one layer each.

    Args:
        vocab_size: Pieces in the joint vocabulary.
        memory: What the encoder hands over: `all` (attention), `last` (the bottleneck) or `mean`.
        d_embed: Size of token vectors.
        d_model: Size of a state, of encoder and decoder.
        direction: In which the encoder reads: `forward`, left to right; `backward`, right to left, so that its last
            state is that of the first word (Sutskever et al. 2014, §3.3); `both`, each with d_model / 2, and the states
            stay d_model wide.
        dropout: On token vectors and on tanh(W_c [C; H]).
        embedding_scale: The `scale` of `TiedEmbedding`; which one trains best depends on the corpus (results/LOG.md).

    Raises:
        ValueError: `memory` or `direction` does not exist, or a size is out of its range.
    """

    def __init__(
        self,
        vocab_size: int,
        memory: Handover = "all",
        d_embed: int = 128,
        d_model: int = 256,
        direction: Direction = "forward",
        dropout: float = 0.1,
        embedding_scale: float = 1.0,
    ) -> None:
        super().__init__(vocab_size)
        check_handover(memory)
        if direction not in Direction.__args__:
            raise ValueError(f"direction is {direction!r}; it must be one of {', '.join(Direction.__args__)}")
        if direction == "both" and d_model % 2:
            raise ValueError(f"d_model is {d_model}; an encoder of both directions needs an even number, half for each")
        self.handover = memory
        self.embedding = TiedEmbedding(vocab_size, d_embed, dropout, embedding_scale)
        self.encoder = GRUEncoder(d_embed, d_model, direction)
        self.decoder = UncastGRU(d_embed, d_model, batch_first=True)
        self.combine = nn.Linear(2 * d_model, d_embed, bias=False)  # W_c
        self.dropout = nn.Dropout(dropout)

    def embed_source(self, src: Tensor) -> Tensor:
        return self.embedding(src)

    def encode_vectors(self, vectors: Tensor, src_mask: Tensor) -> Memory:
        states, last = self.encoder(vectors, src_mask)
        return hand_over(states, src_mask, last, self.handover)

    @property
    def output_matrix(self) -> Tensor:
        return self.embedding.weight

    def decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: Tensor | None = None,
        *,
        need_alignment: bool = False,
        need_logits: bool = True,
    ) -> DecoderOutput:
        batch, rows = len(memory.states), len(tgt)  # more rows than sources in beam search
        start = memory.summary.repeat_interleave(rows // batch, dim=0) if state is None else state
        hidden, state = self.decoder(self.embedding(tgt), start.unsqueeze(0).contiguous())
        context, alignment = self.attend(rows_to_positions(hidden, batch), memory)
        context = positions_to_rows(context, rows)
        output = torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))  # (rows, tgt_len, d_embed)
        output = self.dropout(output)
        logits = self.embedding.logits(output) if need_logits else None  # W_s
        alignment = positions_to_rows(alignment, rows) if need_alignment else None
        return DecoderOutput(logits, alignment, state.squeeze(0), output)

    def attend(self, hidden: Tensor, memory: Memory) -> Attended:
        """A and C for decoder states H (batch, tgt_len, d_model), from HS."""
        return dot_product_attention(
            query=hidden, key=memory.states, value=memory.states, mask=memory.mask.unsqueeze(1), scale=1.0
        )

    def reorder(self, state: Tensor, rows: Tensor, sources: Tensor | None = None) -> Tensor:
        return state.index_select(0, rows)


class UncastGRU(nn.GRU):
    """A GRU that keeps the precision of its weights under mixed precision.

    Under bf16 autocast, cuDNN would compute it in float16, whose gradients overflow without a scaler (torch,
    AutocastRNN.cpp).
    """

    def forward(self, vectors: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(vectors.device.type, enabled=False):
            dtype = self.weight_ih_l0.dtype
            return super().forward(vectors.to(dtype), None if hidden is None else hidden.to(dtype))


class GRUEncoder(nn.Module):
    """Reads token vectors forward, backward or, with half of the state for each, in both directions."""

    def __init__(self, d_embed: int, d_model: int, direction: Direction) -> None:
        super().__init__()
        size = d_model // 2 if direction == "both" else d_model
        self.forward_gru = UncastGRU(d_embed, size, batch_first=True) if direction != "backward" else None
        self.backward_gru = UncastGRU(d_embed, size, batch_first=True) if direction != "forward" else None

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """All states (batch, src_len, d_model) and the last (batch, d_model), of `vectors` (batch, src_len, d_embed).

        Padding stands on the right, where no real state of the forward GRU can see it. The backward GRU reads each
        sentence reversed within its own length, which is what packed sequences do, without their sorting.
        """
        end = last_position(mask)
        states, last = [], []
        if self.forward_gru is not None:
            read, _ = self.forward_gru(vectors)
            states.append(read)
            last.append(gather_position(read, end))
        if self.backward_gru is not None:
            order = reverse_order(mask)
            read, _ = self.backward_gru(_reorder(vectors, order))
            states.append(_reorder(read, order))
            last.append(gather_position(read, end))
        return torch.cat(states, dim=-1), torch.cat(last, dim=-1)


def reverse_order(mask: Tensor) -> Tensor:
    """(batch, len) positions that reverse each row within its real length: 3 of 5 real gives [2, 1, 0, 3, 4]."""
    position = torch.arange(mask.size(1), device=mask.device)
    return torch.where(mask, last_position(mask).unsqueeze(1) - position, position)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device).unsqueeze(1), order]
