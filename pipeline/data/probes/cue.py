"""A homonym and its cue: a word that translates in one of two ways, which a word some way off decides.

Worked example: "bank" is a riverbank or a money bank; the cue is `offset` words to the right of it (to the left where
negative), here 3. Dots are other words, drawn evenly.

    source   . . bank . . RIVER . EOS      target  riverbank      (the other sense: moneybank)
    source   . . bank . . MONEY . EOS      target  moneybank

Each homonym has two senses of its own, each sense several cues. A sentence has one homonym, one cue and a fixed number
of words, so that neither its length nor its other words tell anything. It is scored by which of the two senses is the
more likely: chance is one half.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE

HOMONYMS, CUES, FILLERS = 4, 3, 16  # cues: for each sense
FURTHEST = 10
LENGTH = 2 * FURTHEST + 1  # words of a sentence

FIRST_HOMONYM = FIRST_PIECE
FIRST_CUE = FIRST_HOMONYM + HOMONYMS  # of the first sense, of the second, …
FIRST_FILLER = FIRST_CUE + 2 * CUES
FIRST_SENSE = FIRST_FILLER + FILLERS  # of the target: first and second of each homonym
VOCAB_SIZE = FIRST_SENSE + 2 * HOMONYMS


class Homonym(NamedTuple):
    """A pair, and what is asked of it: `right` against `wrong` as the one token of the target."""

    pair: EncodedPair
    right: int
    wrong: int


def draw(rng: np.random.Generator, offset: int) -> Homonym:
    """One sentence whose cue stands `offset` words to the right of the homonym, −`FURTHEST` to `FURTHEST`, not 0.

    Raises:
        ValueError: `offset` is 0, or beyond these.
    """
    if not 1 <= abs(offset) <= FURTHEST:
        raise ValueError(f"offset is {offset}; it must be 1 to {FURTHEST}, to the left −1 to −{FURTHEST}")
    homonym, sense = int(rng.integers(HOMONYMS)), int(rng.integers(2))
    place = int(rng.integers(max(0, -offset), LENGTH - max(0, offset)))
    source = rng.integers(FIRST_FILLER, FIRST_FILLER + FILLERS, size=LENGTH + 1)
    source[place] = FIRST_HOMONYM + homonym
    source[place + offset] = FIRST_CUE + 2 * int(rng.integers(CUES)) + sense
    source[-1] = EOS
    right = FIRST_SENSE + 2 * homonym + sense
    pair = EncodedPair(torch.from_numpy(source), torch.tensor([right]))
    return Homonym(pair, right, FIRST_SENSE + 2 * homonym + 1 - sense)


def homonym_position(src: Tensor) -> Tensor:
    """(batch,) where the homonym stands in each row of `src` (batch, src_len)."""
    return ((src >= FIRST_HOMONYM) & (src < FIRST_CUE)).int().argmax(1)
