"""Trains the three models on one corpus, then compares them: what `make train` runs.

Each training is a command of its own, printed before it starts, so that it can be repeated alone. They run one after
the other, or with --jobs side by side.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.children import ended_by_signal, side_by_side
from pipeline.circumstances import limit_threads
from pipeline.data.loading import choose_corpus, corpus_name
from pipeline.errors import UserError, exit_on_error
from pipeline.paths import expanded
from pipeline.recipes import (
    leaves_no_scores,
    only_asks,
    refuse_options_with_another_name,
    refuse_twice,
    training_command,
)
from scripts.compare import compare

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
        limit_threads()
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
    if only_asks(options.arguments):
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
        how = ended_by_signal(status, "give fewer JOBS, or --data.batch_tokens with RETRAIN=1")
        raise UserError(f"{shlex.join(command[1:])} {how}; the same command goes on from its last checkpoint")
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
