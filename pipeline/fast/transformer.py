"""The Transformer's beam search on a CPU, in which keys and values seldom move.

In the readable way each hypothesis has rows of its own for its keys and values, which are copied when hypotheses change
places, and again when they grow. Here the keys and values of all hypotheses of a source stand side by side, where they
were made, and a mask tells each hypothesis its own: the hypotheses are a tree, and each reads the way to its root (tree
attention; Miao et al. 2024, SpecInfer, §4).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.models.attention import KeyValue, MultiHeadAttention
from pipeline.models.interface import positions_to_rows, rows_to_positions
from pipeline.models.transformer import DecoderLayer, LayerState, TransformerSeq2Seq

# Room is made for so many steps at a time.
STEPS = 16
# More hypotheses of a source have rows of their own: among side by side ones each is scored with the tokens of all.
MOST_SIDE_BY_SIDE = 32


class Tree(NamedTuple):
    """Keys and values of every token that a hypothesis of a source has, or had before it was dropped.

    Attributes:
        key: (sources, num_heads, room, d_k); tokens stand in the first `reads.size(2)` places.
        value: As `key`.
        reads: (sources, beam, tokens) bool, the tokens of each hypothesis.
        length: How many these are, of each.
    """

    key: Tensor
    value: Tensor
    reads: Tensor
    length: int

    @property
    def tokens(self) -> KeyValue:
        """(sources, num_heads, tokens, d_k) each."""
        size = self.reads.size(2)
        return KeyValue(self.key[:, :, :size], self.value[:, :, :size])

    def grown(self, added: KeyValue) -> "Tree":
        """Each hypothesis with one token more: `added` (sources, num_heads, beam, d_k).

        They are written into the room of this tree: a state goes on once, and without gradients, as in a search.
        """
        sources, beam, before = self.reads.shape
        itself = torch.eye(beam, dtype=torch.bool).expand(sources, -1, -1)
        parts = []
        for room, kept, new in zip(self[:2], self.tokens, added, strict=True):
            if before + beam > room.size(2):
                room = kept.new_empty((*kept.shape[:2], before + STEPS * beam, kept.size(3)))
                room[:, :, :before] = kept
            room[:, :, before : before + beam] = new
            parts.append(room)
        return Tree(*parts, torch.cat([self.reads, itself], dim=2), self.length + 1)


class FastDecoderLayer(DecoderLayer):
    """A `DecoderLayer` whose past may have a `Tree` as its target."""

    def attend_to_target(self, normed: Tensor, past: LayerState | None) -> tuple[Tensor, KeyValue | Tree]:
        if past is None or isinstance(past.target, KeyValue):
            return super().attend_to_target(normed, past)
        side_by_side = rows_to_positions(normed, len(past.target.reads))
        # Not contiguous, as a fast attention would make them: they are copied into a tree's room.
        added = MultiHeadAttention.keys_values(self.self_attention, side_by_side)
        tree = past.target.grown(added)
        context, _ = self.self_attention(side_by_side, tree.tokens, tree.reads.unsqueeze(1))
        return positions_to_rows(context, len(normed)), tree


class FastTransformer(TransformerSeq2Seq):
    """A `TransformerSeq2Seq` that on a CPU reorders what hypotheses read, in the place of keys and values."""

    def reorder(
        self, state: tuple[LayerState, ...], rows: Tensor, sources: Tensor | None = None
    ) -> tuple[LayerState, ...]:
        count = len(state[0].memory.key if sources is None else sources)
        is_wide = len(rows) > count * MOST_SIDE_BY_SIDE
        if isinstance(state[0].target, KeyValue) and (is_wide or rows.device.type != "cpu"):
            return super().reorder(state, rows, sources)
        trees = [_tree(kept) for kept in state]
        reads = trees[0].reads.flatten(0, 1).index_select(0, rows).unflatten(0, (count, -1))
        read = [kept.memory for kept in state]
        if sources is not None:
            trees = [tree._replace(**tree.tokens.select(sources)._asdict()) for tree in trees]
            read = [memory.select(sources) for memory in read]
        return tuple(LayerState(tree._replace(reads=reads), memory) for tree, memory in zip(trees, read, strict=True))


def _tree(kept: LayerState) -> Tree:
    """What a layer keeps, as a tree: if it is none yet, of hypotheses that share no token."""
    if isinstance(kept.target, Tree):
        return kept.target
    sources, length = len(kept.memory.key), kept.target.length
    beam = len(kept.target.key) // sources
    # (sources · beam, num_heads, length, d_k) → (sources, num_heads, beam · length, d_k)
    key, value = (part.unflatten(0, (sources, beam)).transpose(1, 2).flatten(2, 3) for part in kept.target)
    reads = torch.eye(beam, dtype=torch.bool).repeat_interleave(length, dim=1).expand(sources, -1, -1)
    return Tree(key, value, reads, length)
