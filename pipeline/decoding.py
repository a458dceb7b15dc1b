"""Search: from a source to the translation that a model finds by itself, one token at a time."""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.models import Seq2Seq


class Hypotheses(NamedTuple):
    """Translations of a batch.

    Attributes:
        ids: (batch, len) tokens after BOS, EOS included where it was reached, then PAD.
        alignment: (batch, len, memory_len), row t for token t of `ids`; None unless asked for.
        finished: (batch,) bool, False where the length limit came before EOS.
    """

    ids: Tensor
    alignment: Tensor | None
    finished: Tensor


class SearchLimits(NamedTuple):
    """When to stop: at `factor` · source length + `extra` tokens, and never after more than `cap`."""

    factor: float = 2.0
    extra: int = 10
    cap: int = 256

    def max_len(self, src_mask: Tensor) -> Tensor:
        """(batch,) most tokens of each translation; depends on each sentence alone, not on its batch."""
        return (src_mask.sum(1) * self.factor + self.extra).long().clamp(max=self.cap)


@torch.inference_mode()
def greedy(
    network: Seq2Seq,
    src: Tensor,
    src_mask: Tensor,
    *,
    bos: int,
    eos: int,
    pad: int,
    forbidden: Tensor,
    limits: SearchLimits = SearchLimits(),
    need_alignment: bool = False,
) -> Hypotheses:
    """The most probable token at every step.

    Args:
        network: In evaluation mode.
        src: (batch, src_len) ids.
        src_mask: (batch, src_len) bool, True on real tokens.
        forbidden: (vocab_size,) bool, True for tokens that are never a translation (PAD, BOS, UNK, unused rows).
    """
    memory = network.encode(src, src_mask)
    max_len = limits.max_len(src_mask)
    token = src.new_full((len(src), 1), bos)
    finished = torch.zeros(len(src), dtype=torch.bool, device=src.device)
    state, ids, alignment = None, [], []
    for step in range(int(max_len.max())):
        logits, weights, state = network.decode(token, memory, state, need_alignment=need_alignment)
        logits = logits[:, -1].masked_fill(forbidden, float("-inf"))
        is_over = finished | (step >= max_len)
        token = logits.argmax(-1).masked_fill(is_over, pad).unsqueeze(1)
        ids.append(token)
        alignment.append(weights)
        finished = finished | (token.squeeze(1) == eos)
        if bool((finished | (step + 1 >= max_len)).all()):
            break
    return Hypotheses(torch.cat(ids, 1), torch.cat(alignment, 1) if need_alignment else None, finished)
