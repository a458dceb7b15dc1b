"""Trains the three models on one corpus, then compares them: what `make train` runs.

Each training is a command of its own, printed before it starts, so that it can be repeated alone. They run one after
the other, or with --jobs side by side.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from pipeline.children import side_by_side
from pipeline.data.loading import KNOWN, choose_corpus, corpus_name
from pipeline.errors import UserError, exit_on_error
from pipeline.settings import read_settings
from scripts.compare import compare

CONFIGS = Path("configs")
# What is not taken in ARGS, and what it is called there.
_OWN_OPTIONS = {
    "--runs_dir": "RUNS",
    "--seed_everything": "SEED",
    "--data.corpus": "CORPUS",
    "--retrain": "RETRAIN",
    "--model.name": "a file of that name in configs/model, and MODELS",
}


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        train_all(options)


def train_all(options: argparse.Namespace) -> None:
    """Trains, then prints the table and writes the figures.

    Raises:
        UserError: A model or the corpus does not exist, or a model is named twice.
    """
    corpus = options.corpus
    if corpus == "auto":
        corpus, why = choose_corpus()
        print(f"CORPUS=auto is {corpus}: {why}")
    models = options.models.split()
    refuse_options_with_another_name(options.arguments, _OWN_OPTIONS)
    if options.jobs < 1:
        raise UserError(f"--jobs is {options.jobs}; it must be at least 1")
    if not models:
        raise UserError('no models are named; for instance MODELS="gru gru_attention transformer"')
    refuse_twice(models)
    commands = [training_command(corpus, options.recipe, model, options.seed, options.runs_dir) for model in models]
    for command in commands:
        command += ["--retrain", "true"] if options.retrain else []
        command += options.arguments
    if _only_asks(options.arguments):
        commands = commands[:1]
    if options.jobs == 1:
        _one_after_the_other(commands)
    else:
        _side_by_side(commands, options.jobs)
    if leaves_no_scores(options.arguments):
        return
    folder = Path(options.runs_dir) / corpus_name(corpus)
    compare([folder / model / f"seed{options.seed}" for model in models], folder / "comparison" / f"seed{options.seed}")
    print("\nLook next: make report (one page with everything, to open in a browser),")
    print("           make tensorboard (curves under TIME SERIES, alignment maps under IMAGES)")


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
        recipe = name if (CONFIGS / "corpus" / f"{name}.yaml").is_file() else "other"
    files = [CONFIGS / "base.yaml", _config("corpus", recipe), _config("model", model)]
    settings = read_settings(files[-1]).get("model")
    name = settings.get("name") if isinstance(settings, dict) else None
    if name != model:
        raise UserError(f"{files[-1]} has model.name {name!r}; call it {model}, as its file: so its runs are found")
    own = CONFIGS / recipe / f"{model}.yaml"
    return [*files, own] if own.is_file() else files


def leaves_no_scores(arguments: Sequence[str]) -> bool:
    """Whether the options of `scripts.train` leave out the scores on the test set."""
    if _only_asks(arguments):
        return True
    words = [word for argument in arguments for word in argument.split("=", 1)]
    values = dict(pairwise([*words, ""]))
    is_dev_run = bool(_value(values.get("--trainer.fast_dev_run", "false")))
    return is_dev_run or _value(values.get("--score_test", "true")) is False


def _value(text: str) -> object:
    """What `scripts.train` reads an option as: of `false`, `no` and `off`, the same."""
    try:
        return yaml.safe_load(text.lower())
    except yaml.YAMLError:
        return text


def _only_asks(arguments: Sequence[str]) -> bool:
    """Whether `scripts.train` would print its options instead of training; they are the same for all models."""
    return any(argument in ("-h", "--help") or argument.startswith("--print_config") for argument in arguments)


def _one_after_the_other(commands: Sequence[list[str]]) -> None:
    """Runs the commands, the output being theirs; one that fails is the last."""
    if len(commands) > 1:
        print(f"Training {len(commands)} models one after the other.", flush=True)
    for command in commands:
        print(f"\n$ python {shlex.join(command[1:])}", flush=True)
        _exit_if_failed(_run(command), command)


def _side_by_side(commands: Sequence[list[str]], jobs: int) -> None:
    """Runs `jobs` of the commands at once, with lines of progress instead of bars; one that fails ends the others."""
    print(f"Training {len(commands)} models, {min(jobs, len(commands))} at once.", flush=True)

    def announce(command: Sequence[str]) -> None:
        print(f"$ python {shlex.join(command[1:])}", flush=True)

    with side_by_side(commands, jobs, announce, lambda line: print(line, end="", flush=True)) as finished:
        for one in finished:
            _exit_if_failed(one.status, commands[one.place])


def _exit_if_failed(status: int, command: Sequence[str]) -> None:
    """Ends with the `status` of a command, which has said why, unless that is 0.

    Raises:
        UserError: It was ended by a signal, and so could not say why.
    """
    if status < 0:
        why = ""
        if status == -signal.SIGKILL:
            why = " (as the system does where memory runs out: then fewer JOBS, or --data.batch_tokens with RETRAIN=1)"
        raise UserError(
            f"{shlex.join(command[1:])} was ended by {signal.Signals(-status).name}{why}; the same command goes on "
            "from its last checkpoint"
        )
    if status:
        sys.exit(status)


def _run(command: list[str]) -> int:
    """Runs a command and returns its status; when this process is ended, so is that one: nothing trains on unseen."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


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


def expanded(path: str) -> Path:
    """A path that may begin with ~, which not every shell replaces after a = or in a variable of make."""
    return Path(os.path.expanduser(path))


def _config(kind: str, name: str) -> Path:
    path = CONFIGS / kind / f"{name}.yaml"
    if not path.is_file():
        existing = ", ".join(sorted(p.stem for p in (CONFIGS / kind).glob("*.yaml")))
        what = "recipe" if kind == "corpus" else kind
        raise UserError(f"no {what} {name!r}; there are {existing} (in {CONFIGS / kind})")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.train_all", description=__doc__)
    parser.add_argument(
        "--corpus", default="auto", help="auto, toy, multi30k, a folder, or owner/name[:config] on the Hub"
    )
    parser.add_argument(
        "--recipe",
        help="settings for this corpus, by the name of a file in configs/corpus (default: its own, or other)",
    )
    parser.add_argument("--models", default="gru gru_attention transformer", help="names of files in configs/model")
    parser.add_argument("--seed", type=int, default=1, help="of weights, batches and dropout")
    parser.add_argument("--runs_dir", type=expanded, default=Path("runs"), help="where run folders are")
    parser.add_argument("--jobs", type=int, default=1, help="models trained at once, on a GPU, say (default: 1)")
    parser.add_argument("--retrain", action="store_true", help="train anew; earlier runs are kept under other names")
    parser.add_argument("arguments", nargs="*", help="after --: anything that scripts.train takes")
    return parser


if __name__ == "__main__":
    main()
