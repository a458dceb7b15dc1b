"""Draws what each model reads at every word of a translation of one sentence.

    python -m scripts.align runs/toy --sentence "the dog that sees a cat sleeps ."
    python -m scripts.align runs/toy --sentence "the dog sleeps ." --target "der Hund schläft ." --out map.html

Each model's map is that of its own translation or, with --target, of the one that is given. Without --out the maps are
drawn in the terminal; the ending of --out says what is written: .html, .json (weights and words, of every layer and
head too), or a picture (.png, .svg, .pdf). Attention is the mean of all layers and heads. --saliency draws instead how
much each prediction changes with each source word (the norm of the gradient, as a share of its row; darkest where a map
has most), which a model without attention has too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.atomic import write_text
from pipeline.circumstances import default_device, limit_threads
from pipeline.errors import UserError, exit_on_error
from pipeline.json_files import write_json
from pipeline.loaded_runs import LabelledModel, load_labelled
from pipeline.pages import alignment_page
from pipeline.paths import expanded
from pipeline.scoring import Search, checked_search
from pipeline.sentence_maps import drawn_map, picture_path, save_picture, sentence_map
from pipeline.terminal import map_text
from pipeline.translator import LONGEST_SOURCE, Translation, Translator
from pipeline.word_maps import WordMap


def run(options: argparse.Namespace) -> None:
    """Draws the maps that the options ask for."""
    search = checked_search(options.beam, options.alpha)
    out = options.out and picture_path(options.out)
    mapped = [_mapped(model, search, options) for model in load_labelled(options.runs, options.device)]
    if out is None:
        print("\n\n".join(map_text(drawn_map(one.model.label, one.shown)) for one in mapped))
    else:
        _write(mapped, out, options)
        print(f"written to {out}")


class Mapped(NamedTuple):
    """A model's translation of the sentence, or the one that is given, and the map that is shown of it."""

    model: LabelledModel
    translation: Translation
    shown: WordMap


def _mapped(model: LabelledModel, search: Search, options: argparse.Namespace) -> Mapped:
    translator = model.translator
    for name, text in (("--sentence", options.sentence), ("--target", options.target)):
        if text is not None:
            _refuse_unreadable(translator, name, text)
    if options.target is None:
        translation = translator.translate([options.sentence], search)[0][0]
    else:
        translation = translator.forced(options.sentence, options.target)
    return Mapped(model, translation, sentence_map(translator, translation, of_saliency=options.saliency))


def _write(mapped: Sequence[Mapped], out: Path, options: argparse.Namespace) -> None:
    """What the ending of `out` says."""
    if out.suffix == ".json":
        write_json(out, {"sentence": options.sentence, "maps": [_described(one) for one in mapped]})
        return
    maps = [drawn_map(one.model.label, one.shown) for one in mapped]
    if out.suffix == ".html":
        write_text(out, alignment_page(options.sentence, maps))
        return
    try:
        save_picture(maps, out, of_saliency=options.saliency)
    except UserError as error:
        raise UserError(f"--out {error}; or .html, .json") from error


def _described(mapped: Mapped) -> dict[str, Any]:
    model, translation, shown = mapped
    return {
        "model": model.label,
        "map": shown.name,
        "source_words": shown.keys,
        "target_words": shown.queries,
        "weights": shown.weights[0].round(4).tolist(),
        "log_prob": translation.log_prob,
        "layers": [
            {"map": m.name, "kind": m.kind, "queries": m.queries, "keys": m.keys, "heads": m.weights.round(4).tolist()}
            for m in model.translator.word_maps_of(translation)
        ],
    }


def _refuse_unreadable(translator: Translator, name: str, text: str) -> None:
    if not translator.has_text(text):
        raise UserError(f"{name} is empty; give a sentence")
    length = translator.num_pieces(text)
    if length > LONGEST_SOURCE:
        raise UserError(f"{name} has {length} pieces, but at most {LONGEST_SOURCE} are drawn; give a part of it")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.align", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run folder, checkpoint, or folder of runs")
    parser.add_argument("--sentence", required=True, help="the source")
    parser.add_argument("--target", help="a translation to draw the maps of; default: each model's own")
    parser.add_argument("--out", type=expanded, help="file to write: .png, .svg, .pdf, .html or .json")
    parser.add_argument("--saliency", action="store_true", help="gradients instead of attention")
    parser.add_argument("--beam", type=int, default=5, help="hypotheses in the search without --target (default: 5)")
    parser.add_argument("--alpha", type=float, default=1.0, help="of its length penalty (default: 1)")
    parser.add_argument("--device", default=default_device(), help="cpu or cuda")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        run(options)


if __name__ == "__main__":
    main()
