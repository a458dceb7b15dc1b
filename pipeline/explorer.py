"""What the report shows of trained models and cannot compute itself: the maps of some test sentences, and the curves.

Worked example, two target words and their end over one source word and its end, as `explorer_content` gives it:

    "cross": [{"name": "cross-attention", "heads": [[[98, 2], [90, 10], [1, 99]]]}]      in hundredths
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.curves import scalar_curves
from pipeline.loaded_runs import LoadedRun, TrainedRun, load_together
from pipeline.plots import LONGEST_MAP
from pipeline.printable import printable
from pipeline.translations import read_translations
from pipeline.translator import LONGEST_SOURCE, Translator
from pipeline.word_maps import WordMap

_NUM_SENTENCES = 20
_CURVES = ("loss/train", "loss/val")


def explorer_content(runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """Maps of the test sentences that `chosen_sentences` takes, and the curves, of runs that share a corpus.

    Returns:
        `languages`: codes of source and target. `sentences`: `src`, `tgt`, their number of source words `length`, and
        `links` as [src, tgt, is_sure]. `models`: of each model the run with the lowest seed: `name`, `seed`, and for
        each sentence the model's greedy `translation`, the words `src` and `tgt` on the axes (their ends included), and
        the maps `cross`, `encoder` and `saliency`, all under the reference. A map has a `name` and `heads` (num_heads,
        queries, keys) in hundredths; one key stands for one vector. `curves`: of every run `model`, `seed`, `run`, its
        folder, and `scalars`.

    Raises:
        UserError: The runs were trained on different texts.
    """
    loaded = load_together(runs)
    shown: dict[str, LoadedRun] = {}
    for one in loaded:
        shown.setdefault(one.translator.name, one)
    translations = {name: read_translations(one.run.folder / "translations.jsonl") for name, one in shown.items()}
    pairs = next(iter(translations.values()))
    readable = [
        index
        for index, pair in enumerate(pairs)
        if all(_is_readable(translator, pair["src"], pair["tgt"]) for _, translator in shown.values())
    ]
    chosen = chosen_sentences([(len(pairs[index]["src"].split()), index) for index in readable], _NUM_SENTENCES)
    origin = loaded[0].translator.origin
    return {
        "languages": [origin.src, origin.tgt],
        "sentences": [_sentence(pairs[index]) for index in chosen],
        "models": [
            {
                "name": name,
                "seed": run.seed,
                "sentences": [_shown(translator, translations[name][index]) for index in chosen],
            }
            for name, (run, translator) in shown.items()
        ],
        "curves": [
            {
                "model": translator.name,
                "seed": run.seed,
                "run": str(run.folder),
                "scalars": scalar_curves(run.folder, _CURVES),
            }
            for run, translator in loaded
        ],
    }


def chosen_sentences(lengths: Sequence[tuple[int, int]], num_sentences: int) -> list[int]:
    """From (length, index) of all sentences the indices of some, short to long, their lengths as even as can be."""
    rest = sorted(lengths)
    if len(rest) <= num_sentences:
        return [index for _, index in rest]
    chosen = []
    for wanted in np.linspace(rest[0][0], rest[-1][0], num_sentences):
        chosen.append(min(rest, key=lambda sentence: abs(sentence[0] - wanted)))
        rest.remove(chosen[-1])
    return [index for _, index in sorted(chosen)]


def _is_readable(translator: Translator, src: str, tgt: str) -> bool:
    """Whether a map of the pair can be drawn: there are words, and not too many."""
    words = max(len(src.split()), len(tgt.split()))
    return words <= LONGEST_MAP and all(1 < translator.num_pieces(text) <= LONGEST_SOURCE for text in (src, tgt))


def _sentence(pair: dict[str, Any]) -> dict[str, Any]:
    return {
        "src": printable(pair["src"]),
        "tgt": printable(pair["tgt"]),
        "length": len(pair["src"].split()),
        "links": [link[:3] for link in pair["links"]],
    }


def _shown(translator: Translator, row: dict[str, Any]) -> dict[str, Any]:
    """The maps of one sentence under its reference, and what the model translates itself."""
    maps = translator.word_maps(row["src"], row["tgt"])
    salient = translator.saliency_map(row["src"], row["tgt"])
    return {
        "translation": printable(row["hypothesis"]),
        "src": [printable(word) for word in salient.keys],
        "tgt": [printable(word) for word in salient.queries],
        "cross": [_in_hundredths(m) for m in maps if m.kind == "cross"],
        "encoder": [_in_hundredths(m) for m in maps if m.kind == "encoder"],
        "saliency": [_in_hundredths(salient)],
    }


def _in_hundredths(word_map: WordMap) -> dict[str, Any]:
    return {"name": word_map.name, "heads": np.rint(100 * word_map.weights).astype(int).tolist()}
