"""Search: from a source to the translations that a model finds by itself, one token at a time.

`greedy` takes the most probable token at every step. `beam_search` follows several hypotheses at once. Both talk to
`Seq2Seq` alone, keep everything in tensors of fixed rows, and treat every sentence as if it were alone in its batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.models import Seq2Seq


class Symbols(NamedTuple):
    """The special tokens; `forbidden` (vocab_size,) bool is True for what is never part of a translation."""

    bos: int
    eos: int
    pad: int
    forbidden: Tensor


class Hypotheses(NamedTuple):
    """The n best translations of each source of a batch, best first.

    Attributes:
        ids: (batch, n, len) tokens after BOS, EOS included where it was reached, then PAD.
        log_prob: (batch, n) log p of these tokens given the source, in nats; −inf where no n-th hypothesis exists.
        score: (batch, n) what they are ranked by: `log_prob` divided by the length penalty.
        finished: (batch, n) bool, False where the length limit came before EOS.
    """

    ids: Tensor
    log_prob: Tensor
    score: Tensor
    finished: Tensor


class SearchLimits(NamedTuple):
    """When to stop: at `factor` · source length + `extra` tokens, and never after more than `cap`."""

    factor: float = 2.0
    extra: int = 10
    cap: int = 512

    def max_len(self, src_mask: Tensor) -> Tensor:
        """(batch,) most tokens of each translation; depends on each sentence alone, not on its batch."""
        return (src_mask.sum(1) * self.factor + self.extra).long().clamp(max=self.cap)


def length_penalty(length: Tensor, alpha: float) -> Tensor:
    """((5 + length) / 6)^α (Wu et al. 2016, eq. 14): the log-probability of a translation is divided by it.

    With α = 0 the most probable translation wins, which favours short ones; with α = 1 nearly the most probable per
    token.
    """
    return ((5 + length) / 6) ** alpha


@torch.inference_mode()
def greedy(
    network: Seq2Seq,
    src: Tensor,
    src_mask: Tensor,
    symbols: Symbols,
    limits: SearchLimits = SearchLimits(),
    *,
    alpha: float = 0.0,
) -> Hypotheses:
    """The most probable token at every step: one hypothesis for each source.

    Args:
        network: In evaluation mode.
        src: (batch, src_len) ids.
        src_mask: (batch, src_len) bool, True on real tokens.
        alpha: Of the length penalty, for the reported score only.
    """
    memory = network.encode(src, src_mask)
    max_len = limits.max_len(src_mask)
    token = src.new_full((len(src), 1), symbols.bos)
    finished = torch.zeros(len(src), dtype=torch.bool, device=src.device)
    log_prob = torch.zeros(len(src), device=src.device)
    state, ids = None, []
    for step in range(int(max_len.max())):
        output = network.decode(token, memory, state)
        state = output.state
        best, token = _best_tokens(output.logits, symbols.forbidden, 1)  # each (batch, 1)
        is_over = finished | (step >= max_len)
        log_prob = log_prob + best.squeeze(1).masked_fill(is_over, 0.0)
        token = token.masked_fill(is_over.unsqueeze(1), symbols.pad)
        ids.append(token)
        finished = finished | (token.squeeze(1) == symbols.eos)
        if bool((finished | (step + 1 >= max_len)).all()):
            break
    ids = torch.cat(ids, 1)
    score = log_prob / length_penalty((ids != symbols.pad).sum(1), alpha)
    return Hypotheses(ids.unsqueeze(1), log_prob.unsqueeze(1), score.unsqueeze(1), finished.unsqueeze(1))


@torch.inference_mode()
def beam_search(
    network: Seq2Seq,
    src: Tensor,
    src_mask: Tensor,
    symbols: Symbols,
    limits: SearchLimits = SearchLimits(),
    *,
    beam: int = 5,
    alpha: float = 1.0,
    num_best: int = 1,
) -> Hypotheses:
    """The best of `beam` hypotheses that are followed side by side.

    At every step each hypothesis is extended by its `beam` most probable tokens, and the `beam` most probable of all
    extensions stay. Two kinds keep their place whatever the others do: a finished hypothesis, and the greedy one, which
    always stands first; so the result never scores less than greedy search's. A source is done when its `num_best` best
    finished hypotheses cannot be overtaken: a live one can only lose probability, and its penalty is largest at the
    length limit. Equal scores are ranked by the lower row and token.

    Args:
        network: In evaluation mode.
        src: (batch, src_len) ids.
        src_mask: (batch, src_len) bool, True on real tokens.
        beam: Hypotheses per source; 1 is greedy search.
        alpha: Of the length penalty, at least 0.
        num_best: How many to return, at most `beam`.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not (1 <= num_best <= beam and alpha >= 0):
        raise ValueError(f"need 1 ≤ num_best ≤ beam and alpha ≥ 0, not {num_best=}, {beam=}, {alpha=}")
    batch, device = len(src), src.device
    memory = network.encode(src, src_mask)
    max_len = limits.max_len(src_mask)
    ids = src.new_empty((batch, beam, 0))
    token = src.new_full((batch * beam, 1), symbols.bos)
    # All rows start alike, so only the first is alive.
    log_prob = torch.full((batch, beam), float("-inf"), device=device)
    log_prob[:, 0] = 0.0
    finished = torch.zeros((batch, beam), dtype=torch.bool, device=device)
    done = torch.zeros(batch, dtype=torch.bool, device=device)
    first_row = torch.arange(batch, device=device).unsqueeze(1) * beam
    state = None
    for step in range(int(max_len.max())):
        output = network.decode(token, memory, state)
        best, tokens = _best_tokens(output.logits, symbols.forbidden, beam)
        best, tokens = best.view(batch, beam, -1), tokens.view(batch, beam, -1)  # (batch, beam, choices)
        # A finished hypothesis, and every one of a source that is done, goes on with one PAD that costs nothing.
        stays = finished | done.unsqueeze(1)
        best = best.masked_fill(stays.unsqueeze(2), float("-inf"))
        best[:, :, 0].masked_fill_(stays, 0.0)
        tokens = tokens.masked_fill(stays.unsqueeze(2), symbols.pad)
        extended = log_prob.unsqueeze(2) + best

        priority = extended.clone()
        stays[:, 0] = True
        priority[:, :, 0].masked_fill_(stays, float("inf"))
        choice = _top(priority.flatten(1), beam).index  # (batch, beam)
        row = choice // best.size(2)
        log_prob = extended.flatten(1).gather(1, choice)
        chosen = tokens.flatten(1).gather(1, choice)
        ids = torch.cat([ids.gather(1, row.unsqueeze(2).expand_as(ids)), chosen.unsqueeze(2)], 2)
        finished = finished.gather(1, row) | (chosen == symbols.eos)
        state = network.reorder(output.state, (first_row + row).flatten())
        token = chosen.view(-1, 1)

        score = log_prob / length_penalty((ids != symbols.pad).sum(2), alpha)
        reached = _top(score.masked_fill(~finished, float("-inf")), num_best).value[:, -1]
        reachable = log_prob.masked_fill(finished, float("-inf")).amax(1) / length_penalty(max_len, alpha)
        done = done | (reached >= reachable) | (step + 1 >= max_len)
        if bool(done.all()):
            break
    # By score, but what is finished before what is not.
    order = score.argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, finished.gather(1, order).long().argsort(dim=1, descending=True, stable=True))[:, :num_best]
    return Hypotheses(
        ids.gather(1, order.unsqueeze(2).expand(-1, -1, ids.size(2))),
        *(values.gather(1, order) for values in (log_prob, score, finished)),
    )


class _Top(NamedTuple):
    value: Tensor
    index: Tensor


def _top(values: Tensor, count: int) -> _Top:
    """The `count` largest along the last axis, falling; equal ones by rising index, which `topk` does not promise."""
    value, index = values.topk(min(count + 1, values.size(-1)), dim=-1)
    if bool((value[..., 1:] == value[..., :-1]).any()):
        value, index = values.sort(dim=-1, descending=True, stable=True)
    return _Top(value[..., :count], index[..., :count])


def _best_tokens(logits: Tensor, forbidden: Tensor, count: int) -> _Top:
    """Log-probabilities and ids of each row's most probable next tokens: (rows, 1, vocab_size) → (rows, count) each.

    Probabilities are those of the whole vocabulary: what is forbidden is not chosen, and lends nobody its share.
    """
    logits = logits[:, -1].float()
    best, token = _top(logits.masked_fill(forbidden, float("-inf")), count)
    return _Top(best - logits.logsumexp(-1, keepdim=True), token)
