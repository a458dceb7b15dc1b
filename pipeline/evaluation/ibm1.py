"""IBM Model 1 with a prior for the diagonal: what a classical word aligner finds, beside which attention can be read.

Brown et al. 1993 (§4.1): each target word was made by one source word, or by none, with a probability t(target word |
source word) that expectation maximisation learns from sentence pairs, without any link. Dyer, Chahuneau & Smith 2013
(§2, "fast_align"): of m source and n target words, the likelier the nearer to the diagonal,

    p(source word i | target word j) ∝ exp(−λ |i/m − j/n|),    p(none) = p₀.

Here λ and p₀ are fixed to what fast_align begins with; it goes on to fit λ.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.alignment import WordLinks
from pipeline.data.corpus import SentencePair

_NONE = 0  # the source "word" of target words that no source word made
_TENSION, _PROBABILITY_OF_NONE = 4.0, 0.08  # λ, p₀
_ITERATIONS = 5
_UNSEEN = 1e-9  # t of two words that no pair of the training text has: there the prior decides


class Ibm1:
    """The model, trained on `pairs`.

    Memory grows with the sum of source length times target length: some 20 bytes for each.
    """

    def __init__(self, pairs: Sequence[SentencePair], iterations: int = _ITERATIONS) -> None:
        self._src = _numbered((pair.src for pair in pairs), first=_NONE + 1)
        self._tgt = _numbered((pair.tgt for pair in pairs), first=0)
        cells = [self._cells(pair) for pair in pairs]
        keys, cell_of = np.unique(np.concatenate([key.ravel() for key in cells]), return_inverse=True)
        priors = [_prior(key.shape[1] - 1, len(key)) for key in cells]
        prior = np.concatenate([of_pair.ravel() for of_pair in priors])
        width = np.concatenate([np.full(len(key), key.shape[1]) for key in cells])
        row_of = np.repeat(np.arange(len(width)), width)  # of each cell the target word
        src_of = keys // len(self._tgt)
        probability = np.ones(len(keys))
        for _ in range(iterations):
            joint = probability[cell_of] * prior
            share = joint / np.bincount(row_of, joint)[row_of]
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
        best = ((np.array(known) + _UNSEEN) * _prior(len(pair.src.split()), len(known))).argmax(1)
        return {(int(src) - 1, tgt) for tgt, src in enumerate(best) if src != _NONE}

    def _cells(self, pair: SentencePair) -> np.ndarray:
        """(tgt_words, 1 + src_words) numbers of word pairs, none first; −1 and less where a word is not known."""
        src = np.array([_NONE, *(self._src.get(word, -1) for word in pair.src.split())])
        tgt = np.array([self._tgt.get(word, -1) for word in pair.tgt.split()])
        return np.where((src[None] < 0) | (tgt[:, None] < 0), -1, src[None] * len(self._tgt) + tgt[:, None])


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
