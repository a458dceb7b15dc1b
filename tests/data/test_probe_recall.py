import numpy as np
import pytest

from pipeline.data.probes import recall as probe
from pipeline.data.tokenizer import EOS


def pairs_of(question):
    """Places, keys and values of the words that hold both."""
    words = question.pair.src.numpy()
    (places,) = np.nonzero((words >= probe.FIRST_PAIR) & (words < probe.FIRST_KEY))
    return places, *np.divmod(words[places] - probe.FIRST_PAIR, probe.VALUES)


@pytest.mark.parametrize("distance", [1, 2, 5, 20])
def test_the_answer_stands_with_its_key_at_the_distance(distance):
    for seed in range(50):
        question = probe.draw(np.random.default_rng(seed), distance)
        *words, asked, end = question.pair.src.tolist()
        assert end == EOS
        pairs = {at: word - probe.FIRST_PAIR for at, word in enumerate(words) if word < probe.FIRST_KEY}
        assert all(word >= probe.FIRST_FILLER for at, word in enumerate(words) if at not in pairs)
        keys = [pair // probe.VALUES for pair in pairs.values()]
        assert len(set(keys)) == len(keys) == probe.PAIRS
        (at,) = [at for at, pair in pairs.items() if pair // probe.VALUES == asked - probe.FIRST_KEY]
        assert len(words) - at == distance
        assert question.right == probe.FIRST_VALUE + pairs[at] % probe.VALUES
        assert question.pair.tgt.tolist() == [question.right]


def test_the_answer_stands_anywhere_whatever_its_distance():
    for distance in (4, 20):
        lengths = [len(probe.draw(np.random.default_rng(seed), distance).pair.src) for seed in range(300)]
        assert {length - distance - 2 for length in lengths} == set(range(probe.MOST_BEFORE + 1))
    assert len(probe.draw(np.random.default_rng(0), 6, before=4).pair.src) == 4 + 6 + 2


@pytest.mark.parametrize("before", [1, 11])
def test_all_keys_need_room_among_the_first_words(before):
    with pytest.raises(ValueError, match=f"distance 2 needs 2 to 10 words before the answer, not {before}"):
        probe.draw(np.random.default_rng(0), 2, before=before)


def test_a_distance_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0"):
        probe.draw(np.random.default_rng(0), 0)


def test_answers_are_even():
    right = [probe.draw(np.random.default_rng(seed), 6).right - probe.FIRST_VALUE for seed in range(1800)]
    assert np.abs(np.bincount(right, minlength=probe.VALUES) / 1800 - 1 / probe.VALUES).max() < 0.04


def test_in_training_places_do_not_tell_which_key_is_asked_for():
    rng = np.random.default_rng(0)
    asked = {length: np.zeros(probe.PAIRS) for length in range(probe.PAIRS, 31)}
    for _ in range(6000):
        question = probe.draw_any(rng, longest=20)
        *words, key, _ = question.pair.src.tolist()
        _, keys, _ = pairs_of(question)
        asked[len(words)][keys.tolist().index(key - probe.FIRST_KEY)] += 1
    assert all(counts.sum() for counts in asked.values())
    for lengths in (range(4, 9), range(9, 25), range(25, 31)):
        counts = sum(asked[length] for length in lengths)
        assert np.abs(counts / counts.sum() - 1 / probe.PAIRS).max() < 0.05


def test_all_keys_stand_among_the_first_words():
    for seed in range(100):
        places, _, _ = pairs_of(probe.draw_any(np.random.default_rng(seed), longest=20))
        assert places.max() <= probe.MOST_BEFORE


def test_training_has_the_sentences_that_are_asked_about():
    trained = [len(probe.draw_any(np.random.default_rng(seed), longest=20).pair.src) for seed in range(2000)]
    asked = [len(probe.draw(np.random.default_rng(seed), 20).pair.src) for seed in range(300)]
    assert set(asked) < set(trained)
    assert max(trained) == max(asked)


@pytest.mark.parametrize("distance", [1, 2, 5, 20])
def test_who_compares_no_keys_is_as_right_as_the_page_says(distance):
    rng = np.random.default_rng(distance)
    right = []
    for _ in range(2000):
        question = probe.draw(rng, distance)
        _, _, values = pairs_of(question)
        of_values = np.bincount(values, minlength=probe.VALUES)
        best = np.flatnonzero(of_values == of_values.max())
        right.append((question.right - probe.FIRST_VALUE in best) / len(best))
    assert np.mean(right) == pytest.approx(probe.guessed(), abs=0.03)
    assert round(100 * probe.guessed()) == 46
