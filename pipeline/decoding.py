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
        best, token = best_tokens(output.logits[:, -1], symbols.forbidden, 1)  # each (batch, 1)
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
    always stands first; so the result never scores less than what greedy search finishes. A source is done when its
    `num_best` best finished hypotheses cannot be overtaken: a live one can only lose probability, and its penalty is
    largest at the length limit. Equal scores are ranked by the lower row and token.

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
    rules = beam_rules(src_mask, symbols, limits, beam, alpha, num_best)
    batch = len(src)
    memory = network.encode(src, src_mask)
    beams = first_beams(batch, beam, src.device)
    token = src.new_full((batch * beam, 1), symbols.bos)
    first_row = torch.arange(batch, device=src.device).unsqueeze(1) * beam
    state = None
    while True:
        output = network.decode(token, memory, state)
        best, tokens = best_tokens(output.logits[:, -1], symbols.forbidden, beam)
        beams = extend(beams, best.view(batch, beam, -1), tokens.view(batch, beam, -1), rules)
        if bool(beams.done.all()):
            return ranked(beams, rules)
        state = network.reorder(output.state, (first_row + beams.parent).flatten())
        token = beams.ids[:, :, -1].reshape(-1, 1)


class BeamRules(NamedTuple):
    """What decides which hypotheses stay, and when a source is done; `max_len` (batch,) as in `SearchLimits`."""

    symbols: Symbols
    max_len: Tensor
    alpha: float
    num_best: int


def beam_rules(
    src_mask: Tensor, symbols: Symbols, limits: SearchLimits, beam: int, alpha: float, num_best: int
) -> BeamRules:
    """The rules for these sources. Raises ValueError where `beam_search` has an argument out of its range."""
    if not (1 <= num_best <= beam and alpha >= 0):
        raise ValueError(f"need 1 ≤ num_best ≤ beam and alpha ≥ 0, not {num_best=}, {beam=}, {alpha=}")
    return BeamRules(symbols, limits.max_len(src_mask), alpha, num_best)


class Beams(NamedTuple):
    """The hypotheses that are followed.

    Attributes:
        ids: (batch, beam, len) tokens so far, after BOS.
        log_prob: (batch, beam); −inf where there is no such hypothesis.
        finished: (batch, beam) bool, True from EOS on.
        done: (batch,) bool, True where the result is known.
        parent: (batch, beam) the place, one token ago, of the hypothesis that each goes on from.
    """

    ids: Tensor
    log_prob: Tensor
    finished: Tensor
    done: Tensor
    parent: Tensor


def first_beams(batch: int, beam: int, device: torch.device) -> Beams:
    """Before the first token all hypotheses of a source are alike, so only the first exists."""
    log_prob = torch.full((batch, beam), float("-inf"), device=device)
    log_prob[:, 0] = 0.0
    parent = torch.zeros((batch, beam), dtype=torch.long, device=device)
    none = torch.zeros((batch, beam), dtype=torch.bool, device=device)
    return Beams(parent.new_empty((batch, beam, 0)), log_prob, none, none[:, 0], parent)


def extend(beams: Beams, best: Tensor, tokens: Tensor, rules: BeamRules) -> Beams:
    """The hypotheses one token longer: the best of all extensions, as `beam_search` says.

    Args:
        best: (batch, beam, choices) log-probabilities of the best next tokens of each hypothesis, falling.
        tokens: (batch, beam, choices) these tokens.
    """
    ids, log_prob, finished, done, _ = beams
    pad, eos = rules.symbols.pad, rules.symbols.eos
    # A finished hypothesis, and every one of a source that is done, goes on with one PAD that costs nothing.
    stays = finished | done.unsqueeze(1)
    best = best.masked_fill(stays.unsqueeze(2), float("-inf"))
    best[:, :, 0].masked_fill_(stays, 0.0)
    tokens = tokens.masked_fill(stays.unsqueeze(2), pad)
    extended = log_prob.unsqueeze(2) + best

    priority = extended.clone()
    stays[:, 0] = True
    priority[:, :, 0].masked_fill_(stays, float("inf"))
    choice = top(priority.flatten(1), log_prob.size(1)).index  # (batch, beam)
    parent = choice // best.size(2)
    log_prob = extended.flatten(1).gather(1, choice)
    # What cannot be, where less than `beam` tokens are allowed, is no translation that ends.
    chosen = tokens.flatten(1).gather(1, choice).masked_fill(log_prob.isneginf(), pad)
    ids = torch.cat([ids.gather(1, parent.unsqueeze(2).expand_as(ids)), chosen.unsqueeze(2)], 2)
    finished = (finished.gather(1, parent) & ~log_prob.isneginf()) | (chosen == eos)

    score = log_prob / length_penalty((ids != pad).sum(2), rules.alpha)
    reached = top(score.masked_fill(~finished, float("-inf")), rules.num_best).value[:, -1]
    live = log_prob.masked_fill(finished, float("-inf")).amax(1)
    reachable = live / length_penalty(rules.max_len, rules.alpha)
    done = done | (reached >= reachable) | (ids.size(2) >= rules.max_len)
    return Beams(ids, log_prob, finished, done, parent)


def ranked(beams: Beams, rules: BeamRules) -> Hypotheses:
    """The `num_best` best by score, but what is finished before what is not."""
    ids, log_prob, finished, _, _ = beams
    score = log_prob / length_penalty((ids != rules.symbols.pad).sum(2), rules.alpha)
    order = score.argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, finished.gather(1, order).long().argsort(dim=1, descending=True, stable=True))
    order = order[:, : rules.num_best]
    return Hypotheses(
        ids.gather(1, order.unsqueeze(2).expand(-1, -1, ids.size(2))),
        *(values.gather(1, order) for values in (log_prob, score, finished)),
    )


class Top(NamedTuple):
    """The largest of each row, falling, and where they stand: each (…, count)."""

    value: Tensor
    index: Tensor


def top(values: Tensor, count: int) -> Top:
    """The `count` largest along the last axis, falling; equal ones by rising index, which `topk` does not promise."""
    value, index = values.topk(min(count + 1, values.size(-1)), dim=-1)
    if bool((value[..., 1:] == value[..., :-1]).any()):
        value, index = values.sort(dim=-1, descending=True, stable=True)
    return Top(value[..., :count], index[..., :count])


def best_tokens(logits: Tensor, forbidden: Tensor, count: int) -> Top:
    """Log-probabilities and ids of each row's most probable next tokens: (rows, vocab_size) → (rows, count) each.

    Probabilities are those of the whole vocabulary: what is forbidden is not chosen, and lends nobody its share.
    """
    logits = logits.float()
    best, token = top(logits.masked_fill(forbidden, float("-inf")), count)
    return Top(best - logits.logsumexp(-1, keepdim=True), token)
