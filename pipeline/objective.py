"""What training minimises, from logits."""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.data.tokenizer import PAD
from pipeline.scoring import token_nats


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


def r_drop_objective(logits: Tensor, tgt_out: Tensor, label_smoothing: float, weight: float) -> Objective:
    """R-Drop (Liang et al. 2021, eq. 3–4): two passes with other dropout masks shall predict the same distribution.

    Sums of the mean of the two passes, so that they compare with those of `objective`: ½ (CE(p) + CE(q)) +
    ¼ weight · (KL(p‖q) + KL(q‖p)), half of the paper's.

    Args:
        logits: (2 · batch, tgt_len, vocab_size): of `pipeline.data.batching.twice`.
        tgt_out: (2 · batch, tgt_len) ids, PAD where there is no token.
        label_smoothing: ε of both cross-entropies.
        weight: The paper's α, > 0.
    """
    both = objective(logits, tgt_out, label_smoothing)
    log_p, log_q = logits.float().log_softmax(-1).chunk(2)
    divergence = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)  # KL(p‖q) + KL(q‖p)
    divergence = (divergence * (tgt_out.chunk(2)[0] != PAD)).sum()
    return Objective(both.objective / 2 + weight / 4 * divergence, both.nats / 2)
