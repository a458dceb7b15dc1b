"""Trained runs with their models."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.plots import model_order
from pipeline.run_folder import TrainedRun
from pipeline.translator import Translator


class LoadedRun(NamedTuple):
    """A run with its model."""

    run: TrainedRun
    translator: Translator


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
