"""Charts as numbers: where lines, bands and ticks stand on a drawing area. Templates draw them as SVG."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.plots import Curve, dashes_of, model_look

WIDTH, HEIGHT = 440, 290
# What is left of the drawing around the axes, for ticks and labels.
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 12, 58
# SVG paths of the markers around (0, 0), by matplotlib's names.
_SHAPES = {
    "o": "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "s": "M-3.2-3.2h6.4v6.4h-6.4z",
    "D": "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    "^": "M0-4.4L4.4 3.3h-8.8z",
    "v": "M0 4.4L4.4-3.3h-8.8z",
    ">": "M4.4 0L-3.3 4.4v-8.8z",
    "<": "M-4.4 0L3.3 4.4v-8.8z",
    "P": "M-1.5-4.2h3v2.7h2.7v3h-2.7v2.7h-3v-2.7h-2.7v-3h2.7z",
    "X": "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0z",
}


class Tick(NamedTuple):
    """A place on an axis, in drawing units, and the lines of text that stand there."""

    at: float
    text: tuple[str, ...]


class Mark(NamedTuple):
    """A point of a line: its place, the ends of its interval on the vertical axis if it has one, and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


class DrawnLine(NamedTuple):
    """A line of a chart, through its `marks`.

    Attributes:
        shape: The path of its markers around (0, 0).
        dashes: Lengths of dashes and gaps; none for a line without gaps.
        is_faint: Drawn thin and without markers: there are many points.
    """

    label: str
    colour: str
    shape: str
    dashes: tuple[int, ...]
    marks: list[Mark]
    is_faint: bool


class Chart(NamedTuple):
    """A chart on WIDTH × HEIGHT.

    Attributes:
        shaded: Left and right end of the lengths seen in training; None where all were.
    """

    title: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[DrawnLine]
    shaded: tuple[float, float] | None = None


class StepLine(NamedTuple):
    """Values against steps, as [step, value]."""

    label: str
    model: str
    points: Sequence[Sequence[float]]
    is_faint: bool


def loss_chart(title: str, lines: Sequence[StepLine], y_label: str) -> Chart:
    """Loss against steps; the vertical axis is logarithmic, so that small losses can be told apart."""
    points = [point for line in lines for point in line.points]
    last = max(step for step, _ in points)
    values = [value for _, value in points if value > 0]
    low, high = math.log10(min(values)), math.log10(max(values))

    def height(value: float) -> float:
        return _y((math.log10(value) - low) / ((high - low) or 1))

    def mark(step: float, value: float) -> Mark:
        return Mark(_x(step / last), height(value), None, None, f"step {step:,}: {value:.3g}")

    drawn = [
        DrawnLine(line.label, *_looks(line.model), dashes, [mark(*p) for p in line.points if p[1] > 0], line.is_faint)
        for line, dashes in zip(lines, dashes_of([line.model for line in lines]), strict=True)
    ]
    y_ticks = [Tick(height(value), (f"{value:g}",)) for value in _log_ticks(low, high)]
    x_ticks = [Tick(_x(step / last), (f"{step:,.0f}",)) for step in _even_ticks(0, last)]
    return Chart(title, "optimiser steps", y_label, x_ticks, y_ticks, drawn)


def length_chart(
    title: str, curves: Sequence[Curve], y_label: str, top: float | None = None, first_beyond: int | None = None
) -> Chart:
    """Values against bands of source length, from 0 to `top`, or to the largest value.

    Args:
        first_beyond: The first band beyond the lengths of training; those before it are shaded. None: there is none.
    """
    points = [point for curve in curves for point in curve.points]
    top = top or max(max(p.value, p.high or 0) for p in points) or 1
    places = [point.place for point in curves[0].points]

    def x_of(number: int) -> float:
        return _x((number + 0.5) / len(places))

    lines = []
    all_dashes = dashes_of([curve.model for curve in curves])
    for order, (curve, dashes) in enumerate(zip(curves, all_dashes, strict=True)):
        shift = 4 * (order - (len(curves) - 1) / 2)  # so that bars do not hide one another
        marks = []
        for number, point in enumerate(curve.points):
            low, high = (None if end is None else _y(end / top) for end in (point.low, point.high))
            interval = "" if point.low is None else f" [{point.low:.3g}, {point.high:.3g}]"
            text = f"{' '.join(point.place.split())}: {point.value:.3g}{interval}"
            marks.append(Mark(x_of(number) + shift, _y(point.value / top), low, high, text))
        lines.append(DrawnLine(curve.label, *_looks(curve.model), dashes, marks, is_faint=False))
    x_ticks = [Tick(x_of(number), tuple(place.split("\n"))) for number, place in enumerate(places)]
    y_ticks = [Tick(_y(value / top), (f"{value:g}",)) for value in _even_ticks(0, top)]
    shaded = None if first_beyond is None else (_x(0), _x(first_beyond / len(places)))
    return Chart(title, "source length (words)", y_label, x_ticks, y_ticks, lines, shaded)


def _looks(model: str) -> tuple[str, str]:
    """The colour of a model's lines, and the path of their markers."""
    colour, marker = model_look(model)
    return colour, _SHAPES[marker]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _even_ticks(bottom: float, top: float, most: int = 6) -> list[float]:
    """Round numbers from `bottom` to `top`, equally far apart, with at most `most` distances between them."""
    size = 10 ** math.floor(math.log10(top - bottom))
    step = next(s * size for s in (0.2, 0.5, 1, 2) if (top - bottom) / (s * size) <= most)
    return [round(n * step, 10) for n in range(math.ceil(bottom / step - 1e-9), math.floor(top / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between 10^low and 10^high: 1, 2, 5 of each power of ten, or only 1 where there are many.

    Where the ends are so close that there would be hardly any, numbers that are equally far apart.
    """
    if low < high < low + 0.8:
        return _even_ticks(10**low, 10**high, most=8)
    digits = (1, 2, 5) if high - low < 2 else (1,) if high - low > 5 else (1, 3)
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [d * 10**p for p in powers for d in digits if low <= math.log10(d * 10**p) <= high]
