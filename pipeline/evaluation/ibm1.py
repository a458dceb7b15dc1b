"""IBM Model 1 with a prior for the diagonal: what a classical word aligner finds, beside which attention can be read.

Brown et al. 1993 (§4.1): each target word was made by one source word, or by none, with a probability t(target word |
source word) that expectation maximisation learns from sentence pairs, without any link. Dyer, Chahuneau & Smith 2013
(§2, "fast_align", there as a simpler Model 2): of m source and n target words, the likelier the nearer to the diagonal,

    p(source word i | target word j) ∝ exp(−λ |i/m − j/n|),    p(none) = p₀.

Here λ and p₀ are fixed to what fast_align begins with; it goes on to fit λ.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.alignment import WordLinks
from pipeline.data.corpus import SentencePair

_NONE = 0  # the source "word" of target words that no source word made
_TENSION, _PROBABILITY_OF_NONE = 4.0, 0.08  # λ, p₀
_ITERATIONS = 5
_UNSEEN = 1e-9  # t of two words that no pair of the training text has: there the prior decides, also for none
MOST_CELLS = 10_000_000  # pairs of words within sentences, of some 60 bytes each while it learns
_LONGEST = 100  # words: longer sentences have many cells and say little


class Ibm1:
    """The model, trained on as many of `pairs`, from the first on, as fit into some 0.6 GB; long ones are left out."""

    def __init__(self, pairs: Iterable[SentencePair], iterations: int = _ITERATIONS) -> None:
        kept = list(_first_that_fit(pairs))
        self._src = _numbered((pair.src for pair in kept), first=_NONE + 1)
        self._tgt = _numbered((pair.tgt for pair in kept), first=0)
        lengths = [num_words(pair) for pair in kept]
        keys, cell_of = np.unique(_joined([self._cells(pair) for pair in kept], np.int64), return_inverse=True)
        prior = _joined([_prior(*of_pair) for of_pair in lengths], float)
        widths = [1 + src_words for src_words, tgt_words in lengths for _ in range(tgt_words)]
        row_of = np.repeat(np.arange(len(widths), dtype=np.int32), widths)  # of each cell the target word
        src_of = keys // len(self._tgt)
        probability = np.ones(len(keys))
        for _ in range(iterations):
            share = probability[cell_of] * prior
            share /= np.bincount(row_of, share)[row_of]
            counts = np.bincount(cell_of, share)
            probability = counts / np.bincount(src_of, counts)[src_of]
        self._probability = dict(zip(keys.tolist(), probability.tolist(), strict=True))

    def probability(self, src_word: str, tgt_word: str) -> float:
        """t(target word | source word)."""
        if src_word not in self._src or tgt_word not in self._tgt:
            return 0.0
        return self._probability.get(self._src[src_word] * len(self._tgt) + self._tgt[tgt_word], 0.0)

    def links(self, pair: SentencePair) -> WordLinks:
        """For each target word the source word that most likely made it, where that is likelier than none."""
        known = [[self._probability.get(key, 0.0) for key in row] for row in self._cells(pair).tolist()]
        best = ((np.array(known) + _UNSEEN) * _prior(*num_words(pair))).argmax(1)
        return {(int(src) - 1, tgt) for tgt, src in enumerate(best) if src != _NONE}

    def _cells(self, pair: SentencePair) -> np.ndarray:
        """(tgt_words, 1 + src_words) numbers of word pairs, none first; −1 where a word is not known."""
        src = np.array([_NONE, *(self._src.get(word, -1) for word in pair.src.split())])
        tgt = np.array([self._tgt.get(word, -1) for word in pair.tgt.split()])
        return np.where((src[None] < 0) | (tgt[:, None] < 0), -1, src[None] * len(self._tgt) + tgt[:, None])


def _joined(tables: Sequence[np.ndarray], kind: type) -> np.ndarray:
    """The numbers of all tables, row by row; of none, none."""
    return np.concatenate([np.empty(0, kind), *(table.ravel() for table in tables)])


def _first_that_fit(pairs: Iterable[SentencePair]) -> Iterator[SentencePair]:
    room = MOST_CELLS
    for pair in pairs:
        src_words, tgt_words = num_words(pair)
        if max(src_words, tgt_words) > _LONGEST:
            continue
        room -= (1 + src_words) * tgt_words
        if room < 0:
            return
        yield pair


def num_words(pair: SentencePair) -> tuple[int, int]:
    """Of its source and its target."""
    return len(pair.src.split()), len(pair.tgt.split())


def _prior(src_words: int, tgt_words: int) -> np.ndarray:
    """(tgt_words, 1 + src_words) p(source word | target word), none first; rows sum to 1."""
    src, tgt = np.arange(1, src_words + 1) / src_words, np.arange(1, tgt_words + 1) / tgt_words
    near = np.exp(-_TENSION * abs(src[None] - tgt[:, None]))
    near *= (1 - _PROBABILITY_OF_NONE) / near.sum(1, keepdims=True)
    return np.hstack([np.full((tgt_words, 1), _PROBABILITY_OF_NONE), near])


def _numbered(sentences: Iterable[str], first: int) -> dict[str, int]:
    """The words, from the first that occurs on, with their numbers."""
    words = dict.fromkeys(word for sentence in sentences for word in sentence.split())
    return {word: number for number, word in enumerate(words, first)}
