import json

import pytest

from pipeline.errors import UserError
from pipeline.run_folder import RunFolder, settings_of


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path, "toy", "gru", 3)
    folder.last.parent.mkdir(parents=True)
    return folder


def test_the_place_says_corpus_model_and_seed(folder, tmp_path):
    assert folder.path == tmp_path / "toy" / "gru" / "seed3"


def test_a_run_without_a_checkpoint_is_cleared_and_no_other(folder):
    folder.last.write_bytes(b"")
    folder.clear()
    assert folder.can_go_on
    folder.last.unlink()
    folder.results_json.write_text("{}")
    folder.clear()
    assert folder.is_finished
    folder.results_json.unlink()
    folder.clear()
    assert not list(folder.path.iterdir())


def test_a_run_set_aside_keeps_everything_under_another_name(folder):
    folder.last.write_bytes(b"weights")
    kept = folder.set_aside()
    assert not folder.path.exists()
    assert kept.parent == folder.path.parent
    assert (kept / "checkpoints" / "last.ckpt").read_bytes() == b"weights"


def test_where_a_run_is_computed_is_none_of_its_settings():
    one = "model: {lr: 0.1}\ntrainer: {devices: 1, max_epochs: 3, callbacks: [{class_path: a.RunProgress}]}"
    one += "\ndata: {corpus: x, src: en}"
    other = "model: {lr: 0.1}\ntrainer: {devices: 8, max_epochs: 3}\ndata: {corpus: y, src: en, revision: null}"
    assert settings_of(one) == settings_of(other) == {"model.lr": 0.1, "trainer.max_epochs": 3, "data.src": "en"}


def test_other_settings_are_refused_by_name(folder):
    (folder.path / "config.yaml").write_text("model: {lr: 0.1, name: gru}")
    folder.refuse_other_settings({"model.lr": 0.1, "model.name": "gru"})
    with pytest.raises(UserError, match=r"model.lr: 0.1 → 0.2"):
        folder.refuse_other_settings({"model.lr": 0.2, "model.name": "gru"})


def test_another_text_is_refused(folder):
    folder.results_json.write_text(json.dumps({"corpus": {"content_hash": "a"}}))
    folder.refuse_other_text("a", "toy")
    with pytest.raises(UserError, match="another text than toy"):
        folder.refuse_other_text("b", "toy")
