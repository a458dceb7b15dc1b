import sys
from types import SimpleNamespace

import pytest

from pipeline.callbacks.progress import RunProgress, readable_time


@pytest.mark.parametrize(
    ("seconds", "text"), [(44.6, "45 s"), (60, "1 min 0 s"), (3599.4, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_time_is_said_as_people_say_it(seconds, text):
    assert readable_time(seconds) == text


def test_a_training_without_an_end_has_a_bar_too(monkeypatch, capsys):
    endless = SimpleNamespace(
        global_step=7,
        estimated_stepping_batches=float("inf"),
        is_global_zero=True,
        callback_metrics={"loss/val": 1.0, "bleu/val": 2.0},
    )
    module, progress = SimpleNamespace(name="gru"), RunProgress()
    progress.on_train_start(endless, module)
    progress.on_validation_end(endless, module)
    assert capsys.readouterr().out == "gru: step 7 of no end, loss/val 1.000  bleu/val 2.0, unknown left\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress.on_train_start(endless, module)
    bar = progress._progress
    bar.console.print(bar.make_tasks_table(bar.tasks))
    progress.on_train_end(endless, module)
    assert "7/?" in capsys.readouterr().out
    assert not bar.live.is_started


def test_a_training_that_fails_leaves_no_bar_that_goes_on(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=9, is_global_zero=True)
    progress = RunProgress()
    progress.on_train_start(trainer, SimpleNamespace(name="gru"))
    bar = progress._progress
    assert bar.live.is_started
    progress.on_exception(trainer, None, RuntimeError())
    assert not bar.live.is_started


def test_the_time_that_is_left_is_not_told_from_steps_that_are_still_captured(capsys):
    trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=1000, is_global_zero=True)
    module = SimpleNamespace(name="gru", is_capturing=True, device=SimpleNamespace(type="cuda"))
    progress = RunProgress()
    progress.on_train_start(trainer, module)
    said = []
    for trainer.global_step in range(1, 101):
        module.is_capturing = trainer.global_step <= 50
        progress.on_train_batch_end(trainer, module)
        said += [trainer.global_step] if "on this hardware (CUDA)" in capsys.readouterr().out else []
    assert said == [80]


def train_and_validate(monkeypatch, last_step, captured):
    """Steps that take a second, and those that are `captured` 20, of 1000; then a validation."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    trainer = SimpleNamespace(
        global_step=0,
        estimated_stepping_batches=1000,
        is_global_zero=True,
        max_epochs=1,
        callback_metrics={"loss/val": 1.0, "bleu/val": 2.0},
    )
    module = SimpleNamespace(name="gru", is_capturing=False, device=SimpleNamespace(type="cuda"))
    progress = RunProgress()
    progress.on_train_start(trainer, module)
    for trainer.global_step in range(1, last_step + 1):
        module.is_capturing = trainer.global_step in captured
        now[0] += 20 if module.is_capturing else 1
        progress.on_train_batch_end(trainer, module)
    progress.on_validation_end(trainer, module)


def test_a_step_that_is_captured_late_changes_nothing_of_what_was_said(monkeypatch, capsys):
    train_and_validate(monkeypatch, last_step=900, captured={1, 300, 600, 899})
    said = capsys.readouterr().out
    assert said.count("on this hardware") == 1
    assert said.endswith("1 min 40 s left\n")


@pytest.mark.parametrize(
    ("captured", "step", "left"),
    [(50, 55, "unknown"), (50, 79, "unknown"), (50, 80, "15 min 20 s"), (0, 3, "unknown"), (0, 1000, "0 s")],
)
def test_a_validation_says_what_is_left_only_when_there_are_steps_to_tell_it_from(
    monkeypatch, capsys, captured, step, left
):
    train_and_validate(monkeypatch, step, range(1, captured + 1))
    assert capsys.readouterr().out.endswith(f"bleu/val 2.0, {left} left\n")


def test_a_training_of_few_steps_ends_with_none_left(capsys):
    trainer = SimpleNamespace(
        global_step=3,
        estimated_stepping_batches=3,
        is_global_zero=True,
        callback_metrics={"loss/val": 1.0, "bleu/val": 2.0},
    )
    progress = RunProgress()
    progress.on_validation_end(trainer, SimpleNamespace(name="gru"))
    assert capsys.readouterr().out == "gru: step 3 of 3, loss/val 1.000  bleu/val 2.0, 0 s left\n"


@pytest.mark.parametrize("rank", [0, 1])
def test_the_forecast_is_right_and_said_once_where_a_step_has_several_batches(monkeypatch, capsys, rank):
    trainer = SimpleNamespace(
        global_step=0,
        estimated_stepping_batches=1000,
        is_global_zero=rank == 0,
        max_epochs=1,
        callback_metrics={"loss/val": 1.0, "bleu/val": 2.0},
    )
    module = SimpleNamespace(name="gru", is_capturing=False, device=SimpleNamespace(type="cpu"))
    batch = 0
    monkeypatch.setattr("time.monotonic", lambda: float(batch))  # a batch takes a second
    progress = RunProgress()
    progress.on_train_start(trainer, module)
    for batch in range(1, 200):
        trainer.global_step = batch // 4
        progress.on_train_batch_end(trainer, module)
    progress.on_validation_end(trainer, module)
    said = capsys.readouterr().out
    if rank:
        assert said == ""
        return
    assert said.count("gru: about 1 h 4 min on this hardware (CPU)") == said.count("on this hardware") == 1
    assert said.endswith("1 h 3 min left\n")


@pytest.mark.parametrize(("epochs", "is_told"), [(1, False), (5, False), (53, True)])
def test_fewer_epochs_are_advised_where_there_are_more(monkeypatch, capsys, epochs, is_told):
    trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=10**6, is_global_zero=True, max_epochs=epochs)
    module = SimpleNamespace(name="gru", is_capturing=False, device=SimpleNamespace(type="cpu"))
    monkeypatch.setattr("time.monotonic", lambda: float(trainer.global_step))  # a step takes a second
    progress = RunProgress()
    progress.on_train_start(trainer, module)
    for trainer.global_step in range(1, 100):
        progress.on_train_batch_end(trainer, module)
    said = capsys.readouterr().out
    assert "on this hardware" in said
    assert ('for a quick run: CORPUS=toy, or RUNS=quick ARGS="--trainer.max_epochs 5"' in said) is is_told
