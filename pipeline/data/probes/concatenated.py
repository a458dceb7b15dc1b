"""k sentence pairs of a corpus joined into one: natural text of a length that can be chosen.

Worked example with k = 2 (our own sentences):

    source   a dog sleeps in the sun ; two men play chess
    target   ein hund schläft in der sonne ; zwei männer spielen schach

Where a sentence ends must not be told by a sign, or a model could learn to start anew there: full stops at the ends are
dropped, letters are small (capitals begin sentences), and what joins two sentences is drawn: nothing, or one of three
signs, the same on both sides.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.data.corpus import SentencePair

SEPARATORS = ("", ",", ";", " –")
_ENDS = " .!?"


def plain(pairs: Sequence[SentencePair]) -> list[SentencePair]:
    """Pairs in small letters, without full stops at their ends; those that are empty then are left out."""
    lowered = (SentencePair(pair.src.lower().rstrip(_ENDS), pair.tgt.lower().rstrip(_ENDS)) for pair in pairs)
    return [pair for pair in lowered if pair.src and pair.tgt]


def join(pairs: Sequence[SentencePair], rng: np.random.Generator) -> SentencePair:
    """One pair of `pairs`, which are as `plain` gives them."""
    src, tgt = pairs[0][:2]
    for pair in pairs[1:]:
        separator = SEPARATORS[rng.integers(len(SEPARATORS))]
        src = f"{src}{separator} {pair.src}"
        tgt = f"{tgt}{separator} {pair.tgt}"
    return SentencePair(src, tgt)


def blocks_of(pairs: Sequence[SentencePair], size: int, number: int) -> list[list[SentencePair]]:
    """`number` blocks of `size` pairs each, none twice, the same ones in every call with the same pairs.

    Raises:
        ValueError: There are too few pairs.
    """
    if len(pairs) < size * number:
        raise ValueError(f"{number} blocks of {size} sentences need {size * number}, but there are {len(pairs)}")
    order = np.random.default_rng(0).permutation(len(pairs))[: size * number]
    return [[pairs[place] for place in block] for block in order.reshape(number, size)]


def joined_blocks(blocks: Sequence[Sequence[SentencePair]], k: int) -> list[list[SentencePair]]:
    """What each block makes when its sentences are joined k at a time, in their order; the rest is left out."""
    rng = np.random.default_rng([1, k])
    return [[join(block[first : first + k], rng) for first in range(0, len(block) - k + 1, k)] for block in blocks]
