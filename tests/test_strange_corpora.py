"""Corpora that are hardly corpora, trained on by the command that a user types."""

import json
import math
from pathlib import Path

import pytest

from tests.commands import fit
from tests.nasty import INVISIBLE, SENTENCES


def write_copies(folder: Path, sentences: list[str]) -> Path:
    """A corpus whose splits are all the same, and each source its own target."""
    folder.mkdir()
    for split in ("train", "val", "test"):
        for side in ("en", "de"):
            text = "".join(f"{sentence}\n" for sentence in sentences)
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize(
    ("model", "sentences"),
    [("gru_attention", ["a"]), ("transformer", [*SENTENCES.values(), *list(INVISIBLE.values())[2:]])],
    ids=["one word", "everything"],
)
def test_a_strange_corpus_trains_to_finite_numbers_with_a_translation_for_every_line(tmp_path, model, sentences):
    fit(write_copies(tmp_path / "strange", sentences), tmp_path, model, "--trainer.max_epochs", "1")
    folder = tmp_path / "runs" / "strange" / model / "seed1"
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert all(math.isfinite(results["nats_per_token"][split]) for split in ("train", "val", "test"))
    rows = [json.loads(line) for line in (folder / "translations.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert sorted(row["index"] for row in rows) == list(range(len(sentences)))
    assert all(row["src"] == row["tgt"] == sentences[row["index"]].replace("\r", " ") for row in rows)


def test_a_corpus_of_nothing_visible_is_refused_without_a_traceback(tmp_path):
    said = fit(write_copies(tmp_path / "strange", list(INVISIBLE.values())[2:3]), tmp_path, "gru", expect=2).stderr
    assert "hold nothing that can be read" in said
    assert "Traceback" not in said
