"""The maps of all models for one sentence, in every form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sentence_maps import picture_path
from scripts.align import _parser, run
from tests.commands import ROOT
from tests.tiny_runs import write_run, write_text_corpus


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    write_text_corpus(folder / "little")
    for model in ("gru", "gru_attention"):
        write_run(folder / "runs", folder / "little", model)
    return folder / "runs" / "little"


def align(*arguments) -> None:
    run(_parser().parse_args([*map(str, arguments), "--device", "cpu"]))


def test_the_terminal_shows_words_on_both_axes(runs, capsys):
    align(runs, "--sentence", "the dog .", "--target", "der Hund .")
    shown = capsys.readouterr().out
    assert "GRU, no attention" in shown
    assert "GRU + attention" in shown
    rows = [line.split(" ")[0] for line in shown.split("GRU + attention")[1].splitlines()]
    assert rows[-4:] == ["der", "Hund", ".", "</s>"]


def test_json_has_weights_that_sum_to_one(runs, tmp_path):
    align(runs, "--sentence", "the dog .", "--target", "der Hund .", "--out", tmp_path / "map.json")
    content = json.loads((tmp_path / "map.json").read_text())
    one, all_ = content["maps"]
    assert one["source_words"] == ["one vector"]
    assert all_["source_words"] == ["the", "dog", ".", "</s>"]
    assert all_["target_words"] == ["der", "Hund", ".", "</s>"]
    assert all(sum(row) == pytest.approx(1, abs=0.01) for row in all_["weights"])
    (layer,) = all_["layers"]
    assert (layer["kind"], layer["queries"], layer["keys"]) == ("cross", all_["target_words"], all_["source_words"])
    assert layer["heads"] == [all_["weights"]]


def test_saliency_gives_the_model_without_attention_a_map(runs, tmp_path):
    align(runs, "--sentence", "the dog .", "--saliency", "--out", tmp_path / "map.json")
    one = json.loads((tmp_path / "map.json").read_text())["maps"][0]
    assert (one["map"], one["source_words"]) == ("saliency", ["the", "dog", ".", "</s>"])


def test_saliency_says_that_it_is_none_of_attention_and_is_darkest_where_it_has_most(runs, tmp_path, capsys):
    align(runs, "--sentence", "the dog .", "--saliency")
    shown = capsys.readouterr().out
    assert "GRU, no attention: saliency\n" in shown
    assert shown.count("██") >= 2  # the largest share of each map
    align(runs, "--sentence", "the dog .", "--saliency", "--out", tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text()
    assert "<h2>GRU + attention: saliency</h2>" in page
    assert page.count("--a: 1.000") >= 2


def test_a_picture_needs_a_name(runs):
    with pytest.raises(UserError, match=r"names no file; give one, for instance map\.png"):
        align(runs, "--sentence", "the dog .", "--out", ".")


def test_a_picture_may_go_to_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert picture_path(Path("~/pictures/map")) == tmp_path / "pictures" / "map.png"


def test_text_in_the_page_is_escaped(runs, tmp_path):
    align(runs, "--sentence", "<script>alert(1)</script> .", "--target", "a <b> c", "--out", tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_pictures_are_written_and_unknown_endings_named(runs, tmp_path):
    align(runs, "--sentence", "the dog .", "--out", tmp_path / "map.svg")
    assert (tmp_path / "map.svg").read_text().startswith("<?xml")
    (tmp_path / "map.xyz").write_text("of somebody else")
    with pytest.raises(UserError, match=r"map.xyz: .*; or .html, .json"):
        align(runs, "--sentence", "the dog .", "--out", tmp_path / "map.xyz")
    assert (tmp_path / "map.xyz").read_text() == "of somebody else"
    assert sorted(path.name for path in tmp_path.glob("*map*")) == ["map.svg", "map.xyz"]  # and no half of one


def test_an_empty_sentence_is_refused(runs):
    with pytest.raises(UserError, match="--sentence is empty"):
        align(runs, "--sentence", " ")


def test_a_notebook_s_backend_for_figures_is_not_asked_for(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://of_another_python.backend")
    done = subprocess.run([sys.executable, "-m", "scripts.align", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
