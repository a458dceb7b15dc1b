"""Figures: data in, matplotlib Figure out. The colours and the order of the models are the same in every figure."""

import functools
import importlib.util
import warnings
from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

# Okabe & Ito's colours, told apart by every common kind of colour blindness.
MODEL_COLOURS = {"gru": "#D55E00", "gru_attention": "#0072B2", "transformer": "#009E73", "gru_mean": "#CC79A7"}
MODEL_LABELS = {
    "gru": "GRU, no attention",
    "gru_attention": "GRU + attention",
    "transformer": "Transformer",
    "gru_mean": "GRU, mean of states",
}
_OTHER_COLOUR = "#56B4E9"


def model_colour(name: str) -> str:
    """The colour of a model in every figure."""
    return MODEL_COLOURS.get(name, _OTHER_COLOUR)


def model_label(name: str) -> str:
    """The name of a model in figures and tables."""
    return MODEL_LABELS.get(name, name)


def model_order(name: str) -> tuple[int, str]:
    """Sort key: the three models in the order of the lesson, then any others by name."""
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
    # "Last Resort" has a picture of the script's name for every character, which is an empty box by another name.
    others = [entry for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort")]
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


class PanelMap(NamedTuple):
    """One map of a panel: `weights` (tgt_words, src_words), or one column where one state is handed over."""

    title: str
    weights: np.ndarray
    src_words: Sequence[str]
    tgt_words: Sequence[str]


def alignment_panel(maps: Sequence[PanelMap], heading: str = "", gold: Set[tuple[int, int]] = frozenset()) -> Figure:
    """Alignment maps side by side; `gold` links (source word, target word) are framed."""
    use_fonts_for([heading, *(word for m in maps for word in (m.title, *m.src_words, *m.tgt_words))])
    widths = [max(1.0, 0.33 * len(m.src_words)) for m in maps]
    rows = max(len(m.tgt_words) for m in maps)
    margin = 0.085 * max(len(word) for m in maps for word in m.tgt_words) + 0.35
    figure = Figure(
        figsize=(sum(widths) + margin * len(maps) + 0.6, 0.3 * rows + 1.9 + (0.4 if heading else 0)),
        layout="constrained",
    )
    axes = figure.subplots(1, len(maps), squeeze=False, width_ratios=widths)[0]
    for axis, (title, weights, src_words, tgt_words) in zip(axes, maps, strict=True):
        image = _draw_map(axis, weights, src_words, tgt_words, gold if weights.shape[1] > 1 else frozenset())
        axis.set_title(title, fontsize=10, pad=8)
    colour_bar = figure.colorbar(image, ax=list(axes), fraction=0.025, pad=0.01, aspect=30)
    colour_bar.set_label("attention weight", fontsize=8)
    colour_bar.ax.tick_params(labelsize=7)
    if heading:
        figure.suptitle(heading, fontsize=11)
    return figure


def heads_figure(
    maps: Sequence[tuple[str, np.ndarray]], keys: Sequence[str], queries: Sequence[str], heading: str
) -> Figure:
    """Every head of every layer: `maps` has (name, (num_heads, query_len, key_len)), a row of figures each."""
    use_fonts_for([heading, *keys, *queries])
    num_heads = max(weights.shape[0] for _, weights in maps)
    size = (2.2 + 0.09 * len(keys), 1.6 + 0.11 * len(queries))
    figure = Figure(figsize=(size[0] * num_heads, size[1] * len(maps) + 0.5), layout="constrained")
    axes = figure.subplots(len(maps), num_heads, squeeze=False)
    for row, (name, weights) in zip(axes, maps, strict=True):
        for head, axis in enumerate(row):
            _draw_map(axis, weights[head], keys, queries, frozenset(), fontsize=5.5)
            axis.set_title(f"{name}, head {head + 1}", fontsize=7)
    figure.suptitle(heading, fontsize=10)
    return figure


class LengthCurve(NamedTuple):
    """One line of `length_figure`: `bands` have `low`, `high`, `n` and scores, as in results.json."""

    label: str
    model: str
    bands: Sequence[dict]


def length_figure(curves: Sequence[LengthCurve], value: str, axis_label: str, heading: str) -> Figure:
    """A score against source length, one line per run.

    Args:
        curves: The runs, in the order of the legend.
        value: The score's key in the bands.
        axis_label: What the vertical axis says, with its unit.
        heading: Above the figure.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axis = figure.subplots()
    counts: dict[str, int] = {}
    for label, model, bands in curves:
        shown = [band for band in bands if band["n"]]
        ranges = [f"{band['low']}–{band['high']}" if band["high"] else f"{band['low']}+" for band in shown]
        counts.update({text: band["n"] for text, band in zip(ranges, shown, strict=True)})
        values = [100 * band[value] if value != "nats_per_token" else band[value] for band in shown]
        axis.plot(ranges, values, marker="o", color=model_colour(model), label=label, linewidth=2)
    axis.set_xticks(range(len(counts)), [f"{text}\nn={n}" for text, n in counts.items()], fontsize=8)
    axis.set_xlabel("source length (words)")
    axis.set_ylabel(axis_label)
    if value != "nats_per_token":
        axis.set_ylim(-3, 103)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    axis.set_title(heading, fontsize=11)
    return figure


def _draw_map(
    axis: Axes,
    weights: np.ndarray,
    src: Sequence[str],
    tgt: Sequence[str],
    gold: Set[tuple[int, int]],
    fontsize: float = 8,
) -> AxesImage:
    image = axis.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axis.set_xticks(range(len(src)), src, rotation=60, ha="left", rotation_mode="anchor", fontsize=fontsize)
    axis.set_yticks(range(len(tgt)), tgt, fontsize=fontsize)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.set_xticks(np.arange(-0.5, len(src)), minor=True)
    axis.set_yticks(np.arange(-0.5, len(tgt)), minor=True)
    axis.grid(which="minor", color="0.9", linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    for spine in axis.spines.values():
        spine.set_color("0.6")
    for column, row in gold:
        axis.add_patch(
            matplotlib.patches.Rectangle(
                (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.2
            )
        )
    return image
