"""BPE-dropout (Provilkov et al. 2020): training reads a word in other pieces each time."""

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import FIRST_LEARNED, WORD_START, Tokenizer

NUM_SEGMENTATIONS = 16


class BPEDropout:
    """Segments words by byte-pair encoding that leaves out merges at random.

    Worked example (the pieces depend on the corpus and on chance):

        ▁der ▁Hund ▁schläf t ▁.  →  ▁der ▁H und ▁schl äf t ▁.

    A word has `NUM_SEGMENTATIONS` segmentations, drawn when it is first seen: to choose one is fast, to draw one is
    not. They are a function of the seed and the word alone, where SentencePiece's sampling gives other pieces in each
    process, so that a run which goes on after a stop could not see what it would have seen.

    Args:
        tokenizer: Whose merges are used. A piece's id is its merge's rank.
        p: The probability with which a possible merge is left out, at each step of a word (Algorithm 1).
        seed: Of the segmentations.
    """

    def __init__(self, tokenizer: Tokenizer, p: float, seed: int) -> None:
        self.p = p
        self.seed = seed
        self._pieces = tokenizer.pieces(range(tokenizer.size))
        self._id = {piece: id_ for id_, piece in enumerate(self._pieces) if id_ >= FIRST_LEARNED}
        self._segmentations: dict[tuple[int, ...], list[list[int]]] = {}

    def __call__(self, pairs: Sequence[EncodedPair], generator: np.random.Generator) -> list[EncodedPair]:
        """The same sentences in other pieces; `generator` chooses among the segmentations of each word."""
        return [
            EncodedPair(self._resegment(pair.src, generator), self._resegment(pair.tgt, generator)) for pair in pairs
        ]

    def _resegment(self, ids: Tensor, generator: np.random.Generator) -> Tensor:
        words = self._words(ids.tolist())
        choice = generator.integers(NUM_SEGMENTATIONS, size=len(words)).tolist()
        resegmented = [
            id_ for word, number in zip(words, choice, strict=True) for id_ in self._segmentations_of(word)[number]
        ]
        return torch.tensor(resegmented, dtype=torch.long)

    def _words(self, ids: list[int]) -> list[tuple[int, ...]]:
        """The ids of each word; a special piece stands alone."""
        words: list[list[int]] = []
        for id_ in ids:
            if not words or id_ < FIRST_LEARNED or self._pieces[id_].startswith(WORD_START):
                words.append([])
            words[-1].append(id_)
        return [tuple(word) for word in words]

    def _segmentations_of(self, word: tuple[int, ...]) -> list[list[int]]:
        if word not in self._segmentations:
            if word[0] < FIRST_LEARNED:  # special, or letters that the vocabulary spells in bytes
                self._segmentations[word] = [list(word)] * NUM_SEGMENTATIONS
            else:
                letters = "".join(self._pieces[id_] for id_ in word)
                generator = random.Random(f"{self.seed} {letters}")
                self._segmentations[word] = [self.segment(letters, generator) for _ in range(NUM_SEGMENTATIONS)]
        return self._segmentations[word]

    def segment(self, letters: str, generator: random.Random) -> list[int]:
        """Ids of one segmentation of a word, "▁" first (Algorithm 1); with p = 0, byte-pair encoding itself."""
        pieces = list(letters)
        while True:
            merges = [
                (self._id[left + right], place)
                for place, (left, right) in enumerate(pairwise(pieces))
                if left + right in self._id and generator.random() >= self.p
            ]
            if not merges:
                return [self._id[piece] for piece in pieces]
            _, place = min(merges)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
