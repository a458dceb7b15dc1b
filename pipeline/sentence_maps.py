"""Maps of single sentences, from weights to a picture, of attention or of saliency; and which sentences are shown."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.atomic import write_atomically
from pipeline.data.corpus import SentencePair
from pipeline.errors import UserError
from pipeline.paths import expanded
from pipeline.plots import LONGEST_MAP, DrawnMap, alignment_figure
from pipeline.translator import Translation, Translator
from pipeline.word_maps import SALIENCY, WordMap, mean_cross_map

# The lengths, in source words, that the shown sentences come nearest to.
SHOWN_LENGTHS = (6, 10, 16)


def shown_sentences(pairs: list[SentencePair]) -> list[SentencePair]:
    """The first sentences whose lengths come nearest to `SHOWN_LENGTHS`; the same for every model and step.

    Those longer than `LONGEST_MAP` are left out.
    """
    short = [pair for pair in pairs if max(len(pair.src.split()), len(pair.tgt.split())) <= LONGEST_MAP]
    chosen: list[SentencePair] = []
    for length in SHOWN_LENGTHS:
        rest = [pair for pair in short if not any(pair is other for other in chosen)]
        if rest:
            chosen.append(min(rest, key=lambda pair: abs(len(pair.src.split()) - length)))
    return chosen


def sentence_map(translator: Translator, translation: Translation, *, of_saliency: bool) -> WordMap:
    """What a translation's words were made from: the mean over all layers and heads, or the saliency."""
    if of_saliency:
        return translator.saliency_map_of(translation)
    return mean_cross_map(translator.word_maps_of(translation))


def drawn_map(title: str, shown: WordMap) -> DrawnMap:
    """The first head of a map, to be drawn under `title`."""
    weights = shown.weights[0]
    if shown.kind != SALIENCY:
        return DrawnMap(title, weights, shown.keys, shown.queries)
    # A gradient reaches every word, so that no share is large: the map is darkest where it has most.
    return DrawnMap(f"{title}: saliency", weights, shown.keys, shown.queries, darkest=float(weights.max()) or 1.0)


def picture_path(path: Path) -> Path:
    """`path`, as .png where it has no ending; a ~ at its start is the home folder, at our prompt too.

    Raises:
        UserError: It names no file.
    """
    path = expanded(path)
    if not path.name:
        raise UserError(f"{path} names no file; give one, for instance map.png")
    return path if path.suffix else path.with_suffix(".png")


def save_picture(maps: Sequence[DrawnMap], path: Path, *, of_saliency: bool) -> None:
    """Draws maps side by side; the ending of `path` says in which format.

    Raises:
        UserError: Nothing is drawn in that format.
    """
    scale_label = "saliency ÷ the map's largest" if of_saliency else "attention weight"
    figure = alignment_figure(maps, scale_label=scale_label)
    try:
        write_atomically(path, lambda half: figure.savefig(half, format=path.suffix[1:], dpi=150))
    except ValueError as error:  # matplotlib, of an ending it does not know
        raise UserError(f"{path}: {error}") from error
