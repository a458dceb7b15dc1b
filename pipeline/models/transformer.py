"""The Transformer (Vaswani et al. 2017), with layer normalisation before each part (Xiong et al. 2020).

The article's seven steps (README): 1 embedding (`TiedEmbedding`), 2 Q, K, V (`MultiHeadAttention`), 3 scores, 4 ÷ √d_k,
5 softmax, 6 × V, 7 sum (`dot_product_attention`). What it does not name stands here: positions, residuals,
normalisation, the feed-forward part.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.models.attention import KeyValue, MultiHeadAttention
from pipeline.models.embedding import TiedEmbedding
from pipeline.models.interface import (
    AttentionMap,
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

MOST_LAYERS = 1000  # so that sizes made up in a checkpoint are refused before a billion layers fill the memory


def sinusoidal_positions(start: int, length: int, d_model: int, device: torch.device) -> Tensor:
    """(length, d_model) for positions start, start + 1, …: sines, then cosines (§3.5, where the two alternate)."""
    as_float = {"dtype": torch.float32, "device": device}  # the default may be bfloat16, which cannot count to 300
    frequency = torch.exp(torch.arange(0, d_model, 2, **as_float) * (-math.log(10_000) / d_model))
    angle = torch.arange(start, start + length, **as_float).unsqueeze(1) * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :d_model]


class FeedForward(nn.Sequential):
    """§3.3: the same two-layer network at every position."""

    def __init__(self, d_model: int, d_ff: int, dropout: float) -> None:
        super().__init__(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_ff, d_model))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward; each reads normalised states and adds to the residual stream."""

    def __init__(self, d_model: int, d_ff: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.feed_forward = FeedForward(d_model, d_ff, dropout)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor, *, need_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """States (batch, src_len, d_model) → states and weights; `mask` is (batch, 1, 1 or src_len, src_len)."""
        normed = self.attention_norm(states)
        keys_values = self.attention.keys_values(normed)
        context, weights = self.attention(normed, keys_values, mask, need_weights=need_weights)
        states = states + self.dropout(context)
        states = states + self.dropout(self.feed_forward(self.feed_forward_norm(states)))
        return states, weights


class LayerState(NamedTuple):
    """What a decoder layer keeps between calls: keys and values of the target so far, and of the memory."""

    target: KeyValue
    memory: KeyValue


class LayerOutput(NamedTuple):
    """What a decoder layer gives.

    Attributes:
        states: (batch, tgt_len, d_model).
        weights: (batch, num_heads, tgt_len, memory_len), of the cross-attention. None unless asked for.
        kept: What the next call needs as its `past`.
    """

    states: Tensor
    weights: Tensor | None
    kept: LayerState


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention to the memory, feed-forward."""

    def __init__(self, d_model: int, d_ff: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.cross_attention = MultiHeadAttention(d_model, num_heads)
        self.feed_forward = FeedForward(d_model, d_ff, dropout)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.cross_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, memory: Memory, past: LayerState | None, *, need_weights: bool = False
    ) -> LayerOutput:
        """Reads `states` (batch, tgt_len, d_model); with a `past`, the one next position, which may read everything
        before it."""
        normed = self.self_attention_norm(states)
        target = self.self_attention.keys_values(normed)
        if past is not None:
            target = KeyValue(*(torch.cat(pair, dim=2) for pair in zip(past.target, target, strict=True)))
        context, _ = self.self_attention(normed, target, is_causal=past is None)
        states = states + self.dropout(context)

        batch, rows = len(memory.states), len(states)  # more rows than sources in beam search
        read = self.cross_attention.keys_values(memory.states) if past is None else past.memory
        normed = rows_to_positions(self.cross_attention_norm(states), batch)
        context, weights = self.cross_attention(normed, read, memory.mask[:, None, None, :], need_weights=need_weights)
        states = states + self.dropout(positions_to_rows(context, rows))
        states = states + self.dropout(self.feed_forward(self.feed_forward_norm(states)))
        if weights is not None:
            # (batch, num_heads, beam · tgt_len, memory_len) → (rows, num_heads, tgt_len, memory_len)
            weights = weights.unflatten(2, (rows // batch, -1)).transpose(1, 2).flatten(0, 1)
        return LayerOutput(states, weights, LayerState(target, read))


class TransformerSeq2Seq(Seq2Seq):
    """Encoder and decoder of `num_layers` layers each.

    Args:
        vocab_size: Pieces in the joint vocabulary.
        memory: What the encoder hands over: `all` (the Transformer as published), `last` or `mean`.
        d_model: Size of token vectors and states.
        d_ff: Inner size of the feed-forward part.
        num_heads: Heads of every attention; d_k = d_model / num_heads.
        num_layers: Layers of the encoder, and of the decoder.
        dropout: On token vectors, inside the feed-forward part, and on what each part adds to the residual stream.

    Raises:
        ValueError: `memory` does not exist, or a size is out of its range.
    """

    def __init__(
        self,
        vocab_size: int,
        memory: Handover = "all",
        d_model: int = 128,
        d_ff: int = 256,
        num_heads: int = 4,
        num_layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(vocab_size)
        check_handover(memory)
        if not 1 <= num_layers <= MOST_LAYERS:
            raise ValueError(f"num_layers is {num_layers}; it must be from 1 to {MOST_LAYERS}")
        if d_ff < 1:
            raise ValueError(f"d_ff is {d_ff}; it must be at least 1")
        self.handover = memory
        sizes = (d_model, d_ff, num_heads, dropout)
        self.embedding = TiedEmbedding(vocab_size, d_model, dropout, scale=math.sqrt(d_model))  # §3.4
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(num_layers))
        self.encoder_norm = nn.LayerNorm(d_model)
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(num_layers))
        self.decoder_norm = nn.LayerNorm(d_model)

    def embed_source(self, src: Tensor) -> Tensor:
        return self._embed(src, start=0)

    def encode_vectors(self, vectors: Tensor, src_mask: Tensor) -> Memory:
        states, _ = self._encode(vectors, src_mask, need_weights=False)
        return self._hand_over(states, src_mask)

    @property
    def output_matrix(self) -> Tensor:
        return self.embedding.weight

    def decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: tuple[LayerState, ...] | None = None,
        *,
        need_alignment: bool = False,
        need_logits: bool = True,
    ) -> DecoderOutput:
        """As in `Seq2Seq`; the alignment is the mean over layers and heads.

        Raises:
            ValueError: There is a state, and `tgt` is not one token.
        """
        if state is not None and tgt.size(1) != 1:
            raise ValueError(f"tgt has {tgt.size(1)} tokens; with the state of an earlier call it must be the next one")
        decoded, _ = self._decode(tgt, memory, state, need_weights=need_alignment, need_logits=need_logits)
        return decoded

    def reorder(
        self, state: tuple[LayerState, ...], rows: Tensor, sources: Tensor | None = None
    ) -> tuple[LayerState, ...]:
        return tuple(
            LayerState(target.select(rows), read if sources is None else read.select(sources)) for target, read in state
        )

    def attention_maps(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> list[AttentionMap]:
        """Cross-attention and encoder self-attention of every layer, with all heads."""
        states, encoder_weights = self._encode(self.embed_source(src), src_mask, need_weights=True)
        memory = self._hand_over(states, src_mask)
        _, cross_weights = self._decode(tgt_in, memory, None, need_weights=True, need_logits=False)
        cross = [AttentionMap(f"cross-attention, layer {n}", w, "cross") for n, w in enumerate(cross_weights, 1)]
        encoder = [AttentionMap(f"self-attention, layer {n}", w, "encoder") for n, w in enumerate(encoder_weights, 1)]
        return cross + encoder

    def _encode(self, states: Tensor, src_mask: Tensor, *, need_weights: bool) -> tuple[Tensor, list[Tensor | None]]:
        """All encoder states (batch, src_len, d_model), and the weights of each layer."""
        mask = self._encoder_mask(src_mask)
        all_weights = []
        for layer in self.encoder:
            states, weights = layer(states, mask, need_weights=need_weights)
            all_weights.append(weights)
        return self.encoder_norm(states), all_weights

    def _encoder_mask(self, src_mask: Tensor) -> Tensor:
        """(batch, 1, 1, src_len): every position reads every real one."""
        return src_mask[:, None, None, :]

    def _hand_over(self, states: Tensor, src_mask: Tensor) -> Memory:
        return hand_over(states, src_mask, gather_position(states, last_position(src_mask)), self.handover)

    def _decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: tuple[LayerState, ...] | None,
        *,
        need_weights: bool,
        need_logits: bool,
    ) -> tuple[DecoderOutput, list[Tensor | None]]:
        """The output, and the cross-attention weights of each layer (batch, num_heads, tgt_len, memory_len)."""
        states = self._embed(tgt, start=0 if state is None else state[0].target.key.size(2))
        all_weights, new_state = [], []
        for index, layer in enumerate(self.decoder):
            past = None if state is None else state[index]
            states, weights, kept = layer(states, memory, past, need_weights=need_weights)
            all_weights.append(weights)
            new_state.append(kept)
        output = self.decoder_norm(states)
        logits = self.embedding.logits(output) if need_logits else None
        alignment = torch.stack(all_weights).mean(dim=(0, 2)) if need_weights else None
        return DecoderOutput(logits, alignment, tuple(new_state), output), all_weights

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        weight = self.embedding.weight
        positions = sinusoidal_positions(start, ids.size(1), weight.size(1), ids.device)
        return self.embedding(ids, positions.to(weight.dtype))
