"""Recall: of a few keys with values, the value of the one that is asked for at the end, a known distance back.

Worked example with three keys and `distance` 5, from the word that holds key and value to the key that is asked for
(letters are keys, digits values, dots fillers; "C2" is one word):

    source   B7 . C2 . . A4 . C EOS      target  2
                  ─── 5 ────→

Every key occurs once before it is asked for, every value is drawn on its own, and the words of the other keys stand on
either side. What is asked for stands among the first words, the others anywhere: so the best guess by places and length
alone, which never compares a key with the one that is asked for, is right with 61, 54, 55, 63, 72 and 79 % at distances
1, 2, 5, 10, 15 and 20 of 20, the more the fewer places are left for the right word. It is the associative recall by
which Zoology (HazyResearch) tells attention from memories of a fixed size, made small: one question, and key and value
are one word, so that the binding of neighbours is not what is learned. How many words stand before the right one has
nothing to do with the distance (as far as the other keys have room): it is not always near the start, where a backward
reader ends.
"""

from typing import NamedTuple

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE

KEYS, VALUES, FILLERS = 6, 6, 6
PAIRS = 4  # keys in a sentence
MOST_BEFORE = 10  # words before the one that is asked for

FIRST_PAIR = FIRST_PIECE  # key 0 with each value, key 1 with each value, …
FIRST_KEY = FIRST_PAIR + KEYS * VALUES
FIRST_VALUE = FIRST_KEY + KEYS
FIRST_FILLER = FIRST_VALUE + VALUES
VOCAB_SIZE = FIRST_FILLER + FILLERS


class Question(NamedTuple):
    """A pair; `right` is the one token of its target, a value."""

    pair: EncodedPair
    right: int


def draw(rng: np.random.Generator, distance: int, before: int | None = None) -> Question:
    """One question whose answer stands `distance` (1 or more) before the key that is asked for.

    Args:
        before: How many words stand before the answer; None draws it, up to `MOST_BEFORE`.

    Raises:
        ValueError: `distance` is below 1, or `before` leaves the other keys no room.
    """
    if distance < 1:
        raise ValueError(f"distance is {distance}; it must be 1 or more")
    least = max(0, PAIRS - distance)  # so that the other keys have room
    start = int(rng.integers(least, MOST_BEFORE + 1)) if before is None else before
    if start < least:
        raise ValueError(f"distance {distance} needs {least} words or more before the answer, not {start}")
    keys, values = rng.permutation(KEYS)[:PAIRS], rng.integers(VALUES, size=PAIRS)
    words = FIRST_PAIR + VALUES * keys + values
    # Of the other keys, those after the one that is asked for.
    later = int(rng.integers(max(0, PAIRS - 1 - start), min(PAIRS - 1, distance - 1) + 1))
    first = _spread(rng, words[1 + later :], start - (PAIRS - 1 - later))
    after = _spread(rng, words[1 : 1 + later], distance - 1 - later)
    source = [*first, int(words[0]), *after, FIRST_KEY + int(keys[0]), EOS]
    right = FIRST_VALUE + int(values[0])
    return Question(EncodedPair(torch.tensor(source), torch.tensor([right])), right)


def _spread(rng: np.random.Generator, words: np.ndarray, fillers: int) -> list[int]:
    """The words among so many fillers, in any order."""
    return rng.permutation(np.concatenate([words, FIRST_FILLER + rng.integers(FILLERS, size=fillers)])).tolist()
