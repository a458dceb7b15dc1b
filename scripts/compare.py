"""Compares finished runs of one corpus.

    python -m scripts.compare runs/toy/gru/seed1 runs/toy/gru_attention/seed1 runs/toy/transformer/seed1

Prints tables; writes figures as PNG and for TensorBoard.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from pipeline.atomic import write_atomically
from pipeline.circumstances import limit_threads
from pipeline.data.corpus import Link, SentencePair
from pipeline.errors import UserError, exit_on_error
from pipeline.finished_runs import read_results
from pipeline.measures import free_measure
from pipeline.paths import expanded
from pipeline.plots import GoldLinks, alignment_figure, curves_figure
from pipeline.report import curves_by_length, in_order, length_table, results_table, run_labels, what_is_equal
from pipeline.sentence_maps import drawn_map, shown_sentences
from pipeline.translations import read_translations
from pipeline.translator import Translator
from pipeline.word_maps import mean_cross_map


def compare(runs: list[Path], out: Path) -> None:
    """Prints the tables of `runs` and writes figures to `out`.

    Raises:
        UserError: A run is not finished, the runs are of different corpora, or `out` is the folder of a run.
    """
    _refuse_run_folder(out)
    results = in_order([read_results(run) | {"run": run} for run in runs])
    runs = [result["run"] for result in results]
    hashes = {result["corpus"]["content_hash"] for result in results}
    if len(hashes) > 1:
        raise UserError(f"{', '.join(map(str, runs))} were trained on different texts and cannot be compared")
    print()
    print(results_table(results))
    print("\nnats/token: teacher-forced, natural logarithm, per target token. BLEU, chrF2, exact match: greedy search.")
    for line in what_is_equal(results):
        print(line)
    synthetic = results[0]["corpus"]["is_synthetic"]
    print(f"\n{'Exact match' if synthetic else 'BLEU'} on the test set by source length:\n")
    print(length_table(results, free_measure(is_synthetic=synthetic)))

    labels = run_labels(results)
    exact = ("exact_match", "translated exactly right (%), greedy search")
    measure, axis_label = exact if synthetic else ("nats_per_token", "nats/token")
    curves = curves_by_length(results, measure)
    corpus = results[0]["corpus"]["name"]
    heading = f"{'Exact match' if synthetic else 'Nats per target token'} by source length ({corpus}, test set)"
    figures = {"length": curves_figure(curves, "source length (words)", axis_label, heading, is_percentage=synthetic)}
    translators = [Translator.load(run) for run in runs]
    if len({translator.tokenizer.proto for translator in translators}) > 1:
        print("\nThese runs cut words into different tokens: nats/token and tokens right do not compare.")
    for number, pair in enumerate(_sentences(runs[0]), 1):
        figures[f"alignment_{number}"] = _alignment_figure(labels, translators, pair)
    _write(figures, out)
    print(f"\nFigures: {out}/*.png")


def _alignment_figure(labels: list[str], translators: list[Translator], pair: SentencePair) -> Figure:
    """The alignment of one sentence pair in every model, with the gold links where the corpus knows them."""
    maps = [
        drawn_map(label, mean_cross_map(translator.word_maps(pair.src, pair.tgt)))
        for label, translator in zip(labels, translators, strict=True)
    ]
    sure, possible = ({(x.src, x.tgt) for x in pair.links if x.is_sure is wanted} for wanted in (True, False))
    return alignment_figure(maps, GoldLinks(sure, possible))


def _sentences(run: Path) -> list[SentencePair]:
    rows = read_translations(run / "translations.jsonl")
    pairs = [SentencePair(row["src"], row["tgt"], tuple(Link(*link) for link in row["links"])) for row in rows]
    return shown_sentences(pairs)


def _refuse_run_folder(out: Path) -> None:
    """Raises UserError where writing to `out`, which takes the place of earlier figures, would take a run's curves."""
    if (out / "config.yaml").is_file() or (out / "checkpoints").is_dir():
        raise UserError(f"--out {out} is the folder of a run; give another one for the figures")


def _write(figures: dict[str, Figure], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("events.out.*"):
        stale.unlink()
    with SummaryWriter(str(out)) as writer:
        for name, figure in figures.items():
            write_atomically(out / f"{name}.png", lambda half, drawn=figure: drawn.savefig(half, format="png", dpi=150))
            writer.add_figure(f"comparison/{name}", figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--out", type=expanded, default=Path("runs/comparison"), help="where figures are written")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        compare(options.runs, options.out)


if __name__ == "__main__":
    main()
