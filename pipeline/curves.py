"""The curves of a run, read from the event files that TensorBoard reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

_MOST_POINTS = 300


def scalar_curves(run: Path, tags: Sequence[str]) -> dict[str, list[list[float]]]:
    """The scalars `tags` of a run folder as lists of [step, value]; a tag that was not logged is left out.

    A run that went on after a stop has several event files; where their steps overlap, the later file counts. A curve
    of more than `_MOST_POINTS` points is drawn through the means of as many neighbourhoods.
    """
    events = _events(run)
    logged = [tag for tag in tags if tag in events.Tags()["scalars"]]
    return {tag: _thinned({event.step: event.value for event in events.Scalars(tag)}) for tag in logged}


def timed_scalar(run: Path, tag: str) -> list[tuple[float, float]]:
    """When each value of a scalar was logged, in seconds since 1970, and the value."""
    return [(event.wall_time, event.value) for event in _events(run).Scalars(tag)]


def _events(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 1, "tensors": 1})
    events.Reload()
    return events


def _thinned(values: dict[int, float]) -> list[list[float]]:
    parts = np.array_split(np.array(sorted(values.items())), min(len(values), _MOST_POINTS))
    return [[round(step), float(f"{value:.5g}")] for step, value in (part.mean(0).tolist() for part in parts)]
