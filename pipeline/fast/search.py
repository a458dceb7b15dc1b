"""Search that computes only what it needs: the hypotheses of `pipeline.decoding`, in a fraction of the time.

What to follow and when to stop is decided by the readable code itself. Three things are done in another way. Sources
that are done are soon not computed any more, and of the others only hypotheses that are alive get logits. The most
probable tokens are found in a few rows of logits at a time, which stay in the cache. And memory that a step is done
with stays with the process, for the next step.
"""

import functools

import torch
from torch import Tensor

from pipeline import decoding
from pipeline.decoding import (
    BeamRules,
    Beams,
    Hypotheses,
    SearchLimits,
    Symbols,
    Top,
    beam_rules,
    extend,
    first_beams,
    ranked,
)
from pipeline.fast.modules import fast_modules
from pipeline.fast.product import product, rows_per_chunk
from pipeline.models import Seq2Seq

# Sources that are done leave once they are this share of all: those that stay are copied, which costs more than a few
# rows computed in vain.
SHARE_TO_LEAVE = 1 / 8
# Tokens are compared within groups first; of this many groups, the best are looked at. A multiple of what a processor
# takes at once, and 64 for each of the six that beam 5 looks at: with fewer, `topk` sorts in another, slower way.
NUM_GROUPS = 384
# glibc gives freed memory back where a block is above one threshold, or the free end of the heap above another, twice
# as large; what is taken again is cleared anew, page by page. It raises both by itself once a larger block is freed, of
# up to 32 MB with what glibc adds to it (mallopt(3), M_MMAP_THRESHOLD).
_LARGEST_RAISING = (32 << 20) - (64 << 10)


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
    """`decoding.greedy`, which is beam search with one hypothesis."""
    if src.device.type != "cpu":
        return decoding.greedy(network, src, src_mask, symbols, limits, alpha=alpha)
    return beam_search(network, src, src_mask, symbols, limits, beam=1, alpha=alpha)


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
    """`decoding.beam_search`; only the tokens of hypotheses that do not exist (`log_prob` −∞) may be others.

    A model whose logits are not a product with one matrix is searched the readable way; so is every model on a GPU,
    where it is not products that take the time, but launches, of which the readable way has fewer.
    """
    if network.output_matrix is None or src.device.type != "cpu":
        return decoding.beam_search(network, src, src_mask, symbols, limits, beam=beam, alpha=alpha, num_best=num_best)
    rules = beam_rules(src_mask, symbols, limits, beam, alpha, num_best)
    _keep_freed_memory()
    with fast_modules(network):
        return _search(network, src, src_mask, rules, beam)


def _search(network: Seq2Seq, src: Tensor, src_mask: Tensor, rules: BeamRules, beam: int) -> Hypotheses:
    symbols = rules.symbols
    ranker = TokenRanker(network.output_matrix, symbols.forbidden)
    memory = network.encode(src, src_mask)
    beams = first_beams(len(src), beam, src.device)
    computed = torch.arange(len(src), device=src.device)  # the sources in the network
    width = 1  # rows of each; at first a source's hypotheses are alike, and the network sees one
    token = src.new_full((len(src), 1), symbols.bos)
    state = None
    while True:
        output = network.decode(token, memory, state, need_logits=False)
        alive = _alive(beams)  # (batch, beam)
        found = ranker.best_tokens(output.output[:, -1][alive[computed, :width].flatten()], beam)
        best = found.value.new_full((*alive.shape, found.value.size(1)), float("-inf"))
        tokens = torch.full_like(best, symbols.pad, dtype=torch.long)
        best[alive], tokens[alive] = found
        beams = extend(beams, best, tokens, rules)
        if bool(beams.done.all()):
            return ranked(beams, rules)
        place = torch.arange(len(computed), device=src.device)
        goes_on = ~beams.done[computed]
        leave = bool((~goes_on).sum() >= SHARE_TO_LEAVE * len(computed))
        if leave:
            place, computed = place[goes_on], computed[goes_on]
            memory = memory.select(place)
        parent = beams.parent[computed].clamp(max=width - 1)  # the parents of what does not exist are no rows
        rows = (place.unsqueeze(1) * width + parent).flatten()
        state = network.reorder(output.state, rows, place if leave else None)
        token = beams.ids[computed, :, -1].reshape(-1, 1)
        width = beam


@functools.cache
def _keep_freed_memory() -> None:
    """From now on the process, with glibc, keeps some 64 MB that were freed, such as a step's logits."""
    torch.empty(_LARGEST_RAISING, dtype=torch.uint8, device="cpu")


def _alive(beams: Beams) -> Tensor:
    """(batch, beam) bool: True for each hypothesis that exists and may still grow."""
    return beams.log_prob.isfinite() & ~beams.finished & ~beams.done.unsqueeze(1)


class TokenRanker:
    """The way from a decoder's output to the most probable tokens.

    The rows of the matrix stand in `NUM_GROUPS` groups of equal size, filled up with rows whose logit is −∞.

    Args:
        matrix: (vocab_size, d).
        forbidden: (vocab_size,) bool, as in `Symbols`.
    """

    def __init__(self, matrix: Tensor, forbidden: Tensor) -> None:
        vocab_size, d = matrix.shape
        self.group_size = -(-vocab_size // NUM_GROUPS)
        size = NUM_GROUPS * self.group_size
        matrix = matrix.float()
        self.matrix = matrix.new_zeros((size, d))
        self.matrix[:vocab_size] = matrix
        self.bias = matrix.new_zeros(size)
        self.bias[vocab_size:] = float("-inf")
        self.forbidden = forbidden.nonzero().squeeze(1)
        self.chunk = rows_per_chunk(self.matrix)

    def best_tokens(self, output: Tensor, count: int) -> Top:
        """`decoding.best_tokens` of the logits `output` (rows, d) · `matrix`ᵀ."""
        found = [self._best_tokens(rows, count) for rows in output.float().split(self.chunk)]
        value, token = (torch.cat(parts) for parts in zip(*found, strict=True))
        return Top(value, token)

    def _best_tokens(self, output: Tensor, count: int) -> Top:
        logits = product(output, self.matrix, self.bias)  # (rows, NUM_GROUPS · group_size)
        forbidden = logits.index_select(1, self.forbidden)
        logits.index_fill_(1, self.forbidden, float("-inf"))
        value, token = self._largest(logits, count + 1)
        is_tied = (value[:, 1:] == value[:, :-1]).any(1)
        if bool(is_tied.any()):
            value[is_tied], token[is_tied] = decoding.top(logits[is_tied], count + 1)
        value, token = value[:, :count], token[:, :count]
        # With s = Σ exp(logits) over what is allowed, softmax gives exp(largest) / s in one pass.
        log_sum = value[:, :1] - logits.softmax(1).gather(1, token[:, :1]).log()
        log_sum = torch.cat([log_sum, forbidden], 1).logsumexp(1, keepdim=True)
        return Top(value - log_sum, token)

    def _largest(self, logits: Tensor, count: int) -> Top:
        """The `count` largest of each row, falling: they stand in the `count` groups with the largest maxima."""
        grouped = logits.unflatten(1, (self.group_size, NUM_GROUPS))  # group g is column g
        group = grouped.amax(1).topk(min(count, NUM_GROUPS), dim=1).indices
        candidates = grouped.gather(2, group.unsqueeze(1).expand(-1, self.group_size, -1))
        candidates = candidates.flatten(1)
        value, place = candidates.topk(min(count, candidates.size(1)), dim=1)
        within, which = place // group.size(1), place % group.size(1)
        return Top(value, within * NUM_GROUPS + group.gather(1, which))
