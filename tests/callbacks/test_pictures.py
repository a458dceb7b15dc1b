from pipeline.callbacks.pictures import SHOWN_LENGTHS, shown_sentences
from pipeline.data.corpus import SentencePair
from pipeline.plots import LONGEST_MAP


def pair(num_words: int) -> SentencePair:
    return SentencePair(" ".join(["w"] * num_words), "x")


def test_the_shown_sentences_come_nearest_to_the_wished_lengths():
    pairs = [pair(n) for n in (40, *SHOWN_LENGTHS, 2)]
    assert shown_sentences(pairs) == [pair(n) for n in SHOWN_LENGTHS]


def test_no_sentence_is_shown_twice_and_a_small_corpus_shows_what_it_has():
    assert len(shown_sentences([pair(9), pair(9)])) == 2


def test_sentences_whose_maps_would_fill_the_memory_are_not_shown():
    long_target = SentencePair("w w", " ".join(["x"] * (LONGEST_MAP + 1)))
    assert shown_sentences([pair(LONGEST_MAP + 1), pair(LONGEST_MAP), long_target]) == [pair(LONGEST_MAP)]
