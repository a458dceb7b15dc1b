"""Figures of claims: panels of lines, matrices and bars, given as data and drawn in one style."""

import hashlib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from PIL import Image

from pipeline import plots
from pipeline.atomic import write_atomically
from pipeline.plots import Look, model_colour, model_look, use_fonts_for

_MADE_OF = "Made of"  # in the PNG: the SHA-256 of what it was drawn from
# For lines that are not one of the models, after the models' own colours.
_FURTHER = ("#882255", "#666666", "#8C510A", "#332288")
_PER_CENT = "(%)"  # at the end of an axis's label: it runs from 0 to 100, and no interval beyond
_MANY = 4  # entries of a legend; more stand under the panel, where they cover no line


class Line(NamedTuple):
    """Points joined by a line; `low` and `high` are the ends of their intervals, drawn as a band.

    `model` gives the colour and the marker of a model (see `plots.MODEL_LOOKS`); without one, lines get further
    colours in order, and dots.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    model: str | None = None
    dashed: bool = False


class LegendEntry(NamedTuple):
    """What one of those that a figure compares is called and drawn as; `model` and `dashed` are those of its `Line`."""

    label: str
    model: str | None
    dashed: bool = False

    def line(
        self,
        x: Sequence[float],
        y: Sequence[float],
        low: Sequence[float] | None = None,
        high: Sequence[float] | None = None,
    ) -> Line:
        """Its points, joined."""
        return Line(self.label, x, y, low, high, self.model, self.dashed)


class LinePanel(NamedTuple):
    """Lines over one horizontal axis; `shaded` is the range seen in training, `marked` a height to compare with."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_log: bool = False
    y_log: bool = False
    shaded: tuple[float, float] | None = None
    marked: float | None = None


class MatrixPanel(NamedTuple):
    """A matrix as a heat map; with `log`, on a logarithmic scale on which 0 stays white; with `numbers`, written in."""

    title: str
    matrix: Sequence[Sequence[float]]
    x_label: str
    y_label: str
    columns: Sequence[str] | None = None
    rows: Sequence[str] | None = None
    log: bool = False
    numbers: bool = False
    scale_label: str = ""


class BarPanel(NamedTuple):
    """One bar per label, with its interval where there is one; those are `hatched` whose lines are dashed."""

    title: str
    y_label: str
    labels: Sequence[str]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    models: Sequence[str | None] | None = None
    hatched: Sequence[bool] | None = None
    marked: float | None = None


Panel = LinePanel | MatrixPanel | BarPanel
PANELS_IN_A_ROW = 3
_FOOT_OF_A_PANEL = 95  # characters of the foot that a panel has room for in a line


def panels_figure(heading: str, panels: Sequence[Panel], foot: Sequence[str] = ()) -> Figure:
    """All panels in rows of `PANELS_IN_A_ROW`, under one heading; below them, small, the paragraphs of `foot`."""
    use_fonts_for([heading, *foot, *(panel.title for panel in panels)])
    columns = min(PANELS_IN_A_ROW, len(panels))
    rows = -(-len(panels) // columns)
    lines = [line for paragraph in foot for line in textwrap.wrap(paragraph, _FOOT_OF_A_PANEL * columns)]
    figure = Figure(figsize=(5.2 * columns, 3.9 * rows + 0.5 + 0.14 * len(lines)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, panel in zip(axes, panels, strict=False):
        _DRAW[type(panel)](axis, panel)
        axis.set_title(panel.title, fontsize=10)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.suptitle(heading, fontsize=12)
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=7, color="0.35")
    return figure


def save_panels(path: Path, heading: str, panels: Sequence[Panel], foot: Sequence[str] = ()) -> bool:
    """Writes the figure as PNG, unless the one there was drawn from the same data by the same code; whether it did."""
    code = [Path(file).read_text(encoding="utf-8") for file in (__file__, plots.__file__)]
    made_of = hashlib.sha256(repr((heading, panels, foot, matplotlib.__version__, code)).encode()).hexdigest()
    if _made_of(path) == made_of:
        return False
    figure = panels_figure(heading, panels, foot)
    # As a whole: what it was made of stands at the start of the file, so that half of one would be taken for it.
    write_atomically(path, lambda half: figure.savefig(half, format="png", dpi=130, metadata={_MADE_OF: made_of}))
    return True


def _made_of(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.info.get(_MADE_OF)
    except OSError:  # there is none, or it is no picture
        return None


def _draw_lines(axis: Axes, panel: LinePanel) -> None:
    if panel.shaded is not None:
        axis.axvspan(*panel.shaded, color="0.94", zorder=0, label="seen in training")
    if panel.marked is not None:
        axis.axhline(panel.marked, color="0.5", linewidth=1, linestyle=":")
    further = iter(_FURTHER * 4)
    for number, line in enumerate(panel.lines):
        colour, marker = model_look(line.model) if line.model else Look(next(further), "o")
        edge = 1.6 * _lying_over(panel, number)  # so that a line is seen behind others of the same height
        sizes = {"linewidth": 1.8 + edge, "markersize": 4.5 + edge}
        style = "--" if line.dashed else "-"
        axis.plot(line.x, line.y, style, color=colour, marker=marker, label=line.label, **sizes)
        if line.low is not None and line.high is not None:
            axis.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
    if panel.x_log:
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(ScalarFormatter())
    elif all(float(x).is_integer() for line in panel.lines for x in line.x):
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    if panel.y_log:
        axis.set_yscale("log")
    axis.set_xlabel(panel.x_label)
    axis.grid(alpha=0.25)
    _finish(axis, panel.y_label, below=3)  # so that the markers at 0 are seen whole
    num_entries = len(axis.get_legend_handles_labels()[1])
    under = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17), "ncols": 2} if num_entries > _MANY else {}
    # Handles as long as a dash needs to be seen beside the marker.
    axis.legend(framealpha=0.7, edgecolor="none", fontsize=7.5, handlelength=4, **under)


def _finish(axis: Axes, y_label: str, below: float = 0) -> None:
    axis.set_ylabel(y_label)
    axis.spines[["top", "right"]].set_visible(False)
    if y_label.endswith(_PER_CENT):
        axis.set_ylim(-below, 103)


def _lying_over(panel: LinePanel, number: int) -> int:
    """How many later lines hide this one: at the same places they are as high, to 2 % of the panel's height."""
    heights = [np.asarray(line.y, dtype=float) for line in panel.lines]
    places = list(panel.lines[number].x)
    if panel.y_log:
        heights = [np.log10(y, where=y > 0, out=np.full_like(y, np.nan)) for y in heights]
    own, known = heights[number], np.concatenate(heights)
    known = known[np.isfinite(known)]
    near = 0.02 * np.ptp(known) if known.size else 0.0
    alike = (heights[n] for n in range(number + 1, len(heights)) if list(panel.lines[n].x) == places)
    return sum(np.allclose(y, own, rtol=0, atol=near, equal_nan=True) for y in alike)


def _draw_matrix(axis: Axes, panel: MatrixPanel) -> None:
    matrix = np.asarray(panel.matrix, dtype=float)
    norm = None
    if panel.log and (matrix > 0).any():
        norm = LogNorm(vmin=max(matrix[matrix > 0].min(), matrix.max() * 1e-8), vmax=matrix.max())
        matrix = np.ma.masked_less_equal(matrix, 0)
    blues = matplotlib.colormaps["Blues"]
    if norm:  # the smallest value is seen, and 0 alone is white
        blues = ListedColormap(blues(np.linspace(0.15, 1, 256)))
    image = axis.imshow(matrix, cmap=blues, norm=norm, aspect="auto", interpolation="nearest")
    if panel.columns is not None:
        axis.set_xticks(range(len(panel.columns)), panel.columns, fontsize=8, rotation=30, ha="right")
    if panel.rows is not None:
        axis.set_yticks(range(len(panel.rows)), panel.rows, fontsize=8)
    if panel.numbers:
        for (row, column), value in np.ndenumerate(matrix):
            ink = "white" if image.norm(value) > 0.6 else "black"
            text = f"{value + 0.0:.2g}"  # + 0: a product may be minus zero
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
    axis.set_xlabel(panel.x_label)
    axis.set_ylabel(panel.y_label)
    bar = axis.figure.colorbar(image, ax=axis, fraction=0.045)
    bar.set_label(panel.scale_label, fontsize=8)
    bar.ax.tick_params(labelsize=7, which="both")


def _draw_bars(axis: Axes, panel: BarPanel) -> None:
    models = panel.models or [None] * len(panel.labels)
    colours = [model_colour(model) if model else _FURTHER[0] for model in models]
    hatches = ["//" if is_hatched else "" for is_hatched in panel.hatched or [False] * len(panel.labels)]
    axis.bar(range(len(panel.values)), panel.values, color=colours, width=0.65, hatch=hatches, edgecolor="white")
    if panel.low is not None and panel.high is not None:
        ends = np.array([panel.low, panel.high], dtype=float)
        if panel.y_label.endswith(_PER_CENT):
            ends = ends.clip(0, 100)
        axis.vlines(range(len(panel.values)), *ends, color="0.2", linewidth=1.2)
    if panel.marked is not None:
        axis.axhline(panel.marked, color="0.5", linewidth=1, linestyle=":")
    slope = 20 if len(panel.labels) < 6 else 40  # steep enough for long labels side by side
    axis.set_xticks(
        range(len(panel.labels)), panel.labels, fontsize=8, rotation=slope, ha="right", rotation_mode="anchor"
    )
    axis.grid(axis="y", alpha=0.25)
    _finish(axis, panel.y_label)


_DRAW = {LinePanel: _draw_lines, MatrixPanel: _draw_matrix, BarPanel: _draw_bars}
