import inspect
import subprocess
from types import SimpleNamespace

import pytest
import torch

from pipeline import task
from pipeline.circumstances import circumstances, commit, differences, limit_threads
from pipeline.provenance import provenance
from scripts import ablate, align, compare, evaluate, explorer, train, train_all, translate
from tests.conftest import make_network


def test_what_differs_is_named_and_what_was_not_written_down_is_not_held_against_a_run():
    now = circumstances(2, torch.device("cpu"))
    assert differences(now, now) == []
    assert differences(now | {"processes": 1, "torch": "1.0"}, now) == [
        "processes: 1 → 2",
        f"torch: 1.0 → {'.'.join(torch.__version__.split('.')[:2])}",
    ]
    assert differences({}, now) == []


def test_the_commit_stays_that_of_the_code_which_was_loaded(monkeypatch):
    loaded = commit()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="another"))
    assert commit() == loaded != "another"


def test_changes_are_seen_where_the_project_is_a_folder_of_a_larger_repository(monkeypatch, tmp_path):
    module = tmp_path / "course" / "laboratory" / "pipeline" / "circumstances.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr("pipeline.circumstances.__file__", str(module))
    assert "+" not in commit.__wrapped__()
    module.write_text("# changed")
    assert commit.__wrapped__().endswith("+changes")


def test_a_run_remembers_each_commit_that_trained_it_also_when_it_goes_on(monkeypatch):
    def start(at: str, checkpoint: dict | None) -> dict:
        monkeypatch.setattr(task, "commit", lambda: at)
        run = task.TranslationTask(make_network("gru"), name="gru")
        run._trainer = SimpleNamespace(
            world_size=1, precision_plugin=None, global_step=0, log_every_n_steps=1, logger=None
        )
        if checkpoint:
            run.on_load_checkpoint(checkpoint)
        run.on_train_start()
        run.on_save_checkpoint(saved := {})
        return saved

    first = start("a", None)
    again = start("a", first)
    assert start("b", again)["progress"]["commits"] == ["a", "b"]


def test_a_command_is_kept_without_the_folders_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "sys.argv",
        ["x", "../a/seed1", "--corpus", f"{tmp_path}/texts", f"--corpus={tmp_path}/texts", "--model.lr=1e-3"],
    )
    assert provenance("x")["command"] == "python -m x …/seed1 --corpus …/texts --corpus=…/texts --model.lr=1e-3"


def test_a_command_can_be_given_again(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "--models", "gru transformer", "--corpus", "말뭉치"])
    assert provenance("x")["command"] == "python -m x --models 'gru transformer' --corpus 말뭉치"


@pytest.mark.parametrize(("own", "quota", "used"), [(8, 2, 2), (2, 8, 2)])
def test_no_more_threads_are_used_than_a_container_may(own, quota, used, monkeypatch):
    asked = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("torch.get_num_threads", lambda: own)
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    monkeypatch.setattr("pipeline.circumstances.num_processors", lambda: quota)
    limit_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    limit_threads()
    assert asked == [used]


class LimitedError(Exception):
    """The threads were limited, and nothing had failed before."""


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        # claims, bench and soak set a number of their own.
        (ablate, ["--corpus", "none"]),
        (align, ["none", "--sentence", "none"]),
        (compare, ["none"]),
        (evaluate, ["none"]),
        (explorer, ["none"]),
        (train, ["fit"]),
        (train_all, ["--corpus", "none"]),
        (translate, ["none"]),
    ],
    ids=lambda part: part.__name__ if inspect.ismodule(part) else "",
)
def test_commands_that_use_as_many_threads_as_they_may_limit_them_first(command, arguments, monkeypatch):
    def limit():
        raise LimitedError

    monkeypatch.setattr(command, "limit_threads", limit)
    monkeypatch.setattr("sys.argv", [command.__name__, *arguments])
    with pytest.raises(LimitedError):
        command.main()
