"""The whole path on a small corpus, through the commands that a user types."""

import json
import re
import shutil
import signal
import sys
import time
from functools import cache, partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.backend_context import Context

from pipeline.curves import scalar_curves
from pipeline.data.loading import load_corpus
from pipeline.errors import UserError
from pipeline.evaluation.scores import score_pairs
from pipeline.metrics import SentenceScore, by_length, corpus_score, teacher_forced, translated
from pipeline.scoring import GREEDY
from pipeline.train_options import chosen_accelerator
from pipeline.translations import read_translations
from pipeline.translator import Translator
from scripts import ablate, bench, compare, train, train_all
from tests.commands import (
    FAILING,
    GRU_SIZES,
    ROOT,
    SLOW,
    SMALL,
    files_of,
    fit,
    fit_arguments,
    run,
    weights_of,
    write_corpus,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "little")


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> Path:
    """The three models trained by `train_all`, as `make train` does it; returns the folder of the corpus's runs."""
    tmp_path = tmp_path_factory.mktemp("trained")
    done = run(
        *("--corpus", str(corpus), "--runs_dir", str(tmp_path / "runs"), "--", *SMALL),
        *("--data.cache_dir", str(tmp_path / "cache"), "--alignment_maps", "true"),
        module="scripts.train_all",
    )
    (tmp_path / "output.txt").write_text(done.stdout)
    return tmp_path / "runs" / "little"


def test_make_train_leaves_results_checkpoints_and_figures_for_each_model(trained):
    for model in ("gru", "gru_attention", "transformer"):
        folder = trained / model / "seed1"
        results = json.loads((folder / "results.json").read_text())
        assert results["model"] == model
        assert results["target_tokens_seen"] > 0
        assert len(results["test"]["by_source_length"]) == 7
        assert all(results["nats_per_token"][split] > 0 for split in ("train", "val", "test"))
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {
            name + ending for name in ("best.ckpt", "last.ckpt") for ending in ("", ".sha256")
        }
        assert (folder / "config.yaml").is_file()
    assert len(list((trained / "comparison" / "seed1").glob("*.png"))) == 4


def test_the_two_gru_models_started_equal_and_all_saw_the_same_batches(trained):
    read = {
        m: json.loads((trained / m / "seed1" / "results.json").read_text())
        for m in ("gru", "gru_attention", "transformer")
    }
    assert read["gru"]["initial_weights_hash"] == read["gru_attention"]["initial_weights_hash"]
    assert read["gru"]["initial_weights_hash"] != read["transformer"]["initial_weights_hash"]
    assert len({results["batch_order_hash"] for results in read.values()}) == 1
    assert read["gru"]["parameters"] == read["gru_attention"]["parameters"]


def test_the_tags_in_tensorboard_are_the_same_for_all_models(trained):
    tags = []
    for model in ("gru", "gru_attention", "transformer"):
        events = EventAccumulator(str(trained / model / "seed1")).Reload()
        tags.append(set(events.Tags()["scalars"]))
        assert {"alignment/1", "alignment/2", "alignment/3"} <= set(events.Tags()["images"])
    assert tags[0] == tags[1] == tags[2]
    assert {"loss/train", "loss/val", "perplexity/val", "bleu/val", "lr", "gradient/norm"} <= tags[0]
    assert {"speed/tokens_per_second", "tokens_seen", "final/bleu_test"} <= tags[0]


def test_tensorboard_shows_first_what_the_runs_differ_in(trained):
    runs = EventMultiplexer().AddRunsFromDirectory(str(trained)).Reload()
    plugin = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(trained)), multiplexer=runs))
    request = RequestContext()
    found = plugin.experiment_from_metadata(request, "", True, plugin.hparams_metadata(request, ""), [])
    names = [info.name for info in found.hparam_infos]
    different = [info.name for info in found.hparam_infos if info.differs]
    assert names[: len(different)] == different
    assert {"model.name", "model.network.init_args.memory"} <= set(different)
    assert not {"data.batch_tokens", "model.lr", "dropout"} & set(different)
    assert {"data.batch_tokens", "model.lr", "dropout"} <= set(names)
    assert "final/bleu_test" in [info.name.tag for info in found.metric_infos]


def test_the_table_names_every_model(trained):
    output = (trained.parent.parent / "output.txt").read_text()
    for label in ("GRU, no attention", "GRU + attention", "Transformer"):
        assert re.search(rf"^\| {re.escape(label)} +\|", output, re.MULTILINE)
    assert "Same initial weights" in output
    assert "Same batches in the same order: all" in output


def test_a_checkpoint_alone_is_enough_to_translate(trained):
    translator = Translator.load(trained / "gru_attention" / "seed1" / "checkpoints" / "best.ckpt")
    assert len(translator.translate(["the dog sleeps .", "a cat ."])) == 2
    maps = translator.word_maps("the dog sleeps .", "der Hund schläft .")
    assert maps[0].keys == ["the", "dog", "sleeps", ".", "</s>"]
    assert maps[0].queries == ["der", "Hund", "schläft", ".", "</s>"]
    assert maps[0].weights.shape == (1, 5, 5)


def test_a_checkpoint_holds_plain_data_only(trained):
    checkpoint = torch.load(trained / "transformer" / "seed1" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["network"]["class_path"] == "pipeline.models.TransformerSeq2Seq"


def test_a_finished_run_is_reported_and_not_trained_again(corpus, trained):
    results = trained / "gru" / "seed1" / "results.json"
    before = results.stat().st_mtime_ns
    options = [
        "--data.corpus",
        str(corpus),
        "--runs_dir",
        str(trained.parent),
        "--data.cache_dir",
        str(trained.parent.parent / "cache"),
    ]
    again = [*files_of("gru"), *SMALL, *options]
    done = run("fit", *again)
    assert "is finished" in done.stdout
    assert results.stat().st_mtime_ns == before
    refused = run("fit", *again, "--model.lr", "0.5", expect=2)
    assert "model.lr: 0.002 → 0.5" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_finished_run_is_not_reported_for_another_text(corpus, trained, tmp_path, refuse):
    other = tmp_path / corpus.name
    shutil.copytree(corpus, other)
    (other / "test.jsonl").write_text('{"en": "a dog .", "de": "ein Hund ."}\n')
    folders = ["--data.corpus", str(other), "--runs_dir", str(trained.parent), "--data.cache_dir", str(tmp_path)]
    said = refuse(train.main, "fit", *files_of("gru"), *SMALL, *folders)
    assert "was trained on another text" in said


def test_retraining_keeps_the_earlier_run(corpus, tmp_path):
    fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1")
    fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1", "--retrain", "true")
    kept = sorted(path.name.split(".")[0] for path in (tmp_path / "runs/little/gru").iterdir())
    assert kept == ["seed1", "seed1"]
    one, other = (weights_of(run / "checkpoints/last.ckpt") for run in (tmp_path / "runs/little/gru").iterdir())
    assert all(torch.equal(one[key], other[key]) for key in one)  # same seed, same machine


@pytest.mark.parametrize("options", [[], ["--retrain", "true"]])
def test_a_best_checkpoint_without_a_last_one_is_kept(corpus, tmp_path, options):
    best = tmp_path / "runs/little/gru/seed1/checkpoints/best.ckpt"
    best.parent.mkdir(parents=True)
    best.write_bytes(b"somebody's")
    said = fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1", *options).stdout
    assert ("go on without RETRAIN" in said) is ("--retrain" in options)
    [kept] = (tmp_path / "runs/little/gru").glob("seed1.*")
    assert (kept / "checkpoints/best.ckpt").read_bytes() == b"somebody's"
    assert (best.parents[1] / "results.json").is_file()


def test_a_broken_checkpoint_is_not_gone_on_from(corpus, trained, tmp_path, refuse):
    runs = tmp_path / "runs"
    shutil.copytree(trained, runs / "little")
    folder = runs / "little" / "gru" / "seed1"
    (folder / "results.json").unlink()
    last = folder / "checkpoints" / "last.ckpt"
    files = [*files_of("gru"), *SMALL, "--data.corpus", str(corpus)]
    folders = ["--runs_dir", str(runs), "--data.cache_dir", str(trained.parent.parent / "cache")]
    last.write_bytes(last.read_bytes()[:-100])
    assert "last.ckpt was changed or damaged after it was written" in refuse(train.main, "fit", *files, *folders)
    last.with_name("last.ckpt.sha256").unlink()
    assert "last.ckpt is not a checkpoint of this project" in refuse(train.main, "fit", *files, *folders)
    shutil.copyfile(trained / "gru" / "seed1" / "checkpoints" / "last.ckpt", last)
    best = last.with_name("best.ckpt").rename(tmp_path / "elsewhere.ckpt")
    assert "best.ckpt is gone, which would be scored" in refuse(train.main, "fit", *files, *folders)
    best.write_bytes(best.read_bytes()[:-100])
    best.rename(last.with_name("best.ckpt"))
    assert "best.ckpt was changed or damaged after it was written" in refuse(train.main, "fit", *files, *folders)
    shutil.copyfile(trained / "gru" / "seed1" / "checkpoints" / "best.ckpt", last.with_name("best.ckpt"))
    shutil.copyfile(trained / "transformer" / "seed1" / "checkpoints" / "last.ckpt", last)
    assert "holds the weights of another model" in refuse(train.main, "fit", *files, *folders)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.corpus", "no/such/folder"], "no corpus 'no/such/folder'"),
        (["--data.src", "fr"], "no column 'fr'; it has"),
        (["--data.vocab_size", "50"], "this corpus needs at least"),
        (["--data.max_len", "1"], "raise --data.max_len"),
        (["--model.label_smoothing", "2"], "label_smoothing is 2"),
        (["--model.lr", "-0.003"], "--model.lr is -0.003; it must be at least 0"),
        (["--model.lr", ".nan"], "--model.lr is nan; it must be at least 0"),
        (["--data.batch_tokens", "0"], "--data.batch_tokens is 0; it must be at least 1"),
        (["--data.vocab_size", "-5"], "--data.vocab_size is -5; it must be from 1 to 1000000"),
        (["--seed_everything", "-1"], "--seed_everything is -1; it must be from 0 to 4294967295"),
        (["--seed_everything", "true"], "--seed_everything is True; it must be from 0 to 4294967295"),
        (["--trainer.accumulate_grad_batches", "0"], "--trainer.accumulate_grad_batches is 0; it must be at least 1"),
        (["--trainer.gradient_clip_val", "-1"], "--trainer.gradient_clip_val is -1; it must be at least 0"),
        (["--trainer.check_val_every_n_epoch", "0"], "--trainer.check_val_every_n_epoch is 0; it must be at least 1"),
        (["--trainer.val_check_interval", "0"], "--trainer.val_check_interval is 0; give a number of batches"),
        (["--trainer.devices=-1"], "does not make a trainer: "),
        (["--trainer.precision", "transformer-engine"], "does not make a trainer: "),
        (["--trainer.strategy", "ddp_fork", "--trainer.devices", "2"], "--trainer.strategy must be auto or ddp"),
        (["--trainer.max_steps", "3"], "training would end after 3 batches, before its first validation, after 10"),
        (["--trainer.check_val_every_n_epoch", "3"], "end after 20 batches, before its first validation, after 30"),
        (
            ["--trainer.check_val_every_n_epoch", "3"],
            "sooner: --trainer.val_check_interval 10 --trainer.check_val_every_n_epoch 1",
        ),
        (
            ["--trainer.max_epochs", "0"],
            "before its first validation, after 10, and nothing would be kept to score; train longer",
        ),
        (["--trainer.num_sanity_val_steps", "2"], "--trainer.num_sanity_val_steps is 2; it must be 0"),
        (["--seed_every", "3"], "seed_every"),
        (["--trainer.val_check_interval", "500"], "--trainer.val_check_interval is 500, but an epoch has 10 batches"),
        (
            ["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "bleu"],
            "EarlyStopping monitors 'bleu'; there are loss/val, perplexity/val, accuracy/val, bleu/val",
        ),
        (["--model.network.init_args.memory", "first"], "memory"),
        (["--model.network.init_args.d_modle", "8"], "d_modle"),
        (["--model.network", "pipeline.models.LSTMSeq2Seq"], "LSTMSeq2Seq"),
        (["--dropout", "1.5"], "--dropout is 1.5; it must be at least 0 and less than 1"),
        (["--dropout", "1"], "--dropout is 1.0; it must be at least 0 and less than 1"),
        (["--model.name", "My GRU"], "--model.name calls its model 'My GRU'; expected a word"),
        (["--model.name", ".."], "--model.name calls its model '..'; expected a word"),
        (
            ["--model.network.init_args.embedding_scale", "0"],
            "size 8 and scale 0; both must be above 0",
        ),
        (["--model.network.init_args.d_embed", "-3"], "both must be above 0"),
        (
            ["--model.network=pipeline.claims.variants.UniformGRU"],
            "variants.UniformGRU, and checkpoints of models that",
        ),
    ],
)
def test_bad_input_is_refused_before_training_and_leaves_no_run(corpus, tmp_path, refuse, options, message):
    folders = ["--data.corpus", str(corpus), "--data.cache_dir", str(tmp_path / "cache")]
    files = [*files_of("gru"), *SMALL, *GRU_SIZES, *folders]
    said = refuse(train.main, "fit", *files, "--runs_dir", str(tmp_path / "runs"), *options)
    assert message in said
    assert "Traceback" not in said
    assert not list((tmp_path / "runs").rglob("*"))


def test_a_fast_dev_run_trains_and_leaves_nothing(corpus, tmp_path):
    fit(corpus, tmp_path, "transformer", "--trainer.fast_dev_run", "true")
    assert not list(tmp_path.rglob("*.ckpt")) + list(tmp_path.rglob("results.json"))


@pytest.mark.parametrize("has_cuda", [False, True])
def test_a_gpu_is_used_where_it_has_cuda_and_no_other(has_cuda, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert chosen_accelerator("auto") == ("cuda" if has_cuda else "cpu")
    assert chosen_accelerator("cpu") == "cpu"
    with pytest.raises(UserError, match="mps is not taken"):
        chosen_accelerator("mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_at_once(corpus, tmp_path, refuse):
    assert "finds no GPU" in refuse(
        train.main, *fit_arguments(corpus, tmp_path, "gru", "--trainer.accelerator", "cuda")
    )


def test_models_can_be_trained_side_by_side(corpus, tmp_path):
    side_by_side = ["--corpus", str(corpus), "--runs_dir", str(tmp_path / "runs"), "--jobs", "2"]
    small = [*SMALL, "--data.cache_dir", str(tmp_path / "cache")]
    done = run(*side_by_side, "--models", "gru gru_attention", "--", *small, module="scripts.train_all")
    assert "Training 2 models, 2 at once." in done.stdout
    little = tmp_path / "runs" / "little"
    for model in ("gru", "gru_attention"):
        assert f"-c configs/model/{model}.yaml" in done.stdout
        assert (little / model / "seed1" / "results.json").is_file()
    assert (little / "comparison" / "seed1" / "length.png").is_file()


def test_a_training_learns_at_the_rate_of_each_step_and_its_best_weights_are_what_is_scored(corpus, tmp_path):
    large = ["--model.network.init_args.d_embed", "32", "--model.network.init_args.d_model", "64"]
    large += ["--model.network.init_args.embedding_scale", "1"]  # soon overfits
    options = ["--trainer.max_epochs", "12", "--model.lr", "0.03", "--model.warmup_steps", "10"]
    fit(corpus, tmp_path, "gru_attention", *large, *options)
    folder = tmp_path / "runs/little/gru_attention/seed1"
    curves = scalar_curves(folder, ("loss/train", "loss/val", "bleu/val", "lr"))
    steps, rates = zip(*curves["lr"], strict=True)
    assert steps == tuple(range(1, steps[-1] + 1))
    falling = [0.03 * (steps[-1] - step) / (steps[-1] - 10) for step in range(10, steps[-1])]
    assert rates == pytest.approx([*(0.003 * step for step in range(1, 11)), *falling], abs=1e-6)
    losses = [value for _, value in curves["loss/train"]]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])

    results = json.loads((folder / "results.json").read_text())
    best_step, lowest = min(curves["loss/val"], key=lambda point: point[1])
    assert best_step < steps[-1]  # or the last weights could not be told from the best
    assert results["best_step"] == best_step
    assert results["nats_per_token"]["val"] == pytest.approx(lowest, abs=1e-3)
    text = load_corpus(str(corpus), "en", "de", tmp_path)
    best = Translator.load(folder / "checkpoints" / "best.ckpt")
    scores = score_pairs(best, text.test, GREEDY)
    assert results["nats_per_token"]["test"] == pytest.approx(teacher_forced(scores).nats_per_token, abs=1e-4)
    rows = read_translations(folder / "translations.jsonl")
    assert [row["hypothesis"] for row in rows] == [score.hypothesis for score in scores]

    sources, references = [pair.src for pair in text.test], [pair.tgt for pair in text.test]
    free = translated([score.hypothesis for score in scores], references)
    assert free.bleu > 0
    assert {name: results["test"][name] for name in free._fields} == free._asdict()
    kept = [SentenceScore(*(row[name] for name in SentenceScore._fields)) for row in rows]
    bands = [band._asdict() for band in by_length(kept, sources, references)]
    assert results["test"]["by_source_length"] == bands
    validated = [score.hypothesis for score in score_pairs(best, text.val, GREEDY)]
    bleu = corpus_score("bleu", validated, [pair.tgt for pair in text.val])
    assert bleu > 0
    assert dict(curves["bleu/val"])[best_step] == pytest.approx(bleu, rel=1e-4)


def test_a_training_without_maps_is_deterministic_and_does_not_pay_for_overwriting_new_memory(corpus, tmp_path):
    seen = ["--trainer.callbacks+", "tests.stop_at.InDeterministicMode"]
    fit(corpus, tmp_path, "gru_attention", "--trainer.max_epochs", "1", *seen)  # maps are left out by all runs here
    events = EventAccumulator(str(tmp_path / "runs/little/gru_attention/seed1"), size_guidance={"images": 0})
    tags = events.Reload().Tags()
    assert tags["images"] == []
    assert "loss/val" in tags["scalars"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--trainer.gradient_clip_algorithm=value", "gradients are clipped by norm"),
        ("--trainer.max_time=00:00:10:00", "no run could be repeated; give --trainer.max_epochs"),
        ("--weights_only=true", "--weights_only is not taken"),
        ("--trainer.limit_train_batches=1", "for a short training use --trainer.max_steps"),
        ("--trainer.limit_train_batches=0.5", "for a short training use --trainer.max_steps"),
        ("--trainer.overfit_batches=1", "for few sentences a smaller corpus"),
        ("--trainer.limit_val_batches=0", "scores are of all sentences"),
        ("--trainer.limit_test_batches=2", "scores are of all sentences"),
        ("--trainer.default_root_dir=elsewhere", "a run is kept under --runs_dir"),
        ("--trainer.profiler=simple", "make bench says where the time goes"),
        ("--trainer.callbacks=null", "lacks pipeline.callbacks.Checkpoints"),
        ("--trainer.plugins=null", "lacks pipeline.callbacks.AtomicCheckpointIO"),
        ("--trainer.plugins=pytorch_lightning.plugins.io.TorchCheckpointIO", "to add to that, write plugins+"),
    ],
)
def test_options_of_lightning_that_would_not_do_what_they_say_are_refused(corpus, tmp_path, refuse, option, said):
    assert said in refuse(train.main, *fit_arguments(corpus, tmp_path, "gru", option))


def test_a_home_that_the_shell_left_as_a_tilde_is_found(corpus, tmp_path, refuse, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    place = fit_arguments(corpus, tmp_path, "gru", "--runs_dir", "~/runs")
    last = tmp_path / "runs/little/gru/seed1/checkpoints/last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(b"somebody's")
    assert str(last.parents[1]) in refuse(train.main, *place)  # not gone on from: it was found
    for script in (train_all, ablate, bench):
        given = ["--runs_dir=~/runs"] + (["--corpus=toy"] if script is ablate else [])
        assert script._parser().parse_args(given).runs_dir == tmp_path / "runs"


def test_a_dollar_in_the_place_of_a_run_which_lightning_would_replace_is_refused(corpus, tmp_path, refuse):
    said = refuse(train.main, *fit_arguments(corpus, tmp_path, "gru", "--runs_dir", str(tmp_path / "$HOME")))
    assert "give a --runs_dir (RUNS) and a corpus without $" in said
    assert not list(tmp_path.iterdir())


def test_one_callback_in_the_place_of_all_is_refused(corpus, tmp_path, refuse):
    said = refuse(
        train.main, *fit_arguments(corpus, tmp_path, "gru", "--trainer.callbacks=pipeline.callbacks.MemoryAdvice")
    )
    assert "to add one, --trainer.callbacks+" in said


def test_an_unknown_model_is_named_with_those_that_exist(tmp_path, refuse):
    said = refuse(train_all.main, "--corpus", "toy", "--models", "gru lstm", "--runs_dir", str(tmp_path))
    assert "no model 'lstm'; there are gru, gru_attention, gru_attention_both, gru_mean, transformer" in said


@pytest.mark.parametrize("option", ["--runs_dir", "--seed_everything", "--data.corpus", "--model.name"])
def test_what_the_makefile_has_a_name_for_is_not_taken_among_the_args(tmp_path, refuse, option):
    said = refuse(train_all.main, "--corpus", "toy", "--runs_dir", str(tmp_path), "--", option, "x")
    assert f"{option} would part training from what comes after it; use " in said


def test_figures_are_not_written_over_the_curves_of_a_run(tmp_path, refuse):
    (tmp_path / "config.yaml").touch()
    (tmp_path / "events.out.tfevents.1").touch()
    assert "is the folder of a run" in refuse(compare.main, str(tmp_path), "--out", str(tmp_path))
    assert (tmp_path / "events.out.tfevents.1").is_file()


def test_a_model_that_is_named_twice_is_an_error(tmp_path, refuse):
    given = ["--corpus", "no/such/corpus", "--models", "gru transformer gru", "--runs_dir", str(tmp_path)]
    for script in (train_all, ablate):
        assert "gru stands twice among the models" in refuse(script.main, *given)


@pytest.mark.parametrize(
    ("options", "advice"), [([], "command goes on"), (["--retrain=true"], "without RETRAIN goes on")]
)
def test_ctrl_c_ends_as_in_every_other_command_and_says_what_to_do(options, advice, monkeypatch, capsys):
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:  # as Lightning does
            sys.exit(1)

    monkeypatch.setattr(sys, "argv", ["train", *options])
    monkeypatch.setattr(train, "TranslationCLI", interrupted)
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 130
    assert advice in capsys.readouterr().err


def test_a_training_that_a_queue_ends_does_not_look_as_if_it_had_succeeded(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])
    monkeypatch.setattr(train, "TranslationCLI", Mock(side_effect=SIGTERMException))
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 128 + signal.SIGTERM


def test_several_trainings_that_are_tasks_of_one_job_each_leave_all_that_a_run_has(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    said = fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1").stdout
    run_folder = tmp_path / "runs/little/gru/seed1"
    assert "loss/val" in scalar_curves(run_folder, ["loss/val"])
    assert (run_folder / "results.json").is_file()
    assert "nats/token" in said
    assert "is finished" in fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1").stdout


def test_a_job_with_more_tasks_than_the_training_has_processes_is_refused(corpus, tmp_path, monkeypatch, refuse):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "training")
    said = refuse(train.main, *fit_arguments(corpus, tmp_path, "gru"))
    assert "does not make a trainer: You set `--ntasks=2` in your SLURM" in said


def test_no_models_is_an_error(tmp_path, refuse):
    assert "no models are named" in refuse(
        train_all.main, "--corpus", "toy", "--models", " ", "--runs_dir", str(tmp_path)
    )


def test_a_mistake_beside_retrain_leaves_the_finished_run_where_it_is(corpus, trained, refuse):
    folders = ["--data.corpus", str(corpus), "--runs_dir", str(trained.parent), "--data.src", "xx"]
    files = [*files_of("gru"), *SMALL, *folders]
    assert "no column 'xx'" in refuse(train.main, "fit", *files, "--retrain", "true")
    assert (trained / "gru" / "seed1" / "results.json").is_file()


def test_left_out_pairs_and_a_small_vocabulary_are_said(corpus, tmp_path):
    said = fit(
        corpus, tmp_path, "gru", "--trainer.fast_dev_run", "true", "--data.max_len", "8", "--data.vocab_size", "5000"
    )
    assert re.search(r"\d+ of 60 training pairs are longer than 8 pieces", said.stdout)
    assert re.search(r"the corpus holds \d+ pieces, fewer than vocab_size 5000", said.stdout)


@pytest.fixture(scope="module")
def loss_of(corpus, tmp_path_factory):
    """The validation loss after an epoch in this process, by model, precision and path; each is trained once."""

    @cache
    def loss_of(model: str, precision: str, fast: str) -> float:
        folder = tmp_path_factory.mktemp("precisions")
        more = ("--trainer.precision", precision, "--model.fast", fast, "--dropout", "0", "--trainer.max_epochs", "1")
        words = fit_arguments(corpus, folder, model, *more, "--score_test", "false")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", ["train", *words])
            train.main()
        [(_, loss)] = scalar_curves(folder / "runs/little" / model / "seed1", ("loss/val",))["loss/val"]
        return loss

    return loss_of


@pytest.mark.parametrize(
    ("model", "precision", "fast"),
    [
        ("gru_attention", "bf16-mixed", "false"),
        ("transformer", "bf16-mixed", "true"),
        ("transformer", "bf16-true", "false"),
        ("gru_attention", "bf16-true", "true"),
        ("gru_attention", "64-true", "false"),
        ("transformer", "64-true", "true"),
    ],
)
def test_every_precision_trains_to_about_the_same_loss(loss_of, model, precision, fast):
    expected = loss_of(model, "32-true", "false")
    assert loss_of(model, precision, fast) == pytest.approx(expected, rel=1e-4 if precision == "64-true" else 0.006)


def test_with_batches_accumulated_each_line_of_the_log_is_of_whole_steps(corpus, tmp_path):
    more = ("--trainer.accumulate_grad_batches", "2", "--trainer.log_every_n_steps", "2", "--trainer.max_steps", "6")
    fit(corpus, tmp_path, "gru", *more)
    events = EventAccumulator(str(tmp_path / "runs/little/gru/seed1"))
    events.Reload()
    steps = [event.step for event in events.Scalars("loss/train")]  # of every second one, and before a validation
    assert steps == sorted(set(steps))
    assert {2, 4, 6} <= set(steps)
    assert all(event.value > 0 for event in events.Scalars("gradient/norm"))


def test_a_validation_by_the_clock_is_refused(corpus, tmp_path, refuse):
    every_ten_minutes = ("--trainer.val_check_interval", "00:00:10:00")
    said = refuse(train.main, *fit_arguments(corpus, tmp_path, "gru", *every_ten_minutes))
    assert "val_check_interval is a time, so that no run could be repeated" in said


def test_an_unknown_corpus_is_named_before_anything_is_trained(tmp_path, refuse):
    said = refuse(train_all.main, "--corpus", "no/such/corpus", "--runs_dir", str(tmp_path))
    assert "it is neither a folder nor one of: toy" in said


def test_a_seed_is_of_weights_batches_and_dropout(tmp_path):
    corpus = write_corpus(tmp_path / "little")
    for seed in ("1", "2"):
        fit(corpus, tmp_path, "gru", "--trainer.max_epochs", "1", "--seed_everything", seed)
    one, other = (json.loads((tmp_path / f"runs/little/gru/seed{s}/results.json").read_text()) for s in (1, 2))
    assert (one["seed"], other["seed"]) == (1, 2)  # that of the dropout masks
    for key in ("initial_weights_hash", "batch_order_hash"):
        assert one[key] != other[key]


def test_a_training_that_fails_ends_those_beside_it():
    started = time.monotonic()
    with pytest.raises(SystemExit, match=r"^3$"):
        train_all._side_by_side([SLOW, FAILING], 2)
    assert time.monotonic() - started < 60


def test_a_training_that_fails_is_the_last(tmp_path):
    next_one = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(tmp_path / "trained")]
    with pytest.raises(SystemExit, match=r"^3$"):
        train_all._one_after_the_other([FAILING, next_one])
    assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_training_that_the_system_kills_is_named_with_what_it_may_have_lacked(jobs):
    command = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    train_them = train_all._one_after_the_other if jobs == 1 else partial(train_all._side_by_side, jobs=jobs)
    with pytest.raises(
        UserError, match=r"was ended by SIGKILL \(as .* memory runs out: give fewer JOBS.*; the same command goes on"
    ):
        train_them([command] * jobs)


def test_runs_of_one_model_and_seed_are_told_apart_and_other_tokens_are_said(corpus, tmp_path, capsys, monkeypatch):
    for folder, size in (("one", "700"), ("other", "650")):
        (tmp_path / folder).mkdir()
        fit(corpus, tmp_path / folder, "gru", "--trainer.max_epochs", "1", "--data.vocab_size", size)
    runs = [tmp_path / folder / "runs/little/gru/seed1" for folder in ("one", "other")]
    compare.compare([runs[0]], tmp_path / "figures")
    assert "do not compare" not in capsys.readouterr().out
    compare.compare(runs, tmp_path / "figures")
    said = capsys.readouterr().out
    assert "cut words into different tokens: nats/token and tokens right do not compare" in said
    assert all(f"GRU, no attention, seed 1 ({folder})" in said for folder in ("one", "other"))
