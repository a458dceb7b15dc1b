"""Recipes: which configuration files a training takes, the command that trains by them, and what it may be given."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from pipeline.data.loading import KNOWN, corpus_name
from pipeline.errors import UserError
from pipeline.settings import read_settings

CONFIGS = Path("configs")


def training_command(corpus: str, recipe: str | None, model: str, seed: int, runs_dir: str | Path) -> list[str]:
    """The command that trains `model` on `corpus` with the settings of `recipe`.

    Raises:
        UserError: There is no such model or recipe.
    """
    command = [sys.executable, "-m", "scripts.train", "fit"]
    for config in config_files(corpus, recipe, model):
        command += ["-c", str(config)]
    is_named_there = corpus in KNOWN and recipe in (None, corpus)
    command += [] if is_named_there else ["--data.corpus", corpus]
    return [*command, "--seed_everything", str(seed), "--runs_dir", str(runs_dir)]


def config_files(corpus: str, recipe: str | None, model: str) -> list[Path]:
    """What is the same for all, the corpus, the model, and what this model has of its own on this corpus.

    Without a `recipe`, a corpus that has settings of its own gets them, and any other those of `other`.

    Raises:
        UserError: There is no such model or recipe, or the model's file is not as it should be.
    """
    if recipe is None:
        name = corpus_name(corpus)
        recipe = name if name in _existing("corpus") else "other"
    files = [CONFIGS / "base.yaml", _config("corpus", recipe), _config("model", model)]
    settings = read_settings(files[-1]).get("model")
    name = settings.get("name") if isinstance(settings, dict) else None
    if name != model:
        raise UserError(f"{files[-1]} has model.name {name!r}; call it {model}, as its file: so its runs are found")
    own = CONFIGS / recipe / f"{model}.yaml"
    return [*files, own] if own.is_file() else files


def _config(kind: str, name: str) -> Path:
    existing = _existing(kind)
    if name not in existing:
        what = "recipe" if kind == "corpus" else kind
        raise UserError(f"no {what} {name!r}; there are {', '.join(existing)} (in {CONFIGS / kind})")
    return CONFIGS / kind / f"{name}.yaml"


def _existing(kind: str) -> list[str]:
    """By their listing: some file systems have Multi30k.yaml where multi30k.yaml is."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


def leaves_no_scores(arguments: Sequence[str]) -> bool:
    """Whether the options of `scripts.train` leave out the scores on the test set."""
    if only_asks(arguments):
        return True
    words = [word for argument in arguments for word in argument.split("=", 1)]
    values = dict(pairwise([*words, ""]))
    is_dev_run = bool(_value(values.get("--trainer.fast_dev_run", "false")))
    return is_dev_run or _value(values.get("--score_test", "true")) is False


def only_asks(arguments: Sequence[str]) -> bool:
    """Whether `scripts.train` would print its options instead of training; they are the same for all models."""
    return any(argument in ("-h", "--help") or argument.startswith("--print_config") for argument in arguments)


def _value(text: str) -> object:
    """What `scripts.train` reads an option as: of `false`, `no` and `off`, the same."""
    try:
        return yaml.safe_load(text.lower())
    except yaml.YAMLError:
        return text


def refuse_options_with_another_name(arguments: Sequence[str], names: Mapping[str, str]) -> None:
    """Raises UserError for an option of `scripts.train` that would part what is trained from what is looked for."""
    for argument in arguments:
        option = argument.partition("=")[0]
        if option in names:
            raise UserError(f"{option} would part training from what comes after it; use {names[option]} instead")


def refuse_twice(models: Sequence[str]) -> None:
    """Raises UserError for a model that is named twice: one run would be trained by two commands."""
    if twice := sorted({model for model in models if models.count(model) > 1}):
        raise UserError(f"{', '.join(twice)} stands twice among the models; name each once")
