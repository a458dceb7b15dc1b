"""Trained runs: finding them, and loading their models."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import UserError
from pipeline.finished_runs import best_checkpoint, finished_runs
from pipeline.plots import model_order
from pipeline.report import run_labels
from pipeline.settings import run_settings
from pipeline.translator import Translator


class TrainedRun(NamedTuple):
    """A checkpoint and what is known of its training.

    Attributes:
        checkpoint: The file.
        folder: The run's folder; None where the checkpoint stands alone.
        seed: Of the run; 0 where it is not known.
        data: The settings under `data:` of its config.yaml; empty where there is none.
    """

    checkpoint: Path
    folder: Path | None
    seed: int
    data: dict[str, Any]


class LoadedRun(NamedTuple):
    """A run with its model."""

    run: TrainedRun
    translator: Translator


def find_runs(paths: Sequence[Path]) -> list[TrainedRun]:
    """The runs that `paths` name: run folders, checkpoint files, or folders with finished runs anywhere inside.

    Runs that were set aside are found only by their own name.

    Raises:
        UserError: A path holds no run, or one whose settings are gone or damaged.
    """
    runs = []
    for path in (Path(os.path.abspath(path)) for path in paths):  # the folders above it have to be seen
        if path.is_file():
            folder = path.parent.parent
            runs.append(_trained_run(path, folder if (folder / "config.yaml").is_file() else None))
        elif best_checkpoint(path).is_file():
            runs.append(_trained_run(best_checkpoint(path), path))
        else:
            inside = finished_runs(path)
            if not inside:
                raise UserError(f"{path} holds no finished run and is no checkpoint; train one first: make train")
            runs += [_trained_run(best_checkpoint(folder), folder) for folder in inside]
    return runs


def load_runs(runs: Sequence[TrainedRun], device: str = "cpu") -> list[LoadedRun]:
    """The runs with their models, in the same order."""
    return [LoadedRun(run, Translator.load(run.checkpoint, device)) for run in runs]


def load_together(runs: Sequence[TrainedRun], device: str = "cpu") -> list[LoadedRun]:
    """The runs with their models, which can be compared: in the order of the lesson, seeds rising.

    Raises:
        UserError: They were trained on different texts.
    """
    loaded = load_runs(runs, device)
    of_texts: dict[str, list[str]] = {}
    for run, translator in loaded:
        of_texts.setdefault(translator.origin.content_hash, []).append(str(run.folder or run.checkpoint))
    if len(of_texts) > 1:
        groups = "; or ".join(", ".join(paths) for paths in of_texts.values())
        raise UserError(
            f"these runs were trained on different texts and cannot be compared; give those of one, or move the others "
            f"away: {groups}"
        )
    return sorted(loaded, key=lambda one: (model_order(one.translator.name), one.run.seed))


class LabelledModel(NamedTuple):
    """A translator and what it is called among the others: its model's name, with its seed and place where needed."""

    translator: Translator
    label: str


def load_labelled(paths: Sequence[Path], device: str) -> list[LabelledModel]:
    """The models of `paths` (see `find_runs`), in the order of the lesson.

    Raises:
        UserError: There are none, or they were trained on different texts.
    """
    loaded = load_together(find_runs(paths), device)
    labels = run_labels([{"model": one.name, "seed": run.seed, "run": run.checkpoint} for run, one in loaded])
    return [LabelledModel(translator, label) for (_, translator), label in zip(loaded, labels, strict=True)]


def _trained_run(checkpoint: Path, folder: Path | None) -> TrainedRun:
    if folder is None:
        return TrainedRun(checkpoint, None, 0, {})
    config = run_settings(folder)
    if not (isinstance(config.get("seed_everything"), int) and isinstance(config.get("data"), dict)):
        return TrainedRun(checkpoint, None, 0, {})  # another program's
    return TrainedRun(checkpoint, folder, config["seed_everything"], config["data"])
