"""Figures: data in, matplotlib Figure out. The colours and the order of the models are the same in every figure."""

import functools
import importlib.util
import itertools
import warnings
from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle

from pipeline.printable import printable


class Look(NamedTuple):
    """How a model is drawn: its colour, and the marker of its lines (matplotlib's name), for prints without colour."""

    colour: str
    marker: str


# Okabe & Ito's colours, told apart by every common kind of colour blindness.
MODEL_LOOKS = {
    "gru": Look("#D55E00", "s"),
    "gru_mean": Look("#CC79A7", "D"),
    "gru_attention": Look("#0072B2", "o"),
    "gru_attention_both": Look("#E69F00", "v"),
    "transformer": Look("#009E73", "^"),
    "gru_uniform": Look("#56B4E9", "P"),  # of the claims: attention with equal weights
}
_OTHER_LOOKS = itertools.cycle((Look("#8C8C8C", "X"), Look("#A6761D", ">"), Look("#332288", "<")))
# In the order of the lesson.
MODEL_LABELS = {
    "gru": "GRU, no attention",
    "gru_mean": "GRU, mean of states",
    "gru_attention": "GRU + attention",
    "gru_attention_both": "GRU ⇄ + attention",
    "transformer": "Transformer",
}
_DASHES = ((), (6, 3), (2, 3), (8, 3, 2, 3))
# Words: a longer map shows none that can be read, and the memory that it takes grows with their square.
LONGEST_MAP = 60


@functools.cache
def model_look(name: str) -> Look:
    """How a model is drawn in every figure; models of one's own get further looks in the order in which they come."""
    return MODEL_LOOKS.get(name) or next(_OTHER_LOOKS)


def model_colour(name: str) -> str:
    """The colour of a model in every figure."""
    return model_look(name).colour


def dashes_of(models: Sequence[str]) -> list[tuple[int, ...]]:
    """The dashes of lines that have the colours of these models: none for the first of a model, others for the next."""
    return [_DASHES[models[:number].count(model) % len(_DASHES)] for number, model in enumerate(models)]


def model_label(name: str) -> str:
    """The name of a model in figures and tables."""
    return MODEL_LABELS.get(name, name)


def model_order(name: str) -> tuple[int, str]:
    """Sort key: this project's models in the order of the lesson, then any others by name."""
    names = list(MODEL_LABELS)
    return (names.index(name) if name in names else len(names), name)


@functools.cache
def _bundled_fonts() -> tuple[str, ...]:
    """Registers the fonts of the package koreanize-matplotlib (NanumGothic: Hangul, kana, common Hanja).

    Only its font files are used: importing it fails on Python 3.12 and newer.
    """
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None or not spec.submodule_search_locations:
        return ()
    families = []
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("NanumGothic.ttf")):
        font_manager.fontManager.addfont(str(path))
        families.append(font_manager.FontProperties(fname=str(path)).get_name())
    return tuple(families)


@functools.cache
def _characters(font_path: str) -> frozenset[int]:
    return frozenset(font_manager.get_font(font_path).get_charmap())


@functools.cache
def _families_for(characters: frozenset[str]) -> tuple[str, ...]:
    """DejaVu Sans, the bundled fonts, then any font of this machine that has what is still missing."""
    families = ["DejaVu Sans", *_bundled_fonts()]
    missing = {ord(character) for character in characters if not character.isspace()}
    for family in families:
        missing -= _characters(font_manager.findfont(family))
    # These have a picture of the script's name for every character, which is an empty box by another name.
    last_resorts = ("Last Resort", ".LastResort")
    others = [entry for entry in font_manager.fontManager.ttflist if not entry.name.startswith(last_resorts)]
    for entry in sorted(others, key=lambda entry: entry.name) if missing else []:
        try:
            found = missing & _characters(entry.fname)
        except (OSError, RuntimeError):
            continue
        if found:
            families.append(entry.name)
            missing -= found
        if not missing:
            break
    if missing:
        example = "".join(map(chr, sorted(missing)[:5]))
        warnings.warn(f"no font on this machine can draw {example!r}; install one, e.g. Noto Sans", stacklevel=3)
    return tuple(families)


def use_fonts_for(texts: Sequence[str]) -> None:
    """Sets fonts that can draw every character of `texts`: umlauts, Hangul, any script that some font here has."""
    matplotlib.rcParams["font.family"] = list(_families_for(frozenset("".join(texts))))


class DrawnMap(NamedTuple):
    """A map as it is drawn: `weights` (tgt_words, src_words), or one column where one state is handed over.

    `darkest` is the weight that is drawn as darkly as can be: 1, where a row may have all its weight in one place.
    """

    title: str
    weights: np.ndarray
    src_words: Sequence[str]
    tgt_words: Sequence[str]
    darkest: float = 1.0

    @property
    def shades(self) -> np.ndarray:
        """How darkly each cell is drawn, from 0 to 1."""
        return self.weights / self.darkest


_FRAME = {"fill": False, "edgecolor": "#D55E00", "linewidth": 1.2}  # of a gold link
_DASHED_FRAME = (0, (2, 1.5))


class GoldLinks(NamedTuple):
    """The right links of a sentence pair, as (source word, target word): the sure ones, and those that may be too."""

    sure: Set[tuple[int, int]] = frozenset()
    possible: Set[tuple[int, int]] = frozenset()


def alignment_figure(
    maps: Sequence[DrawnMap], gold: GoldLinks = GoldLinks(), scale_label: str = "attention weight"
) -> Figure:
    """Alignment maps side by side; links of `gold` are framed, the possible ones by dashes."""
    use_fonts_for([*(word for m in maps for word in (m.title, *m.src_words, *m.tgt_words))])
    rows = max(len(m.tgt_words) for m in maps)
    margin = 0.085 * max(len(word) for m in maps for word in m.tgt_words) + 0.35
    # Inches; a title may reach over its map's margins, not beyond them.
    widths = [max(1.0, 0.33 * len(m.src_words), 0.08 * len(m.title) - margin - 0.2) for m in maps]
    figure = Figure(
        figsize=(sum(widths) + margin * len(maps) + 0.6, 0.3 * rows + 1.9),
        layout="constrained",
    )
    axes = figure.subplots(1, len(maps), squeeze=False, width_ratios=widths)[0]
    for axis, shown in zip(axes, maps, strict=True):
        framed = gold if shown.weights.shape[1] > 1 else GoldLinks()
        image = _draw_map(axis, shown.shades, shown.src_words, shown.tgt_words, framed)
        axis.set_title(printable(shown.title), fontsize=10, pad=8, parse_math=False)
    colour_bar = figure.colorbar(image, ax=list(axes), fraction=0.025, pad=0.01, aspect=30)
    colour_bar.set_label(scale_label, fontsize=8)
    colour_bar.ax.tick_params(labelsize=7)
    frames = [(gold.sure, "a right link", "-"), (gold.possible, "a link that may be drawn", _DASHED_FRAME)]
    handles = [Patch(**_FRAME, linestyle=style, label=label) for links, label, style in frames if links]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def heads_figure(
    maps: Sequence[tuple[str, np.ndarray]], keys: Sequence[str], queries: Sequence[str], heading: str
) -> Figure:
    """Every head of every layer: `maps` has (name, (num_heads, query_len, key_len)), a row of figures each.

    All have the same words, which stand at the left and at the top only.
    """
    use_fonts_for([heading, *keys, *queries])
    num_heads = max(weights.shape[0] for _, weights in maps)
    size = (1.6 + 0.09 * len(keys), 0.6 + 0.11 * len(queries))  # inches, of a map with its title
    figure = Figure(figsize=(size[0] * num_heads + 0.6, size[1] * len(maps) + 1.5), layout="constrained")
    axes = figure.subplots(len(maps), num_heads, squeeze=False)
    for row, (name, weights) in enumerate(maps):
        for head, axis in enumerate(axes[row]):
            words = (keys if row == 0 else None, queries if head == 0 else None)
            _draw_map(axis, weights[head], *words, GoldLinks(), fontsize=5.5)
            axis.set_title(f"{name}, head {head + 1}", fontsize=7)
    figure.suptitle(printable(heading), fontsize=10, parse_math=False)
    return figure


class Point(NamedTuple):
    """One point of a curve: its place on the horizontal axis, its value, and the ends of its interval if it has one."""

    place: str
    value: float
    low: float | None = None
    high: float | None = None


class Curve(NamedTuple):
    """One line of `curves_figure`: `model` decides its look."""

    label: str
    model: str
    points: Sequence[Point]


def curves_figure(
    curves: Sequence[Curve],
    x_label: str,
    y_label: str,
    heading: str,
    *,
    is_percentage: bool = False,
    first_beyond: int | None = None,
) -> Figure:
    """Values against some places in order (lengths, say), one line per model, with intervals as bars.

    Args:
        curves: The lines, in the order of the legend; point i of each belongs to the same place.
        is_percentage: The axis goes from 0 to 100.
        first_beyond: The places before this one are within what training has seen, and shaded.
    """
    use_fonts_for([heading, *(curve.label for curve in curves)])
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axis = figure.subplots()
    places = [point.place for point in curves[0].points]
    if first_beyond is not None:
        axis.axvspan(-0.5, first_beyond - 0.5, color="0.94", zorder=0, label="lengths seen in training")
        axis.set_xlim(-0.5, len(places) - 0.5)
    all_dashes = dashes_of([curve.model for curve in curves])
    for number, ((label, model, points), dashes) in enumerate(zip(curves, all_dashes, strict=True)):
        look = model_look(model)
        shift = 0.05 * (number - (len(curves) - 1) / 2)  # so that bars do not hide one another
        style = {"color": look.colour, "marker": look.marker, "linestyle": (0, dashes) if dashes else "-"}
        at = [x + shift for x in range(len(points))]
        axis.plot(at, [point.value for point in points], label=label, linewidth=2, **style)
        for x, point in zip(at, points, strict=True):
            if point.low is not None:
                axis.vlines(x, point.low, point.high, color=look.colour, linewidth=1.2, alpha=0.7)
    axis.set_xticks(range(len(places)), places, fontsize=8)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.set_ylim(*((-3, 103) if is_percentage else (0, None)))
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    for columns in (4, 2, 1):  # as many as there is room for
        legend = figure.legend(loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    axis.set_title(printable(heading), fontsize=11, parse_math=False)
    return figure


def _draw_map(
    axis: Axes,
    weights: np.ndarray,
    src: Sequence[str] | None,
    tgt: Sequence[str] | None,
    gold: GoldLinks,
    fontsize: float = 8,
) -> AxesImage:
    """One map; where words are None, none stand at that side."""
    image = axis.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    # No parse_math: a dollar sign is part of a word, not the start of a formula.
    x_words, y_words = ([printable(word) for word in words or ()] for words in (src, tgt))
    slanted = {"rotation": 60, "ha": "left", "rotation_mode": "anchor"}
    axis.set_xticks(range(len(x_words)), x_words, **slanted, fontsize=fontsize, parse_math=False)
    axis.set_yticks(range(len(y_words)), y_words, fontsize=fontsize, parse_math=False)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    # Lines between the cells; the grid of minor ticks that matplotlib has for it takes many times as long.
    rows, columns = weights.shape
    axis.vlines(np.arange(columns - 1) + 0.5, -0.5, rows - 0.5, color="0.9", linewidth=0.5)
    axis.hlines(np.arange(rows - 1) + 0.5, -0.5, columns - 0.5, color="0.9", linewidth=0.5)
    for spine in axis.spines.values():
        spine.set_color("0.6")
    for links, style in ((gold.possible, _DASHED_FRAME), (gold.sure, "-")):
        for column, row in links:  # over the lines between cells, which have zorder 2
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **_FRAME, linestyle=style, zorder=3))
    return image
