"""Translating sentences of the toy grammar, word by word: real grammar, no sub-words, every sentence drawn anew.

Worked example (ids are made up; 0 to 3 are PAD, UNK, BOS, EOS):

    source   the dogs sleep .           301 92 260 5 EOS
    target   die Hunde schlafen .       73 36 204 5

A word is one id, whichever language it is of. The words are collected from sentences of their own, so that a rare one
(a compound in a rare case) may be UNK in training; a sentence to be scored never has one.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.tokenizer import EOS, UNK

_SENTENCES_FOR_WORDS = 6000
_RICHNESS = (0.2, 0.9)


class Words(NamedTuple):
    """One id per word.

    Attributes:
        ids: Word → id, from 4 on.
        words: The other way: `words[id - 4]`.
    """

    ids: dict[str, int]
    words: tuple[str, ...]

    @property
    def vocab_size(self) -> int:
        """With the special tokens."""
        return EOS + 1 + len(self.words)

    def encode(self, pair: SentencePair) -> EncodedPair:
        src, tgt = ([self.ids.get(word, UNK) for word in side.split()] for side in (pair.src, pair.tgt))
        return EncodedPair(torch.tensor([*src, EOS]), torch.tensor(tgt))

    def decode(self, ids: Iterable[int]) -> str:
        """The words up to EOS; special tokens are left out."""
        found = []
        for token in ids:
            if token == EOS:
                break
            if token > EOS:
                found.append(self.words[token - EOS - 1])
        return " ".join(found)


def words(longest: int) -> Words:
    """All words of some thousand sentences of up to `longest` words."""
    rng = np.random.default_rng(0)
    pairs = (sentence(rng, longest) for _ in range(_SENTENCES_FOR_WORDS))
    found = tuple(sorted({word for pair in pairs for word in (*pair.src.split(), *pair.tgt.split())}))
    return Words({word: EOS + 1 + place for place, word in enumerate(found)}, found)


def sentence(rng: np.random.Generator, longest: int) -> SentencePair:
    """One sentence pair whose source has at most `longest` words, the full stop included."""
    grammar = ToyGrammar(int(rng.integers(2**62)))
    most_clauses = max(1, longest // 10)
    while True:
        richness = grammar.rng.uniform(*_RICHNESS)
        pair = grammar.sentence(grammar.rng.randint(1, most_clauses), richness)
        if pair.src.count(" ") < longest:
            return pair


def test_sentences(number: int, longest: int, known: Words) -> list[SentencePair]:
    """Different sentences without unknown words, the same ones in every call."""
    rng = np.random.default_rng(1)
    found: dict[str, SentencePair] = {}
    while len(found) < number:
        pair = sentence(rng, longest)
        if all(word in known.ids for word in (*pair.src.split(), *pair.tgt.split())):
            found.setdefault(pair.src, pair)
    return list(found.values())


def unseen(rng: np.random.Generator, longest: int, kept_apart: set[str]) -> SentencePair:
    """A sentence for training whose source is not in `kept_apart`."""
    while True:
        pair = sentence(rng, longest)
        if pair.src not in kept_apart:
            return pair
