"""Recall: of a few keys with values, the value of the one that is asked for at the end, a known distance back.

Worked example with three keys and `distance` 5, from the word that holds key and value to the key that is asked for
(letters are keys, digits values, dots fillers; "C2" is one word):

    source   B7 . C2 . . A4 . C EOS      target  2
                  ─── 5 ────→

Every key occurs once before it is asked for, and every value is drawn on its own. It is the associative recall by which
Zoology (HazyResearch) tells attention from memories of a fixed size, made small: one question, and key and value are
one word, so that the binding of neighbours is not what is learned.

Places tell nothing. All keys stand among the first words, and in sentences drawn for training (`draw_any`) each of them
is asked for as often, whatever their places and the length: so the best guess that never compares a key with the one
that is asked for is the value that most keys have, right with 46 % at every distance. (Were distances drawn evenly
instead, a long sentence would tell that its last key is meant.) How many words stand before the right one has nothing
to do with the distance (as far as the other keys have room): it is not always near the start, where a backward reader
ends.
"""

import itertools
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


def guessed() -> float:
    """How often the value that most keys of a sentence have is the right one, which is all that needs no comparing."""
    draws = itertools.product(range(VALUES), repeat=PAIRS)
    return float(np.mean([max(map(values.count, values)) / PAIRS for values in draws]))


def draw_any(rng: np.random.Generator, longest: int) -> Question:
    """One question for training, in a sentence as long as those where `longest` is the distance, or shorter."""
    length = int(rng.integers(PAIRS, longest + MOST_BEFORE + 1))  # words before the question
    before = int(rng.integers(min(length, MOST_BEFORE + 1)))
    return draw(rng, length - before, before)


def draw(rng: np.random.Generator, distance: int, before: int | None = None) -> Question:
    """One question whose answer stands `distance` (1 or more) before the key that is asked for.

    Args:
        before: How many words stand before the answer; None draws it, up to `MOST_BEFORE`.

    Raises:
        ValueError: `distance` is below 1, or `before` is out of range or leaves the other keys no room.
    """
    if distance < 1:
        raise ValueError(f"distance is {distance}; it must be 1 or more")
    least = max(0, PAIRS - distance)  # so that the other keys have room
    start = int(rng.integers(least, MOST_BEFORE + 1)) if before is None else before
    if not least <= start <= MOST_BEFORE:
        raise ValueError(f"distance {distance} needs {least} to {MOST_BEFORE} words before the answer, not {start}")
    keys, values = rng.permutation(KEYS)[:PAIRS], rng.integers(VALUES, size=PAIRS)
    words = FIRST_FILLER + rng.integers(FILLERS, size=start + distance)
    among = min(len(words), MOST_BEFORE + 1)
    others = rng.permutation(np.delete(np.arange(among), start))[: PAIRS - 1]
    words[[start, *others]] = FIRST_PAIR + VALUES * keys + values
    source = [*words.tolist(), FIRST_KEY + int(keys[0]), EOS]
    right = FIRST_VALUE + int(values[0])
    return Question(EncodedPair(torch.tensor(source), torch.tensor([right])), right)
