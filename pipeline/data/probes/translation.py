"""Translating sentences of the toy grammar, word by word: real grammar, no sub-words, every sentence drawn anew.

Worked example (ids are made up; 0 to 3 are PAD, UNK, BOS, EOS):

    source   the dogs sleep .           301 92 260 5 EOS
    target   die Hunde schlafen .       73 36 204 5

A word is one id, whichever language it is of. The words are collected from sentences of their own, so that a rare one
(a compound in a rare case) may be UNK in training; a sentence to be scored never has one.
"""

import numpy as np

from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.probes.sentences import Vocabulary

_SENTENCES_FOR_WORDS = 6000
_RICHNESS = (0.2, 0.9)


def vocabulary(longest: int) -> Vocabulary:
    """All words of some thousand sentences of up to `longest` words."""
    rng = np.random.default_rng(0)
    return Vocabulary(sentence(rng, longest) for _ in range(_SENTENCES_FOR_WORDS))


def sentence(rng: np.random.Generator, longest: int) -> SentencePair:
    """One sentence pair whose source has at most `longest` words, the full stop included."""
    grammar = ToyGrammar(int(rng.integers(2**62)))
    most_clauses = max(1, longest // 10)
    while True:
        richness = grammar.rng.uniform(*_RICHNESS)
        pair = grammar.sentence(grammar.rng.randint(1, most_clauses), richness)
        if pair.src.count(" ") < longest:
            return pair


def test_sentences(number: int, longest: int, known: Vocabulary) -> list[SentencePair]:
    """Different sentences without unknown words, the same ones in every call."""
    rng = np.random.default_rng(1)
    found: dict[str, SentencePair] = {}
    while len(found) < number:
        pair = sentence(rng, longest)
        if known.knows(pair):
            found.setdefault(pair.src, pair)
    return list(found.values())


def unseen(rng: np.random.Generator, longest: int, kept_apart: set[str]) -> SentencePair:
    """A sentence for training whose source is not in `kept_apart`."""
    while True:
        pair = sentence(rng, longest)
        if pair.src not in kept_apart:
            return pair
