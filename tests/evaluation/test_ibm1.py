"""IBM Model 1: by hand, on a made-up dictionary, and on the toy corpus."""

import math
import random

import pytest

from pipeline.alignment import AlignmentCounts, count_links, diagonal_links
from pipeline.data.corpus import SentencePair
from pipeline.data.probes.sentences import sentences
from pipeline.evaluation import ibm1
from pipeline.evaluation.ibm1 import Ibm1, _prior
from pipeline.evaluation.maps import total


def test_the_first_iteration_is_what_it_is_by_hand():
    """t(das | the) after one step from equal values: its expected count over that of all words that "the" made."""
    pairs = [SentencePair("the house", "das Haus"), SentencePair("the book", "das Buch")]
    prior = _prior(2, 2)
    made_by_the = {"das": 2 * prior[0, 1], "Haus": prior[1, 1], "Buch": prior[1, 1]}
    learned = Ibm1(pairs, iterations=1)
    for word, count in made_by_the.items():
        assert learned.probability("the", word) == pytest.approx(count / sum(made_by_the.values()))
    assert learned.probability("house", "Buch") == learned.probability("unknown", "Buch") == 0


def test_prior_rows_sum_to_one_and_are_largest_near_the_diagonal():
    prior = _prior(3, 2)
    assert prior.shape == (2, 4)
    assert prior.sum(1) == pytest.approx(1)
    assert prior[1, 1:].argmax() == 2
    assert prior[:, 0] == pytest.approx(0.08)
    assert _prior(2, 2)[0, 1] / _prior(2, 2)[0, 2] == pytest.approx(math.exp(4 / 2))


def test_words_that_go_together_are_linked_whatever_their_order():
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    drawn = random.Random(1)
    sources = [drawn.sample(words, 3) for _ in range(300)]
    pairs = [SentencePair(" ".join(w), " ".join(drawn.sample(w, 3)).upper()) for w in sources]
    assert Ibm1(pairs).links(SentencePair("one two three", "THREE ONE TWO")) == {(2, 0), (0, 1), (1, 2)}


def test_words_that_were_never_seen_are_linked_by_their_place():
    learned = Ibm1([SentencePair("the house", "das Haus")])
    assert learned.links(SentencePair("one two three", "eins zwei drei")) == {(0, 0), (1, 1), (2, 2)}


def test_where_no_link_is_found_or_sure_there_is_nothing_to_add_up():
    assert total([{}, {}]) == AlignmentCounts()


def test_on_the_toy_corpus_it_is_far_better_than_the_diagonal():
    corpus = sentences(num_train=3000, num_test=200, longest=20)
    learned = Ibm1(corpus.train)
    found = total([count_links(learned.links(pair), pair.links) for pair in corpus.test])
    lengths = [(len(pair.src.split()), len(pair.tgt.split())) for pair in corpus.test]
    diagonal = [count_links(diagonal_links(*n), pair.links) for n, pair in zip(lengths, corpus.test, strict=True)]
    assert found.error_rate < 0.6 * total(diagonal).error_rate


def test_it_learns_from_the_first_pairs_that_fit_and_from_none_that_is_long(monkeypatch):
    monkeypatch.setattr(ibm1, "MOST_CELLS", 10)
    texts = [(" ".join(["one"] * 101), "lang"), ("the house", "das Haus"), ("a", "ein"), ("the dog", "der")]
    learned = Ibm1(SentencePair(*text) for text in texts)
    assert learned.probability("the", "das") > 0
    assert learned.probability("a", "ein") == 1
    assert learned.probability("one", "lang") == learned.probability("dog", "der") == 0


def test_where_nothing_can_be_learned_places_decide():
    assert Ibm1([]).links(SentencePair("one two", "eins zwei")) == {(0, 0), (1, 1)}


def test_a_word_that_none_made_most_likely_has_no_link():
    assert Ibm1([]).links(SentencePair("one " * 60, "eins")) == set()  # of sixty words the nearest has 0.06, none 0.08
