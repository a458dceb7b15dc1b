import json
import os

import pytest
import torch

from pipeline.checkpoint_file import write_checkpoint
from pipeline.errors import UserError
from pipeline.finished_runs import finished_runs, read_results
from pipeline.loaded_runs import find_runs
from pipeline.run_folder import _NEEDED_TO_GO_ON, RunFolder
from pipeline.settings import run_settings, settings_of
from pipeline.translations import read_translations
from tests.commands import said_by_a_child

RESULTS = ("model", "seed", "parameters", "steps", "target_tokens_seen", "seconds", "nats_per_token", "test")


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path, "toy", "gru", 3)
    folder.last.parent.mkdir(parents=True)
    return folder


def test_the_place_says_corpus_model_and_seed(folder, tmp_path):
    assert folder.path == tmp_path / "toy" / "gru" / "seed3"


def test_a_run_without_a_checkpoint_is_cleared_and_no_other(folder):
    folder.last.write_bytes(b"")
    part = folder.path / ".translations.jsonl.k2s9.partial"
    part.write_text("of a process that was killed")
    folder.clear()
    assert folder.can_go_on
    assert not part.exists()
    folder.last.unlink()
    folder.results_json.write_text("{}")
    folder.clear()
    assert folder.is_finished
    folder.results_json.unlink()
    folder.best.write_bytes(b"")
    folder.clear()
    assert folder.has_run
    folder.best.unlink()
    folder.clear()
    assert not list(folder.path.iterdir())


@pytest.mark.parametrize("content", ["[]", "7", "{", "{}", '{"corpus": "toy"}', '{"corpus": null}'])
def test_results_that_are_damaged_are_named(folder, content):
    folder.results_json.write_text(content)
    with pytest.raises(UserError, match=r"results.json (is broken|lacks model, seed, )"):
        read_results(folder.path)


@pytest.mark.parametrize("corpus", [{}, "toy", None])
def test_results_that_name_no_text_are_refused(folder, corpus):
    folder.results_json.write_text(json.dumps(dict.fromkeys(RESULTS) | {"corpus": corpus}))
    with pytest.raises(UserError, match=r"results.json lacks corpus.content_hash"):
        read_results(folder.path)


@pytest.mark.parametrize("row", ["{", "[]", "{}", "7"])
def test_a_damaged_line_of_the_translations_is_named(tmp_path, row):
    path = tmp_path / "translations.jsonl"
    path.write_text(f'{{"index": 0}}\n{row}\n')
    with pytest.raises(UserError, match="line 2: " if row == "{" else "translations.jsonl is broken .*; bring it back"):
        read_translations(path)


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/last.ckpt"])
def test_a_run_whose_checkpoints_are_on_a_disk_that_is_not_mounted_is_not_cleared(folder, tmp_path, name):
    link = folder.path / name
    if name == "checkpoints":
        link.rmdir()
    link.symlink_to(tmp_path / "disk")
    curves = folder.path / "events.out.tfevents.1"
    curves.touch()
    with pytest.raises(UserError, match=f"{name} is a link to .*disk, which is not there; mount or remove it"):
        folder.clear()
    assert curves.is_file()
    assert link.is_symlink()


def test_checkpoints_that_are_linked_to_another_disk_stay_there_and_leave_no_halves(folder, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / ".last.ckpt.k2s9.partial").touch()
    folder.last.parent.rmdir()
    folder.last.parent.symlink_to(disk)
    (folder.path / "events.out.tfevents.1").touch()
    folder.clear()  # there is no checkpoint yet: nothing to go on from
    assert [path.name for path in folder.path.iterdir()] == ["checkpoints"]
    assert folder.last.parent.is_symlink()
    assert not list(disk.iterdir())


def test_a_run_set_aside_keeps_everything_under_another_name(folder):
    folder.last.write_bytes(b"weights")
    kept = folder.set_aside()
    assert not folder.path.exists()
    assert kept.parent == folder.path.parent
    assert (kept / "checkpoints" / "last.ckpt").read_bytes() == b"weights"


def test_where_a_run_is_computed_is_none_of_its_settings():
    one = "model: {lr: 0.1}\ntrainer: {devices: 1, max_epochs: 3, callbacks: [{class_path: a.RunProgress}]}"
    one += "\ndata: {corpus: x, src: en, eval_batch_tokens: 512}"
    other = "model: {lr: 0.1}\ntrainer: {devices: 8, max_epochs: 3}\ndata: {corpus: y, src: en, revision: null}"
    assert settings_of(one) == settings_of(other) == {"model.lr": 0.1, "trainer.max_epochs": 3, "data.src": "en"}


def test_other_settings_are_refused_by_name(folder):
    (folder.path / "config.yaml").write_text("model: {lr: 0.1, name: gru}")
    folder.refuse_other_settings({"model.lr": 0.1, "model.name": "gru"})
    with pytest.raises(UserError, match=r"model.lr: 0.1 → 0.2"):
        folder.refuse_other_settings({"model.lr": 0.2, "model.name": "gru"})


def test_a_run_whose_settings_are_gone_is_neither_gone_on_with_nor_read(folder):
    with pytest.raises(UserError, match=r"config.yaml is gone.* or RETRAIN=1"):
        folder.refuse_other_settings({"model.lr": 0.1})
    folder.best.touch()
    with pytest.raises(UserError, match=r"config.yaml is gone"):
        find_runs([folder.path])


@pytest.mark.parametrize("text", [b"model:\n\tname: gru", b"name: \xff", b"- model", b"a: [", b"model"])
def test_settings_that_are_damaged_are_named(folder, text):
    (folder.path / "config.yaml").write_bytes(text)
    folder.best.touch()
    for read in (run_settings, lambda path: find_runs([path])):
        with pytest.raises(UserError, match=r"config.yaml (is not YAML in UTF-8|holds (list|str); exp)"):
            read(folder.path)


def test_another_text_is_refused(folder):
    folder.results_json.write_text(json.dumps(dict.fromkeys(RESULTS) | {"corpus": {"content_hash": "a"}}))
    folder.refuse_other_text("a", "toy")
    with pytest.raises(UserError, match="another text than toy"):
        folder.refuse_other_text("b", "toy")


def test_two_processes_never_train_one_run(folder, tmp_path):
    folder.lock()
    same, another = RunFolder(tmp_path, "toy", "gru", 3), RunFolder(tmp_path, "toy", "gru", 4)
    assert "seed3 is being trained by another process; wait for it" in said_by_a_child(same.lock)
    assert said_by_a_child(another.lock) == ""


def test_what_another_process_trained_since_is_noticed(folder):
    before = folder.state()
    folder.refuse_other_state(before)
    folder.last.write_bytes(b"another one")
    os.utime(folder.last, (1, 1))
    with pytest.raises(UserError, match="trained by another process meanwhile; run the same command again"):
        folder.refuse_other_state(before)
    before = folder.state()
    folder.results_json.write_text("{}")
    with pytest.raises(UserError, match="meanwhile"):
        folder.refuse_other_state(before)


def test_other_callbacks_are_other_settings():
    one, two = "trainer: {callbacks: [{class_path: my.Own}]}", "trainer: {callbacks: []}"
    assert settings_of(one) != settings_of(two)
    stop = "{class_path: EarlyStopping, init_args: {patience: %d}}"
    several = [f"trainer: {{callbacks: [{stop % first}, {stop % second}]}}" for first, second in ((1, 3), (2, 3))]
    assert settings_of(several[0]) != settings_of(several[1])
    assert settings_of(several[0])["trainer.callbacks.2.init_args.patience"] == 3


def test_other_circumstances_are_refused_or_accepted_with_a_word(folder, capsys):
    checkpoint = {"state_dict": {}, "circumstances": {"processes": 2, "torch": "2.13"}}
    folder.refuse_other_start(checkpoint, {}, {"processes": 2, "torch": "2.13"}, inexact=False)
    now = {"processes": 1, "torch": "2.14"}
    with pytest.raises(UserError, match=r"\(processes: 2 → 1; torch: 2.13 → 2.14\).*--inexact true"):
        folder.refuse_other_start(checkpoint, {}, now, inexact=False)
    assert capsys.readouterr().out == ""
    folder.refuse_other_start(checkpoint, {}, now, inexact=True)
    assert "exactness ends here: processes: 2 → 1" in capsys.readouterr().out


def test_a_run_of_another_model_is_not_gone_on_with_even_inexactly(folder):
    checkpoint = {"state_dict": {"embedding": torch.zeros(7, 8)}, "circumstances": {}}
    with pytest.raises(UserError, match=r"embedding is \(7, 8\), expected \(9, 8\)"):
        folder.refuse_other_start(checkpoint, {"embedding": torch.zeros(9, 8)}, {}, inexact=True)


def test_a_checkpoint_for_translating_only_is_nothing_to_go_on_from(folder):
    hyper_parameters = {"name": "gru", "network": {"class_path": "x", "init_args": {}}}
    data = {"tokenizer": b"proto", "src": "en", "tgt": "de", "content_hash": "0"}
    write_checkpoint({"hyper_parameters": hyper_parameters, "state_dict": {}, "TranslationData": data}, folder.last)
    with pytest.raises(UserError, match=r"lacks global_step, loops, callbacks, .* RETRAIN=1"):
        folder.read_last()


def test_callbacks_of_another_form_are_nothing_to_go_on_from(folder):
    form = {"hyper_parameters": {"name": "gru", "network": {"class_path": "x", "init_args": {}}}, "state_dict": {}}
    data = {"tokenizer": b"proto", "src": "en", "tgt": "de", "content_hash": "0"}
    needed = dict.fromkeys(_NEEDED_TO_GO_ON, 1)
    for callbacks in ([1], {1: {}}, {"Checkpoints": 3}):
        write_checkpoint(form | needed | {"TranslationData": data, "callbacks": callbacks}, folder.last)
        with pytest.raises(UserError, match=r"last\.ckpt has callbacks that are not those of this project.*RETRAIN=1"):
            folder.read_last()


def test_finished_runs_are_found_behind_links_and_those_set_aside_are_not(tmp_path):
    for name in ("seed1", "seed1.2026-01-01"):
        (tmp_path / "disk" / "gru" / name).mkdir(parents=True)
        (tmp_path / "disk" / "gru" / name / "results.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "toy").symlink_to(tmp_path / "disk")
    assert finished_runs(tmp_path / "runs") == [tmp_path / "runs" / "toy" / "gru" / "seed1"]
