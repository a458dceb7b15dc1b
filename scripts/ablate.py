"""What each part of a recipe is worth: every model trained with the whole recipe and without one part, on validation.

    python -m scripts.ablate --corpus path/to/multi30k_tok --recipe multi30k --epochs 10 --jobs 2

The parts, and what each run does without them, stand in configs/RECIPE/ablation.yaml. The test set is not looked at.
Trainings that are there already are not made again, and one that was stopped goes on. Every difference is paired: two
models on the same sentences, with a 95 % interval by bootstrap over sentences. Runs are in RUNS/PART/<corpus>/<model>/.
The models may be given one at a time: `scripts.publish --ablation` puts each beside those that are published already.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.ablation_table import WHOLE, ablation_table
from pipeline.children import ended_by_signal, side_by_side
from pipeline.circumstances import default_device, limit_threads
from pipeline.data.corpus import Corpus
from pipeline.data.loading import corpus_name, load_corpus
from pipeline.errors import UserError, exit_on_error
from pipeline.evaluation.scores import Run, compare_models, score_models
from pipeline.evaluation.sentences import sentences_of
from pipeline.json_files import read_json, write_json
from pipeline.loaded_runs import find_runs
from pipeline.metrics import signatures
from pipeline.paths import expanded, is_plain_word
from pipeline.provenance import provenance
from pipeline.recipes import CONFIGS, refuse_options_with_another_name, refuse_twice, training_command
from pipeline.run_folder import RunFolder
from pipeline.scoring import Search, checked_search
from pipeline.settings import read_settings
from pipeline.translator import Translator

_PARTS = "ablation.yaml"  # in the folder of a recipe
# What is not taken after `--`, and what it is called before it.
_OWN_OPTIONS = {
    "--data.corpus": "--corpus",
    "--seed_everything": "--seed",
    "--runs_dir": "--runs_dir before --",
    "--trainer.max_epochs": "--epochs",
    "--model.name": "--models",
    "--score_test": "make train, which scores",
}


class Part(NamedTuple):
    """A part of a recipe.

    Attributes:
        name: What the runs without it are called.
        without: What they do, in words.
        options: Those that switch it off, by name.
        models: Those that have this part; None: all.
    """

    name: str
    without: str
    options: dict[str, Any]
    models: list[str] | None

    @property
    def arguments(self) -> list[str]:
        return [f"--{option}={value}" for option, value in self.options.items()]


def read_parts(recipe: str) -> list[Part]:
    """The parts of a recipe, the whole recipe first.

    Raises:
        UserError: The recipe has no ablation.yaml, or it is not as it should be.
    """
    path = CONFIGS / recipe / _PARTS
    if not path.is_file():
        raise UserError(f"{path} is not there: it says which parts the recipe {recipe!r} has and how each is left out")
    parts = [Part(WHOLE, "the whole recipe", {}, None)]
    for name, part in read_settings(path).items():
        # YAML takes `no` for a truth value; runs without a part are in a folder of its name.
        if not _is_part(part) or not isinstance(name, str) or name == WHOLE or not is_plain_word(name):
            raise UserError(
                f"{path}: {name} is {part}; expected a name but {WHOLE!r}, a plain word, with `without` (words), "
                "`options` (by name) and perhaps `models` (a list of files in configs/model)"
            )
        parts.append(Part(name, part["without"], part["options"], part.get("models")))
    return parts


def _is_part(part: Any) -> bool:
    """Whether `part` is as ablation.yaml should have it."""
    if not isinstance(part, dict) or not {"without", "options"} <= part.keys() <= {"without", "options", "models"}:
        return False
    models = part.get("models", [])
    return (
        isinstance(part["without"], str)
        and isinstance(part["options"], dict)
        and isinstance(models, list)
        and all((CONFIGS / "model" / f"{model}.yaml").is_file() for model in models)
    )


class Training(NamedTuple):
    """One model without one part; the command that trains it and the folder of its run."""

    model: str
    part: Part
    command: list[str]
    folder: RunFolder


def trainings(options: argparse.Namespace) -> list[Training]:
    """Every model with every part left out that it has."""
    models = options.models.split()
    refuse_twice(models)
    found = []
    for part in read_parts(options.recipe):
        for model in models:
            if part.models is not None and model not in part.models:
                continue
            runs_dir = options.runs_dir / part.name
            command = training_command(options.corpus, options.recipe, model, options.seed, runs_dir)
            command += [*options.arguments, *part.arguments]  # the last of two wins
            command += ["--score_test=false", "--alignment_maps=false", "--trainer.enable_progress_bar=false"]
            command.append(f"--trainer.max_epochs={options.epochs}")
            folder = RunFolder(runs_dir, corpus_name(options.corpus), model, options.seed)
            found.append(Training(model, part, command, folder))
    return found


def ablate(options: argparse.Namespace) -> None:
    """Trains what is missing, scores all on validation, prints the table and writes the JSON.

    Raises:
        UserError: An option is out of its range, or a training failed.
    """
    search = checked_search(options.beam, 1.0, fast=True)
    _refuse_options(options)
    wanted = trainings(options)
    if not wanted:
        raise UserError('no models are named; for instance --models "gru gru_attention transformer"')
    out = options.out or options.runs_dir / "ablation.json"
    _refuse_to_lose(out, wanted, search, options)
    out.parent.mkdir(parents=True, exist_ok=True)  # now, and not after the hours of training
    made = provenance("scripts.ablate")  # before the hours of training, in which the code may go on
    _train(wanted, options.jobs)
    content = _content(wanted, search, made, options)
    _refuse_to_lose(out, wanted, search, options)  # once more: another ablation may have ended meanwhile
    write_json(out, content)
    print(f"\n{ablation_table(content)}\n\nJSON: {out}")


def _refuse_options(options: argparse.Namespace) -> None:
    for name in ("epochs", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    refuse_options_with_another_name(options.arguments, _OWN_OPTIONS)


def _refuse_to_lose(out: Path, wanted: Sequence[Training], search: Search, options: argparse.Namespace) -> None:
    """Raises UserError where `out` is a folder, or has scores that would not be made anew: of other models or parts, or
    of another corpus, seed, search or recipe."""
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file in it, as {out / 'ablation.json'}")
    if not out.is_file():
        return
    there = read_json(out, "corpus", "models", "parts")
    ours = {"corpus": corpus_name(options.corpus), **_how(search, options)}
    theirs = {name: there.get(name) for name in ours} | {"corpus": there["corpus"]["name"]}
    lost = there["models"].keys() - {t.model for t in wanted} | there["parts"].keys() - {t.part.name for t in wanted}
    if lost:
        has = f"has {', '.join(sorted(lost))} as well"
    elif other := [f"{name}: {theirs[name]}, not {value}" for name, value in ours.items() if theirs[name] != value]:
        has = f"is another ablation's ({'; '.join(other)})"
    else:
        return
    raise UserError(f"{out} {has}; publish and remove it, or write elsewhere (--out)")


def _how(search: Search, options: argparse.Namespace) -> dict[str, Any]:
    """How an ablation's runs were trained and scored, as its JSON has it."""
    return {
        "recipe": options.recipe,
        "arguments": options.arguments,
        "epochs": options.epochs,
        "seed": options.seed,
        "search": {"beam": search.beam, "alpha": search.alpha},
    }


def _train(wanted: Sequence[Training], jobs: int) -> None:
    with side_by_side([training.command for training in wanted], jobs) as finished:
        for place, status, said in finished:
            training = wanted[place]
            if status:
                print(f"{shlex.join(training.command)}\n{said}", file=sys.stderr)
                how = "failed" if status > 0 else ended_by_signal(status, "then fewer --jobs")
                raise UserError(f"a training {how}; the same command goes on from what is done")
            print(f"{training.model}, {training.part.without}: trained", flush=True)


def _content(
    wanted: Sequence[Training], search: Search, made: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    """The content of the JSON, of runs that have all been trained; `made` is its provenance."""
    data = find_runs([wanted[0].folder.best])[0].data
    corpus = load_corpus(data["corpus"], data["src"], data["tgt"], Path(data["cache_dir"]), data["revision"])
    models = {
        model: _scored([t for t in wanted if t.model == model], corpus, search, options.seed) | {"provenance": made}
        for model in options.models.split()
    }
    return {
        "corpus": {"name": corpus.name, "split": "val", "n": len(corpus.val), "content_hash": corpus.content_hash()},
        "settings": _settings(CONFIGS / "corpus" / f"{options.recipe}.yaml"),
        "settings_of_models": {
            path.stem: _settings(path)
            for path in sorted((CONFIGS / options.recipe).glob("*.yaml"))
            if path.name != _PARTS
        },
        **_how(search, options),
        "parts": {t.part.name: t.part._asdict() for t in wanted},
        "models": models,
        "signatures": signatures(next(iter(models.values()))["scores"]["models"][WHOLE]),
    }


def _settings(path: Path) -> Any:
    """What stands in a file of configs/, None where there is no such file."""
    return read_settings(path) if path.is_file() else None


def _scored(of_model: Sequence[Training], corpus: Corpus, search: Search, seed: int) -> dict[str, Any]:
    """Scores of the runs of one model, by the part that each does without."""
    translators = {t.part.name: Translator.load(t.folder.best, default_device()) for t in of_model}
    validation = sentences_of(corpus, "val", None)
    runs = {name: [Run(translator, seed)] for name, translator in translators.items()}
    return {
        "best_step": {t.part.name: t.folder.best_step_and_loss()[0] for t in of_model},
        "scores": compare_models(score_models(runs, validation.test, search), validation),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", required=True, help="toy, multi30k, a folder, or owner/name[:config] on the Hub")
    parser.add_argument("--recipe", default="multi30k", help="a folder of configs/ (default: multi30k)")
    parser.add_argument("--models", default="gru gru_attention transformer", help="names of files in configs/model")
    parser.add_argument("--epochs", type=int, default=10, help="of every training (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of weights, batches and dropout")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side (default: 1)")
    parser.add_argument("--beam", type=int, default=5, help="hypotheses in beam search (default: 5)")
    parser.add_argument("--runs_dir", type=expanded, default=Path("runs/ablation"), help="where run folders are")
    parser.add_argument("--out", type=expanded, help="where scores are written (default: RUNS_DIR/ablation.json)")
    parser.add_argument("arguments", nargs="*", help="after --: anything that scripts.train takes")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        ablate(options)


if __name__ == "__main__":
    main()
