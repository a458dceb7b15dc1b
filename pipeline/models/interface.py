"""The contract: every model is `encode → memory → decode`, and nothing outside this folder asks which model it holds.

The one idea of the laboratory stands here, in `hand_over`: what the encoder hands to the decoder. With `all`, every
encoder state can be read (attention); with `last` or `mean`, one vector must carry the whole sentence (the bottleneck).
"""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

Handover = Literal["all", "last", "mean"]


class Memory(NamedTuple):
    """What the decoder knows of the source.

    Attributes:
        states: (batch, memory_len, d_model), the article's HS; memory_len is src_len for `all`, else 1.
        mask: (batch, memory_len) bool, True where a state may be read.
        summary: (batch, d_model), one vector for the whole sentence: a recurrent decoder starts from it.
    """

    states: Tensor
    mask: Tensor
    summary: Tensor

    def select(self, rows: Tensor) -> "Memory":
        """The memory whose row i is row `rows[i]` of this one."""
        return Memory(*(part.index_select(0, rows) for part in self))


class DecoderOutput(NamedTuple):
    """What one call of `decode` gives.

    Attributes:
        logits: (batch, tgt_len, vocab_size), before the softmax: the article's Y. None if they were not needed.
        alignment: (batch, tgt_len, memory_len), the article's A; rows sum to 1. None unless asked for.
        state: Opaque; pass it back to continue where `tgt` ended, and to `reorder` to choose among its rows.
        output: (batch, tgt_len, d), whose product with `output_matrix` the logits are; None if they are not one.
    """

    logits: Tensor | None
    alignment: Tensor | None
    state: Any
    output: Tensor | None = None


class AttentionMap(NamedTuple):
    """The weights of one attention, to be looked at.

    Attributes:
        name: For instance "cross-attention, layer 1".
        weights: (batch, num_heads, query_len, key_len); rows sum to 1.
        kind: "cross" (queries: target, keys: memory) or "encoder" (both: source).
    """

    name: str
    weights: Tensor
    kind: Literal["cross", "encoder"]


class Seq2Seq(nn.Module, ABC):
    """A sequence-to-sequence model. Ids come from one vocabulary for both languages; masks are True where readable.

    Args:
        vocab_size: Pieces in the joint vocabulary.

    Attributes:
        handover: What of its states the encoder hands over, which configs call `memory`.
    """

    handover: Handover = "all"

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    def encode(self, src: Tensor, src_mask: Tensor) -> Memory:
        """Reads the source: `src` (batch, src_len) ids, `src_mask` (batch, src_len) bool; padding only on the right."""
        return self.encode_vectors(self.embed_source(src), src_mask)

    @abstractmethod
    def embed_source(self, src: Tensor) -> Tensor:
        """What the encoder reads at each position, (batch, src_len, d): the e_j by which gradients are taken."""

    @abstractmethod
    def encode_vectors(self, vectors: Tensor, src_mask: Tensor) -> Memory:
        """Reads `vectors` (batch, src_len, d), as `embed_source` gives them."""

    @abstractmethod
    def decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: Any = None,
        *,
        need_alignment: bool = False,
        need_logits: bool = True,
    ) -> DecoderOutput:
        """Predicts the token after each token of `tgt` (batch, tgt_len).

        With `state=None`, `tgt` starts with BOS: the whole target at once in training. With the state of an earlier
        call, `tgt` is the next token, as in search. Both give the same logits.

        Several targets may read one source: then `tgt` is (batch · beam, tgt_len), the targets of a source next to one
        another, and `memory` still has one row per source, which is never copied (see `rows_to_positions`).
        """

    @abstractmethod
    def reorder(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        """The state whose row i is row `rows[i]` of `state`: search keeps some targets, twice perhaps, drops others.

        Each row stays with its source. Where search is done with some sources, `sources` are the rows of the memory
        that go on, rising, as `Memory.select` takes them; then `rows` has none of the others.
        """

    @property
    def output_matrix(self) -> Tensor | None:
        """(vocab_size, d): logits are `DecoderOutput.output` · `output_matrix`ᵀ. None if they are made in another way;
        then there is no fast loss (pipeline/fast/objective.py), and `need_logits` is always True."""
        return None

    def forward(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Teacher forcing: logits (batch, tgt_len, vocab_size) for every position of `tgt_in`."""
        return self.decode(tgt_in, self.encode(src, src_mask)).logits

    def attention_maps(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> list[AttentionMap]:
        """All attention weights of one teacher-forced pass; a model with one attention has one map with one head."""
        output = self.decode(tgt_in, self.encode(src, src_mask), need_alignment=True)
        return [AttentionMap("cross-attention", output.alignment.unsqueeze(1), "cross")]


def hand_over(states: Tensor, mask: Tensor, last: Tensor, handover: Handover) -> Memory:
    """Chooses what of the encoder the decoder may read.

    Args:
        states: (batch, src_len, d_model), every encoder state.
        mask: (batch, src_len), True on real tokens.
        last: (batch, d_model), the encoder's last state.
        handover: `all` hands over every state; `last` the last one; `mean` their mean (one vector, but not the last).
    """
    if handover == "all":
        return Memory(states, mask, summary=last)
    vector = last
    if handover == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        vector = (states * weights).sum(1) / weights.sum(1)
    return Memory(vector.unsqueeze(1), mask[:, :1], summary=vector)


def rows_to_positions(states: Tensor, batch: int) -> Tensor:
    """(batch · beam, len, d) → (batch, beam · len, d): to the memory of a source, its beams are more positions."""
    return states.reshape(batch, -1, states.size(-1))


def positions_to_rows(states: Tensor, rows: int) -> Tensor:
    """(…, batch, beam · len, d) → (batch · beam, len, d): back, for `rows` = batch · beam."""
    return states.reshape(rows, -1, states.size(-1))


def check_handover(memory: str) -> None:
    """Raises ValueError for a handover that does not exist; the command line catches it earlier, Python does not."""
    if memory not in Handover.__args__:
        raise ValueError(f"memory is {memory!r}; it must be one of {', '.join(Handover.__args__)}")


def last_position(mask: Tensor) -> Tensor:
    """(batch,) index of the last True in each row of `mask` (batch, len), for masks that are True first, then False."""
    return mask.sum(1) - 1


def gather_position(states: Tensor, position: Tensor) -> Tensor:
    """(batch, d_model): the state at `position` (batch,) of `states` (batch, len, d_model)."""
    return states[torch.arange(len(states), device=states.device), position]
