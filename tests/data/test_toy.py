from collections import Counter

import pytest

from pipeline.data import toy
from pipeline.data.corpus import SPLITS
from pipeline.data.lexicon import NOUNS
from pipeline.data.phrases import PHENOMENA
from tests.data.conftest import published_hashes

BANDS = [(1, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "SENTENCES_PER_BAND", {"test": (2,) * 6, "val": (3,) * 6, "train": (7, 6, 5, 4, 3, 2)})


@pytest.mark.parametrize("split", SPLITS)
def test_every_band_of_lengths_has_as_many_sentences_as_declared(corpus, split):
    lengths = [len(pair.src.split()) for pair in corpus.split(split)]
    in_band = [sum(low <= length <= high for length in lengths) for low, high in BANDS]
    assert in_band == list(toy.SENTENCES_PER_BAND[split])
    assert sum(in_band) == len(lengths)


def test_training_has_more_short_sentences_than_long_ones(corpus):
    lengths = sorted(len(pair.src.split()) for pair in corpus.train)
    assert lengths[0] < 5
    assert lengths[-1] > 55
    assert lengths[len(lengths) // 2] < 20


@pytest.mark.parametrize("side", ["src", "tgt"])
def test_no_sentence_comes_twice_within_or_across_splits_on_either_side(corpus, side):
    sentences = [getattr(pair, side) for split in SPLITS for pair in corpus.split(split)]
    assert len(set(sentences)) == len(sentences)


def test_every_phenomenon_occurs_in_validation_and_test_often_enough_to_count(corpus):
    for split in ("val", "test"):
        seen = Counter(link.phenomenon for pair in corpus.split(split) for link in pair.links)
        assert set(seen) == set(PHENOMENA)
        assert min(seen.values()) >= 50, seen


def test_training_pairs_carry_no_links(corpus):
    assert not any(pair.links for pair in corpus.train)


def test_the_long_sentences_have_no_word_that_the_training_split_lacks(corpus):
    known = {word for pair in corpus.train for text in (pair.src, pair.tgt) for word in text.split()}
    for split in ("val", "test"):
        new = {word for pair in corpus.split(split) for text in (pair.src, pair.tgt) for word in text.split()} - known
        assert not new


def test_the_vocabulary_is_some_hundreds_of_words(corpus):
    for side, most in (("src", 500), ("tgt", 1000)):
        words = {word for pair in corpus.train for word in getattr(pair, side).split()}
        assert 200 < len(words) < most


def test_every_noun_is_used_and_capitalised_in_german_only(corpus):
    german = {word for pair in corpus.train for word in pair.tgt.split()}
    assert {noun.tgt_singular for noun in NOUNS} <= german
    # Places and vehicles stand after prepositions only: their plural has the dative -n, or there is none.
    assert {noun.tgt_plural for noun in NOUNS if noun.kind not in ("place", "vehicle")} <= german
    assert not {noun.tgt_singular.lower() for noun in NOUNS} & german
    assert all(pair.src.islower() for pair in corpus.train)


def test_the_corpus_says_what_it_is(corpus):
    assert (corpus.name, corpus.src, corpus.tgt, corpus.is_synthetic) == ("toy", "en", "de", True)


def test_the_published_results_are_of_this_corpus(corpus):
    assert published_hashes("toy") == {corpus.content_hash()}


def test_the_same_seed_gives_the_same_corpus_with_the_same_links(small):
    assert toy.toy_corpus(seed=3) == toy.toy_corpus(seed=3)


def test_another_seed_gives_other_sentences(small):
    assert toy.toy_corpus(seed=3).content_hash() != toy.toy_corpus(seed=4).content_hash()


def test_the_splits_are_shuffled_over_lengths(corpus):
    """Sorted by length, the first half of a split would hold only three of the six bands."""
    first = [len(pair.src.split()) for pair in corpus.test[: len(corpus.test) // 2]]
    assert all(any(low <= length <= high for length in first) for low, high in BANDS)
