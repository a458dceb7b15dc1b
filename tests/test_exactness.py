"""Runs that are stopped, or shared among processes, end as one that is neither; what cannot go on says why."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.checkpoint_file import read_checkpoint, write_checkpoint
from pipeline.data.datamodule import TranslationData
from scripts import train
from tests.commands import fit, fit_arguments, run, weights_of, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "little")


def test_a_stopped_run_goes_on_to_the_same_weights(corpus, tmp_path):
    fit(corpus, tmp_path / "whole", "gru_attention")
    # Stops in the second epoch, in mid-epoch, as a killed process would.
    stopped = tmp_path / "stopped"
    stop = ["--trainer.callbacks+", "tests.stop_at.StopAt", "--trainer.callbacks.init_args.step", "13"]
    stop += ["--alignment_maps", "true"]  # which change nothing either
    fit(corpus, stopped, "gru_attention", *stop, expect=7)
    assert not (stopped / "runs/little/gru_attention/seed1/results.json").exists()
    done = fit(corpus, stopped, "gru_attention", *stop)  # which goes on after that step
    assert "going on" in done.stdout
    for name in ("best", "last"):
        path = Path("runs/little/gru_attention/seed1/checkpoints") / f"{name}.ckpt"
        one, other = weights_of(tmp_path / "whole" / path), weights_of(stopped / path)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_that_an_added_callback_stopped_is_not_trained_on(corpus, tmp_path):
    stop = ["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "bleu/val"]
    stop += ["--trainer.callbacks.mode", "max", "--trainer.callbacks.stopping_threshold", "-1"]  # reached at once
    last = tmp_path / "runs/little/gru/seed1/checkpoints/last.ckpt"
    fit(corpus, tmp_path, "gru", *stop, "--score_test", "false")
    assert torch.load(last, weights_only=True)["global_step"] == 10
    fit(corpus, tmp_path, "gru", *stop)
    assert json.loads((last.parent.parent / "results.json").read_text())["steps"] == 10


def test_the_test_set_can_be_left_alone_and_scored_later(corpus, tmp_path):
    left = fit(corpus, tmp_path, "gru", "--score_test", "false")
    folder = tmp_path / "runs/little/gru/seed1"
    assert "best.ckpt: step" in left.stdout
    assert not (folder / "results.json").exists()
    assert not (folder / "translations.jsonl").exists()
    before = weights_of(folder / "checkpoints/last.ckpt")
    fit(corpus, tmp_path, "gru")
    assert (folder / "results.json").exists()
    after = weights_of(folder / "checkpoints/last.ckpt")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_final_scores_are_there_once_though_the_run_was_killed_before_it_was_finished(corpus, tmp_path):
    fit(corpus, tmp_path, "gru")
    folder = tmp_path / "runs/little/gru/seed1"
    (folder / "results.json").unlink()  # which is written last
    fit(corpus, tmp_path, "gru")
    curves = EventAccumulator(str(folder)).Reload()
    for tag in ("final/bleu_test", "loss/val"):
        steps = [point.step for point in curves.Scalars(tag)]
        assert steps == sorted(set(steps))


def test_a_run_that_was_stopped_early_is_not_trained_on(corpus, tmp_path):
    still = ["--model.lr", "0", "--trainer.max_epochs", "14"]  # no epoch is better than the first
    fit(corpus, tmp_path, "gru", *still, "--score_test", "false")
    last = tmp_path / "runs/little/gru/seed1/checkpoints/last.ckpt"
    checkpoint = read_checkpoint(last)
    checkpoint["progress"]["commits"].append("one after the best checkpoint")
    write_checkpoint(checkpoint, last)
    fit(corpus, tmp_path, "gru", *still)
    results = json.loads((tmp_path / "runs/little/gru/seed1/results.json").read_text())
    assert results["epochs"] == 11  # the first, and ten without a better one
    assert results["earlier_commits"] == ["one after the best checkpoint"]


def test_three_processes_train_like_one(corpus, tmp_path):
    """Global batches, the mean over their tokens, and every sentence scored once; only one process writes."""
    exact = ["--dropout", "0", "--trainer.max_epochs", "1"]
    path = Path("runs/little/gru_attention/seed1")
    weights, results = {}, {}
    for n in (1, 3):
        ddp = ["--trainer.devices", str(n), "--trainer.strategy", "ddp"] if n > 1 else []
        ddp += ["--alignment_maps", str(n == 3).lower()]
        fit(corpus, tmp_path / str(n), "gru_attention", *exact, *ddp)
        weights[n] = weights_of(tmp_path / str(n) / path / "checkpoints/last.ckpt")
        results[n] = json.loads((tmp_path / str(n) / path / "results.json").read_text())
        rows = (tmp_path / str(n) / path / "translations.jsonl").read_text().splitlines()
        assert [json.loads(row)["index"] for row in rows] == list(range(11))
        writers = {events.name.split(".")[-2] for events in (tmp_path / str(n) / path).glob("events.out.*")}
        assert len(writers) == 1  # by their process ids
    for key in weights[1]:
        torch.testing.assert_close(weights[1][key], weights[3][key], atol=2e-4, rtol=1e-3)
    for split in ("val", "test"):
        assert results[3]["nats_per_token"][split] == pytest.approx(results[1]["nats_per_token"][split], rel=1e-4)
    assert results[3]["target_tokens_seen"] == results[1]["target_tokens_seen"]


def test_when_one_process_dies_the_others_end_with_an_error_and_the_run_can_go_on(corpus, tmp_path, refuse):
    stop = ["--trainer.callbacks+", "tests.stop_at.StopAt", "--trainer.callbacks.init_args.step", "5"]
    stop += ["--trainer.callbacks.init_args.rank", "1"]
    started = time.monotonic()
    died = fit(corpus, tmp_path, "gru", *stop, "--trainer.devices", "2", "--trainer.strategy", "ddp", expect=None)
    assert died.returncode
    assert time.monotonic() - started < 600  # and not torch's 30 minutes
    last = tmp_path / "runs/little/gru/seed1/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] >= 4
    said = refuse(train.main, *fit_arguments(corpus, tmp_path, "gru", *stop))
    assert "other circumstances (processes: 2 → 1)" in said
    assert "--inexact true" in said


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step_and_sentences(corpus, tmp_path):
    poison = ["--trainer.callbacks+", "tests.stop_at.PoisonAt", "--trainer.callbacks.init_args.step", "8"]
    said = fit(corpus, tmp_path, "gru", *poison, "--trainer.log_every_n_steps", "5", expect=2).stderr
    data = TranslationData(str(corpus), vocab_size=700, batch_tokens=128, cache_dir=str(tmp_path / "cache"))
    data.setup()
    numbers = sorted(int(row) + 1 for row in data.train_dataloader().plan(epoch=0)[7])
    assert f"not finite at step 8, on the training sentences {', '.join(map(str, numbers[:8]))}" in said
    assert "the last good checkpoint is kept" in said
    kept = torch.load(tmp_path / "runs/little/gru/seed1/checkpoints/last.ckpt", weights_only=True)
    assert kept["global_step"] == 7
    assert all(weights.isfinite().all() for weights in kept["state_dict"].values())


@pytest.mark.skipif(sys.platform != "linux", reason="tests.soak needs /proc")
def test_trainings_that_are_killed_again_and_again_end_as_if_nobody_had_touched_them():
    said = run("--kills", "5", "--models", "gru_attention", "--processes", "1", module="tests.soak")
    assert "5 kills; weights, optimisers, losses, curves, translations and files are identical" in said.stdout
