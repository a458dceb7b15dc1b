"""Nats of tokens, and what training minimises, from logits."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.data.tokenizer import PAD


def token_nats(logits: Tensor, tgt_out: Tensor) -> Tensor:
    """(batch, tgt_len): −log p of each expected token in nats, 0 on padding; computed in float32."""
    nats = F.cross_entropy(logits.float().flatten(0, 1), tgt_out.flatten(), ignore_index=PAD, reduction="none")
    return nats.view_as(tgt_out)


class Objective(NamedTuple):
    """Sums over the real target tokens of a batch, in nats.

    Attributes:
        objective: What is minimised: with the reference smoothed by ε.
        nats: What is reported: −log p of the reference.
    """

    objective: Tensor
    nats: Tensor


def objective(logits: Tensor, tgt_out: Tensor, label_smoothing: float) -> Objective:
    """Cross-entropy with the smoothed target (1 − ε) · reference + ε · uniform (Szegedy et al. 2016, §7).

    Args:
        logits: (batch, tgt_len, vocab_size).
        tgt_out: (batch, tgt_len) ids, PAD where there is no token.
        label_smoothing: ε in [0, 1).
    """
    nats = token_nats(logits, tgt_out).sum()
    if not label_smoothing:
        return Objective(nats, nats)
    spread = torch.logsumexp(logits.float(), -1) - logits.float().mean(-1)
    spread = (spread * (tgt_out != PAD)).sum()
    return Objective((1 - label_smoothing) * nats + label_smoothing * spread, nats)
