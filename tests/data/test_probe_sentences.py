"""Sentences of the toy grammar as a probe: known words, no overlap, links that point at the right ids."""

import numpy as np
import pytest

from pipeline.data.corpus import SentencePair
from pipeline.data.probes.sentences import Vocabulary, sentences
from pipeline.data.tokenizer import EOS, UNK

PAIRS = [SentencePair("the dogs sleep .", "die Hunde schlafen ."), SentencePair("a dog sleeps .", "ein Hund schläft .")]


def test_a_word_of_both_languages_has_one_id():
    vocabulary = Vocabulary(PAIRS)
    src, tgt = vocabulary.encode(PAIRS[0])
    assert src[-1] == EOS
    assert EOS not in tgt
    assert src[3] == tgt[3]
    assert vocabulary.size == EOS + 1 + len({w for p in PAIRS for w in f"{p.src} {p.tgt}".split()})


def test_ids_become_words_again_up_to_the_end():
    vocabulary = Vocabulary(PAIRS)
    tgt = vocabulary.encode(PAIRS[1]).tgt.tolist()
    assert vocabulary.decode([*tgt, EOS, tgt[0], 0]) == "ein Hund schläft ."
    assert vocabulary.decode([UNK, tgt[0]]) == "ein"


def test_an_unknown_word_is_unk():
    vocabulary = Vocabulary(PAIRS)
    stranger = SentencePair("the cat sleeps .", "die Katze schläft .")
    assert not vocabulary.knows(stranger)
    assert vocabulary.encode(stranger).src.tolist().count(UNK) == 1


def test_test_sentences_are_new_short_and_of_known_words():
    task = sentences(2000, 20, longest=8)
    assert len(task.train) == 2000
    assert len(task.test) == 20
    assert not {pair.src for pair in task.train} & {pair.src for pair in task.test}
    assert all(task.vocabulary.knows(pair) and pair.links and len(pair.src.split()) <= 8 for pair in task.test)


def test_every_call_gives_the_same_sentences_and_draws():
    ours, theirs = sentences(1500, 5, longest=8), sentences(1500, 5, longest=8)
    assert ours.train == theirs.train
    assert ours.test == theirs.test
    drawn = [task.drawer()(np.random.default_rng(3)).src.tolist() for task in (ours, theirs)]
    assert drawn[0] == drawn[1]


def test_too_few_training_sentences_are_an_error():
    with pytest.raises(ValueError, match="too few words"):
        sentences(5, 5, longest=8)
