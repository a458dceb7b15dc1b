"""Agreement: the form of the verb follows its subject, a known distance before it, past other nouns.

Worked example in a language with cases (ids in the code): the subject is the one noun in the nominative; all others are
oblique, marked here by *. `distance` 6 is counted from subject to verb; the two nouns between, both of the other
number, are attractors.

    source   *doors soon  key  *cabinets soon *tables often here  OPEN EOS      target  opens
             ───────────  ───  ─────────────────────────────────  ────
             before       subject (singular), then 6 − 1 words    verb          flipped form: open

Every noun is singular or plural with even odds, whatever the others are: neither the nearest noun, nor the first, nor
the majority tells the answer. How many words stand before the subject has nothing to do with the distance: a far
subject is not always near the start, where a backward reader ends. It is scored as in LingEval97 (Sennrich 2017): is
the right form more likely than the flipped one? Nothing is decoded, and chance is one half.
"""

from typing import NamedTuple

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE

NOUNS, ADVERBS, VERBS = 8, 8, 4
MOST_BETWEEN = 4  # nouns between the subject and the verb
MOST_BEFORE = 10  # words before the subject

FIRST_NOUN = FIRST_PIECE  # nominative: singular, plural, singular, plural, …
FIRST_OBLIQUE = FIRST_NOUN + 2 * NOUNS  # likewise
FIRST_ADVERB = FIRST_OBLIQUE + 2 * NOUNS
FIRST_VERB = FIRST_ADVERB + ADVERBS
FIRST_FORM = FIRST_VERB + VERBS  # of the target: singular, plural, singular, plural, …
VOCAB_SIZE = FIRST_FORM + 2 * VERBS


class Sentence(NamedTuple):
    """A pair, and what is asked of it: `right` against `wrong` as the one token of the target.

    `verb` is its position in the source; `noun` (from 0) and `is_plural` are the subject's.
    """

    pair: EncodedPair
    right: int
    wrong: int
    verb: int
    noun: int
    is_plural: bool


def draw_any(rng: np.random.Generator, longest: int) -> Sentence:
    """One sentence for training, its distance `longest` or shorter, all as often."""
    return draw(rng, int(rng.integers(1, longest + 1)))


def draw(rng: np.random.Generator, distance: int, attractors: int | None = None, before: int | None = None) -> Sentence:
    """One sentence whose verb stands `distance` (1 or more) after its subject.

    Args:
        attractors: How many nouns stand between them, all of the other number; None draws how many, up to
            `MOST_BETWEEN` and what has room, and the number of each.
        before: How many words stand before the subject, at most two of them nouns; None draws it, up to `MOST_BEFORE`.

    Raises:
        ValueError: So many attractors have no room.
    """
    if attractors is not None and attractors > distance - 1:
        raise ValueError(f"{attractors} attractors need a distance of {attractors + 1} or more, not {distance}")
    noun, is_plural, verb = int(rng.integers(NOUNS)), int(rng.integers(2)), int(rng.integers(VERBS))
    between = int(rng.integers(min(MOST_BETWEEN, distance - 1) + 1)) if attractors is None else attractors
    start = int(rng.integers(MOST_BEFORE + 1)) if before is None else before
    nouns = int(rng.integers(min(2, start) + 1))
    first = _words(rng, nouns, start - nouns, None)
    after = _words(rng, between, distance - 1 - between, None if attractors is None else 1 - is_plural)
    source = [*first, FIRST_NOUN + 2 * noun + is_plural, *after, FIRST_VERB + verb, EOS]
    right = FIRST_FORM + 2 * verb + is_plural
    wrong = FIRST_FORM + 2 * verb + 1 - is_plural
    pair = EncodedPair(torch.tensor(source), torch.tensor([right]))
    return Sentence(pair, right, wrong, len(source) - 2, noun, bool(is_plural))


def _words(rng: np.random.Generator, nouns: int, adverbs: int, number: int | None) -> list[int]:
    """Oblique nouns of a `number` (0 singular, 1 plural, None either) and adverbs, in any order."""
    numbers = rng.integers(2, size=nouns) if number is None else np.full(nouns, number)
    oblique = FIRST_OBLIQUE + 2 * rng.integers(NOUNS, size=nouns) + numbers
    return rng.permutation(np.concatenate([oblique, FIRST_ADVERB + rng.integers(ADVERBS, size=adverbs)])).tolist()
