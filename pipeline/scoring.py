"""Scores of a batch of sentences, the same for every model: teacher-forced nats, and a translation."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

import pipeline.fast.search as fast_search
from pipeline import decoding
from pipeline.data.batching import Batch, EncodedPair, TokenBudgetBatches
from pipeline.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from pipeline.decoding import Hypotheses, Symbols
from pipeline.errors import UserError
from pipeline.metrics import SentenceScore
from pipeline.models import Seq2Seq
from pipeline.objective import token_nats


class Search(NamedTuple):
    """How to translate: `beam` 1 is greedy search; `alpha` is that of `decoding.length_penalty`; `fast` takes the fast
    path of a CPU (`pipeline.fast.search`), which finds the same translations."""

    beam: int = 5
    alpha: float = 1.0
    num_best: int = 1
    fast: bool = False


GREEDY = Search(beam=1)
MOST_HYPOTHESES = 1000
# Tokens in a batch, times hypotheses of each source in a search: as many logits are held at once.
_BATCH_TOKENS = 8192
# The fast search holds few of them, and has so many calls at each step that it likes batches larger (results/LOG.md).
_FAST_SEARCH_TOKENS = 2 * _BATCH_TOKENS


def checked_search(beam: int, alpha: float, num_best: int = 1, *, fast: bool = False) -> Search:
    """A search as a user asks for it.

    Raises:
        UserError: A number is out of its range.
    """
    if not 1 <= num_best <= beam <= MOST_HYPOTHESES:
        raise UserError(f"need 1 ≤ --nbest ≤ --beam ≤ {MOST_HYPOTHESES}, not --nbest {num_best} and --beam {beam}")
    if not (0 <= alpha < math.inf):
        raise UserError(f"--alpha is {alpha}; expected a number of at least 0")
    return Search(beam, alpha, num_best, fast)


def symbols_of(num_pieces: int, vocab_size: int, device: torch.device) -> Symbols:
    """This project's special tokens; PAD, UNK, BOS and the rows that no piece uses are never part of a translation."""
    forbidden = torch.zeros(vocab_size, dtype=torch.bool, device=device)
    forbidden[[PAD, UNK, BOS]] = True
    forbidden[num_pieces:] = True
    return Symbols(BOS, EOS, PAD, forbidden)


def search_batches(pairs: Sequence[EncodedPair], search: Search) -> TokenBudgetBatches:
    """Batches in which `pairs`, one or more, are well scored and translated."""
    tokens = (_FAST_SEARCH_TOKENS if search.fast else _BATCH_TOKENS) // search.beam
    return TokenBudgetBatches(pairs, min(tokens, _BATCH_TOKENS), None)


def translate_batch(network: Seq2Seq, batch: Batch, tokenizer: Tokenizer, search: Search) -> Hypotheses:
    """Translations of the sources of a batch; `network` must be in evaluation mode."""
    symbols = symbols_of(tokenizer.size, network.vocab_size, batch.src.device)
    path = fast_search if search.fast else decoding
    if search.beam == 1:
        return path.greedy(network, batch.src, batch.src_mask, symbols, alpha=search.alpha)
    return path.beam_search(
        network, batch.src, batch.src_mask, symbols, beam=search.beam, alpha=search.alpha, num_best=search.num_best
    )


@torch.no_grad()
def score_batch(
    network: Seq2Seq, batch: Batch, tokenizer: Tokenizer, search: Search | None = None
) -> list[SentenceScore]:
    """Scores of each real sentence of a batch, in evaluation mode; without a `search` nothing is translated."""
    logits = network(batch.src, batch.src_mask, batch.tgt_in)
    real = batch.tgt_out != PAD
    nats = token_nats(logits, batch.tgt_out).sum(1).tolist()
    tokens = real.sum(1).tolist()
    correct = ((logits.argmax(-1) == batch.tgt_out) & real).sum(1).tolist()
    del logits  # the largest of all, before the search needs memory
    hypotheses: list[str | None] = [None] * len(tokens)
    if search is not None:
        found = translate_batch(network, batch, tokenizer, search)
        hypotheses = tokenizer.decode(found.ids[:, 0].tolist())
    rows = zip(batch.index.tolist(), nats, tokens, correct, hypotheses, strict=True)
    return [SentenceScore(*row) for row in rows if row[0] >= 0]
