"""The toy grammar, word by word."""

import numpy as np
import pytest

from pipeline.data.probes import translation
from pipeline.data.tokenizer import EOS, UNK

LONGEST = 10


@pytest.fixture(scope="module")
def words():
    return translation.vocabulary(LONGEST)


def test_a_word_has_one_id_and_there_and_back_is_the_same(words):
    pair = translation.sentence(np.random.default_rng(3), LONGEST)
    encoded = words.encode(pair)
    assert encoded.src[-1] == EOS
    assert words.decode(encoded.tgt.tolist()) == pair.tgt
    assert len(encoded.tgt) == len(pair.tgt.split())
    assert int(max(encoded.src.max(), encoded.tgt.max())) < words.size


def test_sentences_are_short_enough_and_use_the_length():
    rng = np.random.default_rng(0)
    lengths = [len(translation.sentence(rng, LONGEST).src.split()) for _ in range(300)]
    assert max(lengths) == LONGEST
    assert min(lengths) < 6


def test_test_sentences_differ_are_known_and_stay_the_same(words):
    pairs = translation.test_sentences(40, LONGEST, words)
    assert len({pair.src for pair in pairs}) == 40
    assert all(UNK not in words.encode(pair).src and UNK not in words.encode(pair).tgt for pair in pairs)
    assert pairs == translation.test_sentences(40, LONGEST, words)


def test_what_is_kept_apart_is_not_drawn():
    first = translation.sentence(np.random.default_rng(8), LONGEST)
    assert translation.unseen(np.random.default_rng(8), LONGEST, set()) == first
    assert translation.unseen(np.random.default_rng(8), LONGEST, {first.src}).src != first.src
