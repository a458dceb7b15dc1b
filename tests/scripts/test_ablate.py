"""A recipe and the same without one part each: trained, scored on validation, compared."""

import json
import shutil
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml

from pipeline import ablation, recipes
from pipeline.ablation import Ablation, Training
from pipeline.ablation_table import WHOLE
from pipeline.errors import UserError
from pipeline.run_folder import RunFolder
from pipeline.scoring import GREEDY
from scripts import ablate
from tests.commands import FAILING, ROOT, SLOW, run, write_corpus

RECIPE = {
    "dropout": 0.1,
    "data": {"vocab_size": 500, "batch_tokens": 128},
    "model": {"label_smoothing": 0.1},
    "trainer": {"accelerator": "cpu"},
}
SIZES = {"model": {"network": {"init_args": {"d_embed": 8, "d_model": 12}}}}
PARTS = {
    "smoothing": {"without": "no label smoothing", "options": {"model.label_smoothing": 0.0}},
    "pieces": {"without": "more pieces", "options": {"data.vocab_size": 520}, "models": ["gru"]},
}


@pytest.fixture
def configs(tmp_path, monkeypatch) -> Path:
    """A folder of settings with a recipe for a little corpus, in the place of the project's own."""
    folder = tmp_path / "configs"
    for name in ("corpus", "little"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(ROOT / "configs" / "base.yaml", folder / "base.yaml")
    shutil.copytree(ROOT / "configs" / "model", folder / "model")
    (folder / "corpus" / "little.yaml").write_text(yaml.safe_dump(RECIPE))
    for model in ("gru", "gru_attention"):
        (folder / "little" / f"{model}.yaml").write_text(yaml.safe_dump(SIZES))
    (folder / "little" / "ablation.yaml").write_text(yaml.safe_dump(PARTS, sort_keys=False))
    for module in (recipes, ablation):
        monkeypatch.setattr(module, "CONFIGS", folder)
    monkeypatch.chdir(ROOT)
    return folder


@pytest.fixture
def quick_start(monkeypatch) -> None:
    """Trainings start without waiting for libraries, one at a time; how else they run, test_children tests."""
    lock = threading.Lock()

    def start(self, command, environment, echo):
        python, dash_m, module, *arguments = command
        assert (python, dash_m) == (sys.executable, "-m")
        with lock:
            done = run(*arguments, module=module, expect=None)
        return done.returncode, done.stdout + done.stderr

    monkeypatch.setattr("pipeline.children.Children.run", start)


def arguments(tmp_path: Path, *more: str) -> list[str]:
    given = {
        "corpus": tmp_path / "little",
        "recipe": "little",
        "models": "gru",
        "epochs": 1,
        "runs_dir": tmp_path / "r",
    }
    return [*(f"--{name}={value}" for name, value in given.items()), "--beam=2", *more]


def test_every_model_is_scored_with_the_recipe_and_without_each_part(
    tmp_path, configs, quick_start, monkeypatch, capsys
):
    write_corpus(tmp_path / "little")
    out = tmp_path / "out.json"
    more = (f"--out={out}", "--jobs=2", "--", f"--data.cache_dir={tmp_path / 'cache'}")
    monkeypatch.setattr("sys.argv", ["ablate", *arguments(tmp_path, *more)])
    ablate.main()
    content = json.loads(out.read_text())
    assert list(content["parts"]) == [WHOLE, "smoothing", "pieces"]
    of_gru = content["models"]["gru"]
    assert content["settings"] == RECIPE
    assert content["settings_of_models"] == {"gru": SIZES, "gru_attention": SIZES}
    assert of_gru["provenance"]["command"].startswith("python -m scripts.ablate --corpus=")
    assert content["arguments"] == [f"--data.cache_dir={tmp_path / 'cache'}"]
    compares = {
        d["ours"]: d["nats_per_token"] is not None for d in of_gru["scores"]["differences"] if d["theirs"] == WHOLE
    }
    assert compares == {"smoothing": True, "pieces": False}  # of other pieces, nats per token are another thing

    # Scores are those of the checkpoints that lie there, on validation, as training measured them.
    runs = {part: RunFolder(tmp_path / "r" / part, "little", "gru", 1) for part in content["parts"]}
    for part, values in of_gru["scores"]["models"].items():
        assert values["nats_per_token"]["value"] == pytest.approx(runs[part].best_step_and_loss()[1], rel=1e-5)
    checkpoints = {part: run.best for part, run in runs.items()}
    settings = {
        part: yaml.safe_load((path.parent.parent / "config.yaml").read_text()) for part, path in checkpoints.items()
    }
    assert [settings[part]["model"]["label_smoothing"] for part in content["parts"]] == [0.1, 0.0, 0.1]
    assert not list((tmp_path / "r").rglob("results.json"))  # the test set was left alone
    assert "no label smoothing" in capsys.readouterr().out

    before = {path: path.stat().st_mtime_ns for path in checkpoints.values()}
    ablate.main()
    assert {path: path.stat().st_mtime_ns for path in checkpoints.values()} == before


def test_scores_of_other_models_are_not_written_over(tmp_path, configs, refuse):
    write_corpus(tmp_path / "little")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "ablation.json").write_text(
        '{"corpus": {"name": "little"}, "models": {"gru": {}, "lstm": {}}, "parts": {"tying": {}}}'
    )
    assert "r/ablation.json has lstm, tying as well; publish and remove it" in refuse(ablate.main, *arguments(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "(seed: 2, not 1)"),
        ({"corpus": {"name": "large"}, "epochs": 9}, "(corpus: large, not little; epochs: 9, not 1)"),
        ({"search": {"beam": 5, "alpha": 1.0}}, "(search: {'beam': 5, 'alpha': 1.0}, not {'beam': 2, 'alpha': 1.0})"),
        ({"arguments": ["--model.lr=1"]}, "(arguments: ['--model.lr=1'], not [])"),
    ],
)
def test_scores_of_another_ablation_are_not_written_over(tmp_path, configs, refuse, monkeypatch, change, message):
    write_corpus(tmp_path / "little")
    (tmp_path / "r").mkdir()
    how = {"recipe": "little", "arguments": [], "epochs": 1, "seed": 1, "search": {"beam": 2, "alpha": 1.0}}
    there = {"corpus": {"name": "little"}, "models": {"gru": {}}, "parts": {WHOLE: {}}, **how}
    (tmp_path / "r" / "ablation.json").write_text(json.dumps(there | change))
    assert f"r/ablation.json is another ablation's {message}; publish" in refuse(ablate.main, *arguments(tmp_path))
    (tmp_path / "r" / "ablation.json").write_text(json.dumps(there))
    monkeypatch.setattr(ablate, "_train", Mock(side_effect=UserError("trains")))
    assert "trains" in refuse(ablate.main, *arguments(tmp_path))


def test_scores_that_came_while_it_trained_are_not_written_over(tmp_path, configs, refuse, monkeypatch):
    write_corpus(tmp_path / "little")
    out = tmp_path / "r" / "ablation.json"

    def train(wanted, jobs):
        out.parent.mkdir(exist_ok=True)
        out.write_text('{"corpus": {"name": "little"}, "models": {"transformer": {}}, "parts": {}}')

    monkeypatch.setattr(ablate, "_train", train)
    monkeypatch.setattr(Ablation, "content", lambda *_: {})
    assert "has transformer as well" in refuse(ablate.main, *arguments(tmp_path))
    assert "transformer" in out.read_text()


def test_scores_are_not_written_to_a_folder(tmp_path, configs, refuse):
    write_corpus(tmp_path / "little")
    said = refuse(ablate.main, *arguments(tmp_path, f"--out={tmp_path}"))
    assert f"--out {tmp_path} is a folder; name a file in it, as {tmp_path}/ablation.json" in said


def test_no_models_is_an_error(tmp_path, configs, refuse):
    assert "no models are named" in refuse(ablate.main, *arguments(tmp_path, "--models", " "))


def test_a_training_that_fails_is_shown(tmp_path, configs, quick_start, refuse):
    write_corpus(tmp_path / "little")
    assert "no training pair has both sides within 1 pieces" in refuse(
        ablate.main, *arguments(tmp_path, "--", "--data.max_len=1")
    )


def test_a_training_that_fails_ends_those_beside_it(tmp_path, configs, monkeypatch, refuse):
    trainings = [Training("gru", None, command, None) for command in (SLOW, FAILING)]
    monkeypatch.setattr(Ablation, "trainings", lambda *_: trainings)
    started = time.monotonic()
    assert "it failed" in refuse(ablate.main, *arguments(tmp_path, "--jobs=2"))
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "ablation.yaml is not there: it says which parts the recipe 'little' has"),
        ("smoothing: {with: this}", "smoothing is {'with': 'this'}; expected"),
        ("smoothing:", "smoothing is None; expected"),
        ("smoothing: {without: it, options: }", "smoothing is {'without': 'it', 'options': None}; expected"),
        ("smoothing: {without: it, options: {dropout: 0}, models: gru}", "'models': 'gru'}; expected"),
        ("smoothing: {without: it, options: {dropout: 0}, models: [grue]}", "'models': ['grue']}; expected"),
        ("whole: {without: it, options: {dropout: 0}}", "expected a name but 'whole'"),
        ("no: {without: it, options: {dropout: 0}}", "ablation.yaml: False is {"),
        ("1: {without: it, options: {dropout: 0}}", "ablation.yaml: 1 is {"),
        ("../x: {without: it, options: {dropout: 0}}", "expected a name but 'whole', a plain word"),
        ("- smoothing", "ablation.yaml holds list; expected settings by name"),
        ("smoothing: {", "is not YAML"),
    ],
)
def test_a_recipe_without_usable_parts_is_an_error(tmp_path, configs, refuse, text, message):
    path = configs / "little" / "ablation.yaml"
    path.write_text(text) if text else path.unlink()
    assert message in refuse(ablate.main, *arguments(tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--epochs=0"], "--epochs is 0; it must be at least 1"),
        (["--jobs=0"], "--jobs is 0; it must be at least 1"),
        (["--recipe=none"], "none/ablation.yaml is not there"),
        (["--models=gru lstm"], "no model 'lstm'"),
        (
            ["--", "--trainer.max_epochs=3"],
            "--trainer.max_epochs would part training from what comes after it; use --epochs",
        ),
    ],
)
def test_a_wrong_option_is_an_error_before_anything_is_trained(tmp_path, configs, refuse, given, message):
    write_corpus(tmp_path / "little")
    assert message in refuse(ablate.main, *arguments(tmp_path, *given))
    assert not (tmp_path / "r").exists()


def test_a_part_is_left_out_whatever_is_given_for_all(tmp_path, configs):
    of_gru = Ablation("little", "little", ["gru"], 1, 1, GREEDY, ["--model.label_smoothing=0.3"])
    commands = {training.part.name: training.command for training in of_gru.trainings(tmp_path)}
    last = {part: [a for a in c if a.startswith("--model.label_smoothing=")][-1] for part, c in commands.items()}
    assert last["smoothing"] == "--model.label_smoothing=0.0"
    assert last["pieces"] == last[WHOLE] == "--model.label_smoothing=0.3"
