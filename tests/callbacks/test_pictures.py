from types import SimpleNamespace

from pipeline.callbacks import SampleTranslations, pictures
from pipeline.data.corpus import SentencePair
from pipeline.metrics import SentenceScore
from pipeline.plots import LONGEST_MAP
from pipeline.sentence_maps import SHOWN_LENGTHS, shown_sentences


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


def test_the_table_of_samples_has_each_source_its_reference_and_what_was_made_of_it(monkeypatch):
    written = []
    writer = SimpleNamespace(add_text=lambda *given: written.append(given))
    monkeypatch.setattr(pictures, "tensorboard_writer", lambda trainer: writer)
    pairs = [SentencePair("a cat", "eine Katze"), SentencePair("a | dog", "ein | Hund")]
    data = SimpleNamespace(corpus=SimpleNamespace(val=pairs))
    trainer = SimpleNamespace(datamodule=data, global_step=7)
    scores = [SentenceScore(1, 0.5, 3, 2, "ein <unk>"), SentenceScore(0, 0.5, 3, 2, "die Katze")]
    SampleTranslations().on_validation_end(trainer, SimpleNamespace(scores={"val": scores}))
    ((tag, table, step),) = written
    assert (tag, step) == ("samples", 7)
    assert table.splitlines()[2:] == [
        "| a \\| dog | ein \\| Hund | ein &lt;unk> |",
        "| a cat | eine Katze | die Katze |",
    ]
