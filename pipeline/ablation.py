"""What each part of a recipe is worth: the trainings that show it, one without each part, and what they gave.

Worked example of a recipe's parts, configs/RECIPE/ablation.yaml: the name of each, what a run without it does, the
options that leave it out, and the models that have it (all, if none are named):

    direction:
      without: an encoder that reads from left to right
      options: {model.network.init_args.direction: forward}
      models: [gru, gru_attention]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.ablation_table import WHOLE
from pipeline.circumstances import default_device
from pipeline.data.corpus import Corpus
from pipeline.data.loading import corpus_name, load_corpus
from pipeline.errors import UserError
from pipeline.evaluation.scores import Run, compare_models, score_models
from pipeline.evaluation.sentences import sentences_of
from pipeline.json_files import read_json
from pipeline.metrics import signatures
from pipeline.paths import is_plain_word
from pipeline.recipes import CONFIGS, refuse_twice, training_command
from pipeline.run_folder import RunFolder
from pipeline.scoring import Search
from pipeline.settings import read_settings, run_settings
from pipeline.translator import Translator

_PARTS = "ablation.yaml"  # in the folder of a recipe


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


class Ablation(NamedTuple):
    """Every model with the whole recipe, and without each part that it has.

    Attributes:
        corpus: As `make train` takes it.
        recipe: A folder of configs/.
        models: Files in configs/model.
        epochs: Of every training, as is the `seed`.
        search: By which all are scored, on validation.
        arguments: Of every training, besides.
    """

    corpus: str
    recipe: str
    models: list[str]
    epochs: int
    seed: int
    search: Search
    arguments: list[str]

    def trainings(self, runs_dir: Path) -> list[Training]:
        """What has to be trained; runs are in `runs_dir`/PART/<corpus>/<model>/.

        Raises:
            UserError: There is no such recipe or model, or a model is named twice.
        """
        refuse_twice(self.models)
        found = []
        for part in read_parts(self.recipe):
            for model in self.models:
                if part.models is not None and model not in part.models:
                    continue
                of_part = runs_dir / part.name
                command = training_command(self.corpus, self.recipe, model, self.seed, of_part)
                command += [*self.arguments, *part.arguments]  # the last of two wins
                command += ["--score_test=false", "--alignment_maps=false", "--trainer.enable_progress_bar=false"]
                command.append(f"--trainer.max_epochs={self.epochs}")
                folder = RunFolder(of_part, corpus_name(self.corpus), model, self.seed)
                found.append(Training(model, part, command, folder))
        return found

    def refuse_to_lose(self, out: Path, trainings: Sequence[Training]) -> None:
        """Raises UserError where `out` is a folder, or has scores that would not be made anew: of other models or
        parts, or of another corpus, seed, search or recipe."""
        if out.is_dir():
            raise UserError(f"--out {out} is a folder; name a file in it, as {out / 'ablation.json'}")
        if not out.is_file():
            return
        there = read_json(out, "corpus", "models", "parts")
        ours = {"corpus": corpus_name(self.corpus), **self._how}
        theirs = {name: there.get(name) for name in ours} | {"corpus": there["corpus"]["name"]}
        lost = there["models"].keys() - set(self.models) | there["parts"].keys() - {t.part.name for t in trainings}
        if lost:
            has = f"has {', '.join(sorted(lost))} as well"
        elif other := [f"{name}: {theirs[name]}, not {value}" for name, value in ours.items() if theirs[name] != value]:
            has = f"is another ablation's ({'; '.join(other)})"
        else:
            return
        raise UserError(f"{out} {has}; publish and remove it, or write elsewhere (--out)")

    def content(self, trainings: Sequence[Training], made: dict[str, Any]) -> dict[str, Any]:
        """The content of the JSON, of `trainings` that have all come to their end; `made` is its provenance."""
        data = run_settings(trainings[0].folder.path)["data"]
        corpus = load_corpus(data["corpus"], data["src"], data["tgt"], Path(data["cache_dir"]), data["revision"])
        models = {
            model: self._scored([t for t in trainings if t.model == model], corpus) | {"provenance": made}
            for model in self.models
        }
        return {
            "corpus": {
                "name": corpus.name,
                "split": "val",
                "n": len(corpus.val),
                "content_hash": corpus.content_hash(),
            },
            "settings": read_settings(CONFIGS / "corpus" / f"{self.recipe}.yaml"),
            "settings_of_models": {
                path.stem: read_settings(path)
                for path in sorted((CONFIGS / self.recipe).glob("*.yaml"))
                if path.name != _PARTS
            },
            **self._how,
            "parts": {t.part.name: t.part._asdict() for t in trainings},
            "models": models,
            "signatures": signatures(next(iter(models.values()))["scores"]["models"][WHOLE]),
        }

    @property
    def _how(self) -> dict[str, Any]:
        """How the runs are trained and scored, as the JSON has it."""
        return {
            "recipe": self.recipe,
            "arguments": self.arguments,
            "epochs": self.epochs,
            "seed": self.seed,
            "search": {"beam": self.search.beam, "alpha": self.search.alpha},
        }

    def _scored(self, of_model: Sequence[Training], corpus: Corpus) -> dict[str, Any]:
        """Scores of the runs of one model, by the part that each does without."""
        validation = sentences_of(corpus, "val", None)
        runs = {t.part.name: [Run(Translator.load(t.folder.best, default_device()), self.seed)] for t in of_model}
        return {
            "best_step": {t.part.name: t.folder.best_step_and_loss()[0] for t in of_model},
            "scores": compare_models(score_models(runs, validation.test, self.search), validation),
        }
