"""Joined sentences: what tells where one ends, and that every k reads the same sentences."""

import numpy as np
import pytest

from pipeline.data.corpus import SentencePair
from pipeline.data.probes.concatenated import SEPARATORS, blocks_of, join, joined_blocks, plain

PAIRS = [SentencePair(f"The dog {n} sleeps .", f"Der Hund {n} schläft.") for n in range(30)]


def test_capitals_and_full_stops_do_not_tell_where_a_sentence_ends():
    assert plain([SentencePair("A Dog.", "Ein Hund !"), SentencePair(".", "Nichts.")]) == [("a dog", "ein hund", ())]


def test_sentences_are_joined_in_one_order_by_one_sign_on_both_sides():
    rng = np.random.default_rng(0)
    joined = [join([SentencePair("a b", "x y"), SentencePair("c", "z")], rng) for _ in range(200)]
    assert {pair.src for pair in joined} == {f"a b{sign} c" for sign in SEPARATORS}
    assert {(pair.src[3:-2], pair.tgt[3:-2]) for pair in joined} == {(sign, sign) for sign in SEPARATORS}


def test_one_sentence_is_joined_with_nothing():
    assert join(PAIRS[:1], np.random.default_rng(0)) == PAIRS[0]


def test_every_k_reads_the_same_sentences_but_for_what_is_left_over():
    blocks = blocks_of(PAIRS, size=6, number=4)
    assert len({pair.src for block in blocks for pair in block}) == 24
    for k, rest in ((1, 0), (2, 0), (3, 0), (4, 2), (5, 1), (6, 0)):
        for block, joined in zip(blocks, joined_blocks(blocks, k), strict=True):
            assert len(joined) == 6 // k
            numbers = [word for pair in joined for word in pair.src.split() if word.isdigit()]
            assert numbers == [pair.src.split()[2] for pair in block[: 6 - rest]]


def test_the_same_sentences_are_joined_in_every_call():
    assert joined_blocks(blocks_of(PAIRS, 6, 2), 3) == joined_blocks(blocks_of(PAIRS, 6, 2), 3)


def test_too_few_sentences_are_refused():
    with pytest.raises(ValueError, match="6 blocks of 6 sentences need 36, but there are 30"):
        blocks_of(PAIRS, size=6, number=6)
