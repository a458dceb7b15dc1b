import math

import numpy as np
import pytest

from pipeline.data.probes import recall as probe
from pipeline.data.tokenizer import EOS


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


def test_the_other_keys_need_room():
    with pytest.raises(ValueError, match="distance 2 needs 2 words or more before the answer, not 1"):
        probe.draw(np.random.default_rng(0), 2, before=1)


def test_a_distance_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0"):
        probe.draw(np.random.default_rng(0), 0)


def test_answers_are_even():
    right = [probe.draw(np.random.default_rng(seed), 6).right - probe.FIRST_VALUE for seed in range(1800)]
    assert np.abs(np.bincount(right, minlength=probe.VALUES) / 1800 - 1 / probe.VALUES).max() < 0.04


def test_the_best_guess_by_places_alone_is_as_right_as_the_page_says():
    """Whoever knows how sentences are drawn, but compares no keys, chooses the value with the largest probability."""
    rng = np.random.default_rng(0)
    for distance, percent in {1: 61, 2: 54, 5: 55, 10: 63, 15: 72, 20: 79}.items():
        right = [right_by_place(probe.draw(rng, distance)) for _ in range(1000)]
        assert 100 * np.mean(right) == pytest.approx(percent, abs=4.5)


def right_by_place(question: probe.Question) -> float:
    words = question.pair.src.tolist()
    pairs = [place for place, word in enumerate(words) if probe.FIRST_PAIR <= word < probe.FIRST_KEY]
    of_values = np.zeros(probe.VALUES)
    for place in pairs:
        of_values[(words[place] - probe.FIRST_PAIR) % probe.VALUES] += likelihood(place, pairs, len(words) - 2)
    best = np.flatnonzero(np.isclose(of_values, of_values.max()))
    return float(question.right - probe.FIRST_VALUE in best) / len(best)


def likelihood(place: int, pairs: list[int], question_at: int, longest: int = 20) -> float:
    """Of these places of the pairs, if the one at `place` is asked for, distances being drawn evenly."""
    distance, before = question_at - place, sum(other < place for other in pairs)
    after, others = probe.PAIRS - 1 - before, probe.PAIRS - 1
    least = max(0, probe.PAIRS - distance)
    few, many = max(0, others - place), min(others, distance - 1)
    if not (distance <= longest and least <= place <= probe.MOST_BEFORE and few <= after <= many):
        return 0.0
    ways = math.comb(place, before) * math.comb(distance - 1, after)
    return 1 / ((probe.MOST_BEFORE + 1 - least) * (many - few + 1) * ways)
