import numpy as np
import pytest

from pipeline.data.probes import agreement as probe
from pipeline.data.tokenizer import EOS


def nouns_of(words, first):
    return [at for at, word in enumerate(words) if first <= word < first + 2 * probe.NOUNS]


@pytest.mark.parametrize("distance", [1, 2, 6, 20])
def test_the_verb_agrees_with_the_one_nominative_noun_at_its_distance(distance):
    for seed in range(50):
        sentence = probe.draw(np.random.default_rng(seed), distance)
        words = sentence.pair.src.tolist()
        assert words[-1] == EOS
        (subject,) = nouns_of(words, probe.FIRST_NOUN)
        assert sentence.verb - subject == distance
        assert words[subject] == probe.FIRST_NOUN + 2 * sentence.noun + sentence.is_plural
        verb = words[sentence.verb] - probe.FIRST_VERB
        assert sentence.right == probe.FIRST_FORM + 2 * verb + sentence.is_plural
        assert {sentence.right, sentence.wrong} == {probe.FIRST_FORM + 2 * verb, probe.FIRST_FORM + 2 * verb + 1}
        assert sentence.pair.tgt.tolist() == [sentence.right]


@pytest.mark.parametrize("attractors", range(probe.MOST_BETWEEN + 1))
def test_attractors_are_of_the_other_number(attractors):
    for seed in range(30):
        sentence = probe.draw(np.random.default_rng(seed), 9, attractors)
        between = sentence.pair.src.tolist()[sentence.verb - 8 : sentence.verb]
        numbers = [(between[at] - probe.FIRST_OBLIQUE) % 2 for at in nouns_of(between, probe.FIRST_OBLIQUE)]
        assert numbers == [1 - sentence.is_plural] * attractors


def test_the_subject_stands_anywhere_whatever_its_distance():
    for distance in (1, 20):
        sentences = [probe.draw(np.random.default_rng(seed), distance) for seed in range(300)]
        before = [sentence.verb - distance for sentence in sentences]
        assert set(before) == set(range(probe.MOST_BEFORE + 1))
    assert probe.draw(np.random.default_rng(0), 6, before=4).verb == 10


def test_training_has_every_distance_up_to_the_longest():
    sentences = [probe.draw_any(np.random.default_rng(seed), longest=6) for seed in range(500)]
    (subjects,) = zip(*(nouns_of(sentence.pair.src.tolist(), probe.FIRST_NOUN) for sentence in sentences), strict=True)
    distances = [sentence.verb - subject for sentence, subject in zip(sentences, subjects, strict=True)]
    assert set(distances) == set(range(1, 7))


def test_more_attractors_than_fit_are_refused():
    with pytest.raises(ValueError, match="distance"):
        probe.draw(np.random.default_rng(0), 3, 3)


def test_neither_the_nearest_noun_nor_the_first_tells_the_number():
    nearest, first = [], []
    for seed in range(1500):
        sentence = probe.draw(np.random.default_rng(seed), 8)
        words = sentence.pair.src.tolist()
        others = nouns_of(words, probe.FIRST_OBLIQUE)
        if others:
            nearest.append((words[others[-1]] - probe.FIRST_OBLIQUE) % 2 == sentence.is_plural)
            first.append((words[others[0]] - probe.FIRST_OBLIQUE) % 2 == sentence.is_plural)
    assert abs(np.mean(nearest) - 0.5) < 0.05
    assert abs(np.mean(first) - 0.5) < 0.05
