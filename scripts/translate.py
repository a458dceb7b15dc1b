"""Translates standard input, line by line; on a terminal, asks for sentences and compares the models' answers.

    echo "a man is riding a bike ." | python -m scripts.translate runs/multi30k/transformer/seed1
    python -m scripts.translate runs/toy                # all runs in the folder, side by side

As a filter it writes one line per line: the translation; with several runs their translations, separated by tabs;
with --align pharaoh "translation ||| 0-0 1-1"; with --nbest N, N lines "number ||| translation ||| score"; with --json
an object with pieces, log-probabilities in nats, scores and alignments. Empty lines stay empty, and have no lines
with --nbest; a model that reads one vector has no links. A line that is too long, or is not UTF-8, is an error with
its number, after all lines before it have been written.
"""

import argparse
import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.alignment import format_pharaoh, strongest_links
from pipeline.circumstances import default_device, limit_threads
from pipeline.errors import UserError, exit_on_error
from pipeline.loaded_runs import LabelledModel, load_labelled
from pipeline.printable import printable
from pipeline.prompt import prompt
from pipeline.scoring import Search, checked_search
from pipeline.standard_input import Lines, read_lines_as_they_come
from pipeline.translator import LONGEST_SOURCE, Translation, Translator
from pipeline.word_maps import mean_cross_map


def translate_filter(models: Sequence[LabelledModel], search: Search, options: argparse.Namespace) -> None:
    """Reads standard input and writes standard output, as it comes."""
    for chunk in read_lines_as_they_come(sys.stdin.fileno()):
        chunk = _checked(chunk, models, options.long)
        for line in _translated(chunk, models, search, options):
            print(line)
        sys.stdout.flush()
        if chunk.error:
            raise chunk.error


def _checked(chunk: Lines, models: Sequence[LabelledModel], long: str) -> Lines:
    """The lines up to the first that cannot be translated: it is too long, or one word of it is too long to split."""
    for place, line in enumerate(chunk.lines):
        try:
            for model in models:
                _refuse_too_long(model.translator, line, long)
        except UserError as error:
            located = UserError(f"standard input, line {chunk.first + place}: {error}")
            return Lines(chunk.first, chunk.lines[:place], located)
    return chunk


def _refuse_too_long(translator: Translator, line: str, long: str) -> None:
    length = translator.num_pieces(line)
    if length > LONGEST_SOURCE and long == "split":
        translator.split(line, LONGEST_SOURCE)
    elif length > LONGEST_SOURCE:
        raise UserError(f"{length} pieces, but at most {LONGEST_SOURCE} are taken; --long split translates it in parts")


def _translated(
    chunk: Lines, models: Sequence[LabelledModel], search: Search, options: argparse.Namespace
) -> list[str]:
    found = [translate_lines(model.translator, chunk.lines, search, options.long) for model in models]
    written: list[str] = []
    for place, (line, *of_models) in enumerate(zip(chunk.lines, *found, strict=True)):
        number = chunk.first + place
        for model, translations in zip(models, of_models, strict=True):
            if any(not t.is_finished for t in translations[:1]):
                print(f"line {number}: {model.label} found no end; the translation may be cut", file=sys.stderr)
        if options.json:
            written.append(_json_line(_as_json(number, line, models, of_models)))
        elif options.align:
            cells = [_with_links(m, t, line, number) for m, t in zip(models, of_models, strict=True)]
            written.append(_row(cells, of_models))
        elif options.nbest > 1:
            written += [f"{number} ||| {t.text} ||| {t.score:.4f}" for t in of_models[0]]
        else:
            written.append(_row([t[0].text if t else "" for t in of_models], of_models))
    return written


def _row(cells: Sequence[str], of_models: Sequence[list[Translation]]) -> str:
    """What each model made of a line, between tabs; nothing of a line without text, which has no translations."""
    return "\t".join(cells) if any(of_models) else ""


def translate_lines(
    translator: Translator, lines: Sequence[str], search: Search, long: str = "refuse"
) -> list[list[Translation]]:
    """The translations of each line; none of one without text. With `long` "split", the parts of a long line are
    translated one by one and joined; their log-probabilities and scores are added, and of each only the best is taken.
    """
    parts = [_parts(translator, line, long) for line in lines]
    flat = iter(translator.translate([part for of_line in parts for part in of_line], search))
    found = [[next(flat) for _ in of_line] for of_line in parts]
    return [of_parts[0] if len(of_parts) == 1 else _joined(of_parts) for of_parts in found]


def _parts(translator: Translator, line: str, long: str) -> list[str]:
    if not translator.has_text(line):
        return []
    return translator.split(line, LONGEST_SOURCE) if long == "split" else [line]


def _joined(parts: list[list[Translation]]) -> list[Translation]:
    if not parts:
        return []
    best = [of_part[0] for of_part in parts]
    return [
        Translation(
            text=" ".join(t.text for t in best),
            src_ids=[i for t in best for i in t.src_ids],
            ids=[i for t in best for i in t.ids],
            log_prob=sum(t.log_prob for t in best),
            score=sum(t.score for t in best),
            is_finished=all(t.is_finished for t in best),
        )
    ]


def _with_links(model: LabelledModel, translations: list[Translation], line: str, number: int) -> str:
    """The translation and the links of its words; without links where the tokenizer has other words than the line, or
    the model reads one vector."""
    if not translations:
        return ""
    best = translations[0]
    mean = mean_cross_map(model.translator.word_maps_of(best))
    links = set()
    if mean.is_one_vector:
        _say_once(f"{model.label} reads one vector; no links")
    elif len(mean.queries) > 1:
        is_read_so = len(mean.keys) - 1 == len(line.split())
        if is_read_so and len(mean.queries) - 1 == len(best.text.split()):
            links = strongest_links(mean.weights[0][:-1, :-1])
        else:
            print(
                f"line {number}: {model.label} {'writes' if is_read_so else 'reads'} other words than those between "
                "the spaces; no links",
                file=sys.stderr,
            )
    return f"{best.text} ||| {format_pharaoh(links)}"


@functools.cache
def _say_once(text: str) -> None:
    print(text, file=sys.stderr)


def _json_line(content: dict[str, Any]) -> str:
    """JSON as people read it, but for what would break the line or command a terminal: that stays escaped."""
    text = json.dumps(content, ensure_ascii=False)
    return "".join(letter if printable(letter) == letter else f"\\u{ord(letter):04x}" for letter in text)


def _as_json(
    number: int, line: str, models: Sequence[LabelledModel], of_models: Sequence[list[Translation]]
) -> dict[str, Any]:
    return {
        "line": number,
        "source": line,
        "models": [
            {"model": model.label, "translations": [_translation_json(model, t) for t in translations]}
            for model, translations in zip(models, of_models, strict=True)
        ],
    }


def _translation_json(model: LabelledModel, translation: Translation) -> dict[str, Any]:
    """`alignment` has a row per target word and its end, a column per source word and its end; null for one vector."""
    mean = mean_cross_map(model.translator.word_maps_of(translation))
    return {
        "text": translation.text,
        "pieces": model.translator.tokenizer.pieces(translation.ids),
        "log_prob": translation.log_prob,
        "score": translation.score,
        "finished": translation.is_finished,
        "source_pieces": model.translator.tokenizer.pieces(translation.src_ids),
        "source_words": mean.keys,
        "target_words": mean.queries,
        "alignment": None if mean.is_one_vector else mean.weights[0].round(4).tolist(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.translate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run folder, checkpoint, or folder of runs")
    parser.add_argument("--beam", type=int, default=5, help="hypotheses in beam search; 1 is greedy (default: 5)")
    parser.add_argument("--alpha", type=float, default=1.0, help="of the length penalty (default: 1)")
    parser.add_argument("--fast", action="store_true", help="find the same translations by the fast path")
    parser.add_argument("--nbest", type=int, default=1, metavar="N", help="the N best translations, at most --beam")
    parser.add_argument("--json", action="store_true", help="write JSON, one object per line")
    parser.add_argument("--align", choices=["pharaoh"], help="write word links behind each translation")
    parser.add_argument(
        "--long",
        choices=["refuse", "split"],
        default="refuse",
        help=f"lines of more than {LONGEST_SOURCE} pieces: refuse them (default), or translate them in parts",
    )
    parser.add_argument("--device", default=default_device(), help="cpu or cuda")
    return parser


def run(options: argparse.Namespace) -> None:
    """Translates, as a filter or at a prompt."""
    if sys.stdin is None:
        raise UserError("there is no standard input; give lines from a file or a pipe")
    search = checked_search(options.beam, options.alpha, options.nbest, fast=options.fast)
    _refuse_options(options)
    models = load_labelled(options.runs, options.device)
    if sys.stdin.isatty():
        prompt({model.label: model.translator for model in models}, search)
    else:
        if options.nbest > 1 and len(models) > 1 and not options.json:
            raise UserError("--nbest of several runs is written as --json only")
        translate_filter(models, search, options)


def _refuse_options(options: argparse.Namespace) -> None:
    """Raises UserError for options that do not go together, whatever the runs."""
    if options.nbest > 1 and (options.align or options.long == "split"):
        raise UserError("--nbest goes neither with --align nor with --long split; --json has alignments")
    if options.json and options.align:
        raise UserError("--json has alignments; leave --align out")
    if options.json and options.long == "split":
        raise UserError("--json tells which piece was made from which, so it cannot join parts; leave --long split out")
    if options.align and options.long == "split":
        raise UserError("--align counts the words of whole lines, so it cannot join parts; leave --long split out")
    if sys.stdin.isatty() and (options.json or options.align or options.long == "split"):
        raise UserError("--json, --align and --long are for lines from a file or a pipe, not for a terminal")


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        try:
            run(options)
        except BrokenPipeError:
            # Whoever read our output has seen enough. Python would complain when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
