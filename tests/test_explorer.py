"""What the report shows of models: maps of sentences from short to long, and the curves of their training."""

from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from pipeline.curves import scalar_curves
from pipeline.data.corpus import Link, SentencePair
from pipeline.errors import UserError
from pipeline.explorer import chosen_sentences, explorer_content
from pipeline.loaded_runs import find_runs
from scripts.explorer import main
from tests.tiny_runs import finish_run, write_run, write_text_corpus

PAIRS = [
    SentencePair("the dog that sees a cat sleeps .", "der Hund schläft .", (Link(1, 1, True, "word"),)),
    SentencePair("the dog .", "der Hund ."),
    SentencePair("a \u202e cat", "x"),
    SentencePair("word " * 61, "Wort ."),
    SentencePair("the dog .", ""),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer")
    write_text_corpus(folder / "little")
    for model, seed in (("transformer", 2), ("gru", 1), ("gru", 3)):
        finish_run(write_run(folder / "runs", folder / "little", model, seed), PAIRS)
    return folder / "runs" / "little"


@pytest.fixture(scope="module")
def content(runs):
    return explorer_content(find_runs([runs]))


def test_each_model_is_shown_once_in_the_order_of_the_lesson(content):
    assert [(model["name"], model["seed"]) for model in content["models"]] == [("gru", 1), ("transformer", 2)]
    assert [(run["model"], run["seed"]) for run in content["curves"]] == [("gru", 1), ("gru", 3), ("transformer", 2)]
    assert [Path(run["run"]).name for run in content["curves"]] == ["seed1", "seed3", "seed2"]


def test_sentences_go_from_short_to_long_without_those_that_cannot_be_drawn(content):
    assert [sentence["length"] for sentence in content["sentences"]] == [3, 3, 8]
    assert content["sentences"][2]["links"] == [[1, 1, True]]
    assert content["models"][1]["sentences"][2]["translation"] == "Versuch 0 ."


def test_maps_have_a_row_per_written_word_and_sum_to_one(content):
    gru, transformer = (model["sentences"][2] for model in content["models"])
    assert gru["src"] == ["the", "dog", "that", "sees", "a", "cat", "sleeps", ".", "</s>"]
    assert gru["tgt"] == ["der", "Hund", "schläft", ".", "</s>"]
    assert [len(m["heads"]) for m in transformer["cross"]] == [2, 2]
    for sentence, keys in ((gru, 1), (transformer, 9)):
        for heads in (m["heads"] for m in sentence["cross"]):
            assert np.shape(heads)[1:] == (5, keys)
            assert np.sum(heads, axis=-1) == pytest.approx(100, abs=5)  # nine roundings
        assert np.shape(sentence["saliency"][0]["heads"]) == (1, 5, 9)
    assert gru["encoder"] == []
    assert np.shape(transformer["encoder"][0]["heads"]) == (2, 9, 9)


def test_what_reorders_its_neighbours_is_made_visible(content):
    shown = str(content["sentences"]) + str(content["models"])
    assert "\u202e" not in shown
    assert "a \ufffd cat" in shown


def test_lengths_are_chosen_evenly():
    lengths = [(length, index) for index, length in enumerate([9, 2, 2, 3, 5, 7, 2])]
    assert chosen_sentences(lengths, 3) == [1, 4, 0]  # of 2, 5 and 9 words, wanted are 2, 5.5 and 9
    assert chosen_sentences(lengths[:2], 3) == [1, 0]


def test_runs_on_different_texts_are_not_compared(runs, tmp_path):
    for name in ("one", "other"):
        write_text_corpus(tmp_path / name)
    (tmp_path / "other" / "test.en").write_text("a cat .\n" * 9)
    folders = [write_run(tmp_path / "runs", tmp_path / name, "gru") for name in ("one", "other")]
    with pytest.raises(UserError, match=r"trained on different texts .*: \S+/one/gru/seed1; or \S+/other/gru/seed1$"):
        explorer_content(find_runs(folders))


def test_a_checkpoint_is_no_folder_of_runs(runs, refuse):
    checkpoint = next(runs.rglob("best.ckpt"))
    assert "best.ckpt is no folder; give one with finished runs" in refuse(main, str(checkpoint))


def test_a_curve_has_what_was_logged_and_the_later_file_counts_where_two_overlap(tmp_path):
    for steps, value, when in (((1, 2, 3), 5.0, 100.0), ((3, 4), 7.0, 200.0)):
        with SummaryWriter(str(tmp_path / f"{when:g}")) as writer:
            for step in steps:
                writer.add_scalar("loss/train", value, step, walltime=when + step)
        # A name says the second, and within one a counter whose digits do not sort: 10 comes before 9.
        (written,) = (tmp_path / f"{when:g}").iterdir()
        written.rename(tmp_path / f"events.out.tfevents.{when:g}")
    curves = scalar_curves(tmp_path, ["loss/train", "loss/val"])
    assert curves == {"loss/train": [[1, 5.0], [2, 5.0], [3, 7.0], [4, 7.0]]}


def test_a_long_curve_is_drawn_through_means_of_neighbours(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(600):
            writer.add_scalar("loss/train", step % 2, step)
    curve = scalar_curves(tmp_path, ["loss/train"])["loss/train"]
    assert len(curve) == 300
    assert {value for _, value in curve} == {0.5}
