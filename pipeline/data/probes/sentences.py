"""Short sentences of the toy grammar with one id per word: the smallest task on which words have gold links.

Worked example, where only the ids are made up (0 to 3 are PAD, UNK, BOS, EOS):

    pair     "the dogs sleep ."  →  "die Hunde schlafen ."     links 0-0 1-1 2-2 3-3, and 1-0 and 1-2 as possible
    source   17 9 41 4 EOS          target  12 7 33 4

Both languages share one vocabulary, as everywhere in this project: a word of both (".") has one id.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.tokenizer import EOS, FIRST_PIECE, UNK


class Vocabulary:
    """The words of `pairs`, numbered in alphabetical order.

    Attributes:
        size: How many ids there are, the special ones included.
    """

    def __init__(self, pairs: Iterable[SentencePair]) -> None:
        words = sorted({word for pair in pairs for text in (pair.src, pair.tgt) for word in text.split()})
        self.size = FIRST_PIECE + len(words)
        self._id_of = {word: number for number, word in enumerate(words, FIRST_PIECE)}
        self._words = words

    def knows(self, pair: SentencePair) -> bool:
        """Whether every word of both sides has an id."""
        return all(word in self._id_of for text in (pair.src, pair.tgt) for word in text.split())

    def encode(self, pair: SentencePair) -> EncodedPair:
        """The ids of a pair, the source with EOS; UNK for a word that is not known."""
        src, tgt = ([self._id_of.get(word, UNK) for word in text.split()] for text in (pair.src, pair.tgt))
        return EncodedPair(torch.tensor([*src, EOS]), torch.tensor(tgt))

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` before the first EOS; special tokens are left out."""
        before_end = takewhile(lambda number: number != EOS, ids)
        return " ".join(self._words[number - FIRST_PIECE] for number in before_end if number >= FIRST_PIECE)


class Sentences(NamedTuple):
    """A training set and a test set; no sentence of the one is in the other, and every word of the test is known."""

    train: Sequence[SentencePair]
    test: Sequence[SentencePair]
    vocabulary: Vocabulary

    def drawer(self) -> Callable[[np.random.Generator], EncodedPair]:
        """Draws training pairs, for `claims.training.train`."""
        encoded = [self.vocabulary.encode(pair) for pair in self.train]

        def draw(rng: np.random.Generator) -> EncodedPair:
            return encoded[rng.integers(len(encoded))]

        return draw


def sentences(num_train: int, num_test: int, longest: int) -> Sentences:
    """The same sentences at every call.

    Args:
        longest: At most this many source words.

    Raises:
        ValueError: The training sentences hold too few words for the test.
    """
    grammar = ToyGrammar(seed=1)  # the corpus `toy` has 0
    groups = max(1, longest // 15)
    pairs: dict[str, SentencePair] = {}  # by source: none twice
    while len(pairs) < num_train + 2 * num_test:
        pair = grammar.sentence(grammar.rng.randint(1, groups), grammar.rng.uniform(0.2, 0.9))
        if len(pair.src.split()) <= longest:
            pairs[pair.src] = pair
    drawn = list(pairs.values())
    train, rest = drawn[:num_train], drawn[num_train:]
    vocabulary = Vocabulary(train)
    test = [pair for pair in rest if vocabulary.knows(pair)][:num_test]
    if len(test) < num_test:
        raise ValueError(f"{num_train} training sentences hold too few words for {num_test} test sentences")
    return Sentences(train, test, vocabulary)
