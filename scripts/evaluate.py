"""Scores trained models on a set of sentences: a table with intervals and p-values, JSON, and figures.

    python -m scripts.evaluate runs/toy
    python -m scripts.evaluate runs/toy/gru/seed1 runs/toy/gru/seed2 runs/toy/transformer/seed1 --beam 5
    python -m scripts.evaluate runs/multi30k --concatenate 6
    python -m scripts.evaluate runs/multi30k/transformer/seed1 --src newstest.en --ref newstest.de
    python -m scripts.evaluate runs/multi30k/transformer/seed2 earlier/evaluation/test --out both

RUN is a run folder, a checkpoint file, or a folder with finished runs inside; runs of one model with several seeds are
put together. Without --corpus or --src, each corpus that the runs were trained on is evaluated by itself. A folder that
an earlier evaluation of the same sentences wrote is a RUN too: its scores stand beside the new ones as they are, so
that seeds can be trained on several machines and no checkpoint has to be kept. Where all are such, say --corpus.

What is measured. Teacher-forced (each model is given the reference so far): nats per target token, perplexity, tokens
right. Translated freely: BLEU (13a, cased) and chrF2 by sacreBLEU, B-tok (tokenize=none) on tokenised text, exact match
on synthetic corpora. Every score has a 95 % interval, by bootstrap over sentences and, with several seeds, by their
variance; every two models are compared on the same resampled sentences. By source length: nats per token, BLEU and
exact match, with lengths beyond training kept apart. Alignments: where gold links are known, the alignment error rate
of each model's attention (layer, head and step chosen on validation) and of its saliency, overall and per phenomenon,
beside the diagonal, chance, and the untrained model. The keys of the JSON are explained in
pipeline/evaluation/content.py (evaluate_models) and in what it names.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.alignment import parse_pharaoh
from pipeline.atomic import write_text
from pipeline.circumstances import commit
from pipeline.data.batching import encode_pairs, fits
from pipeline.data.corpus import Corpus, SentencePair
from pipeline.data.files import read_lines, read_text_pair
from pipeline.data.loading import corpus_name, load_corpus
from pipeline.errors import UserError, exit_on_error
from pipeline.evaluation.content import Sentences, evaluate_models
from pipeline.evaluation.kept import EVALUATION, is_evaluation, longest_trained, read_kept, write_scores
from pipeline.evaluation.scores import Run
from pipeline.evaluation_tables import evaluation_tables, first_beyond, length_curves
from pipeline.plots import curves_figure
from pipeline.results import provenance, write_json
from pipeline.run_folder import TrainedRun, find_runs
from pipeline.scoring import checked_search
from pipeline.translator import Translator


class Loaded(NamedTuple):
    """A run with its model."""

    run: TrainedRun
    translator: Translator


def evaluate(
    runs: Sequence[Loaded], earlier: Sequence[Path], sentences: Sentences, options: argparse.Namespace, out: Path
) -> None:
    """Scores `runs` on `sentences`, puts the scores of `earlier` evaluations beside theirs, prints and writes it all.

    Raises:
        UserError: The two do not belong together.
    """
    search = checked_search(options.beam, options.alpha, fast=options.fast)
    if earlier and (sentences.has_links or options.concatenate > 1):
        raise UserError(
            f"{earlier[0]} holds scores of single sentences only, not of "
            f"{'word links' if sentences.has_links else 'joined sentences'}; give the runs instead"
        )
    kept = [run for folder in earlier for run in read_kept(folder, sentences.test, search)]
    models: dict[str, list[Run]] = {}
    for run, translator in runs:
        models.setdefault(translator.name, []).append(Run(translator, run.seed))
    _refuse_twice([(name, run.seed) for name in models for run in models[name]] + [(k.model, k.seed) for k in kept])
    content, scored = evaluate_models(models, kept, sentences, search, options.concatenate, _say)
    content |= provenance("scripts.evaluate", options.device)
    tables = evaluation_tables(content)
    # The JSON goes before the scores change and comes after them: who finds it finds the scores that it speaks of.
    (out / EVALUATION).unlink(missing_ok=True)
    for name, of_runs in scored.items():
        for run in of_runs:
            write_scores(out, name, run.seed, run.scores)
    write_json(out / EVALUATION, content)
    write_text(out / "tables.md", tables)
    _draw(content, out)
    print(f"\n{tables}\nJSON, tables, figures, translations (*.hyp) and scores (*.jsonl), a sentence a line: {out}")


def _refuse_twice(runs: Sequence[tuple[str, int]]) -> None:
    for number, (name, seed) in enumerate(runs):
        if (name, seed) in runs[:number]:
            raise UserError(f"two of the runs are {name}, seed {seed}; evaluate them one at a time")


def _draw(content: dict[str, Any], out: Path) -> None:
    corpus = content["corpus"]
    free, free_label = ("exact_match", "translated exactly right (%)") if corpus["is_synthetic"] else ("bleu", "BLEU")
    for measure, label in (("nats_per_token", "nats per target token (teacher-forced)"), (free, free_label)):
        parts = {"": content["scores"]["by_length"]}
        parts |= {f", {j['k']} sentences joined": j["scores"]["by_length"] for j in content.get("concatenated", [])}
        for number, (what, bands) in enumerate(parts.items(), 1):
            figure = curves_figure(
                length_curves(bands, measure),
                "source length (words)",
                label,
                f"{corpus['name']}, {corpus['split']}{what}",
                is_percentage=measure == "exact_match",
                first_beyond=first_beyond(bands),
            )
            figure.savefig(out / f"length_{measure}{f'_joined{number}' if what else ''}.png", dpi=150)


def _sentences_of(corpus: Corpus, split: str, loaded: Loaded) -> Sentences:
    """A split of `corpus`; the lengths that training had are those that this run did not leave out."""
    encoded = encode_pairs(corpus.train, loaded.translator.tokenizer)
    max_len = loaded.run.data.get("max_len", math.inf)
    kept = [pair for pair, pieces in zip(corpus.train, encoded, strict=True) if fits(pieces, max_len)]
    return Sentences(
        corpus.name,
        split,
        corpus.split(split),
        corpus.val,
        corpus.is_synthetic,
        max((len(pair.src.split()) for pair in kept), default=0),
        corpus.content_hash(),
    )


def _sentences_of_earlier(folder: Path, options: argparse.Namespace) -> Sentences:
    """A split of --corpus; what training had is as the evaluation in `folder` says."""
    corpus = _corpus_of(None, options)
    return Sentences(
        corpus.name,
        options.split,
        corpus.split(options.split),
        corpus.val,
        corpus.is_synthetic,
        longest_trained(folder),
        corpus.content_hash(),
    )


def _corpus_of(run: TrainedRun | None, options: argparse.Namespace) -> Corpus:
    """The corpus that is asked for, or else the one that a run was trained on."""
    data = run.data if run else {}
    name = options.corpus or data.get("corpus")
    if name is None:
        raise UserError(
            f"{run.checkpoint} has no config.yaml beside it; say what to score on: --corpus, or --src and --ref"
        )
    languages = (options.languages or f"{data.get('src', 'en')}-{data.get('tgt', 'de')}").split("-")
    if len(languages) != 2:
        raise UserError(f"--languages is {options.languages!r}; expected two, like en-de")
    cache_dir = Path(data.get("cache_dir", "data/cache"))
    return load_corpus(name, *languages, cache_dir, data.get("revision") if options.corpus is None else None)


def _with_links(sentences: Sentences, run: TrainedRun, options: argparse.Namespace) -> Sentences:
    """The sentences with links from Pharaoh files, where such are given."""
    if options.links:
        sentences = sentences._replace(test=_linked(sentences.test, options.links), val=())
    if options.val_links:
        if not options.links or options.src:
            raise UserError("--val_links needs --links, and a corpus with a validation split")
        val = _corpus_of(run, options).val
        sentences = sentences._replace(val=_linked(val, options.val_links))
    return sentences


def _linked(pairs: Sequence[SentencePair], path: Path) -> list[SentencePair]:
    lines = read_lines(path)
    if len(lines) != len(pairs):
        raise UserError(f"{path} has {len(lines)} lines for {len(pairs)} sentences; expected one line each")
    linked = []
    for number, (pair, line) in enumerate(zip(pairs, lines, strict=True), 1):
        links = parse_pharaoh(line, f"{path}, line {number}")
        src_words, tgt_words = len(pair.src.split()), len(pair.tgt.split())
        for link in links:
            if link.src >= src_words or link.tgt >= tgt_words:
                raise UserError(
                    f"{path}, line {number}: link {link.src}-{link.tgt} is outside a pair of {src_words} and "
                    f"{tgt_words} words; links count words from 0, source first"
                )
        linked.append(pair._replace(links=links))
    return linked


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text} …", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="run folder, checkpoint, folder of runs, or earlier evaluation",
    )
    parser.add_argument(
        "--corpus", help="score on this corpus instead of the runs' own: toy, multi30k, folder, owner/name"
    )
    parser.add_argument("--languages", help="source and target language of --corpus, like en-de")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="of the corpus (default: test)")
    parser.add_argument("--src", type=Path, help="score on this file, one sentence per line …")
    parser.add_argument("--ref", type=Path, help="… with this file of references")
    parser.add_argument(
        "--beam", type=int, default=5, help="hypotheses in beam search; 1 is greedy search (default: 5)"
    )
    parser.add_argument(
        "--alpha", type=float, default=1.0, help="of the length penalty ((5 + length) / 6)^α (default: 1)"
    )
    parser.add_argument("--fast", action="store_true", help="find the same translations by the fast path")
    parser.add_argument(
        "--concatenate", type=int, default=1, metavar="K", help="also join 2 … K neighbouring sentences into one input"
    )
    parser.add_argument(
        "--links", type=Path, help="gold word links of the sentences in Pharaoh format (0-0 1p2), a line each"
    )
    parser.add_argument(
        "--val_links", type=Path, help="the same of the validation split, to choose layer, head and step on"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for results (default: evaluation/SPLIT beside the models' folders, SPLIT-NAME for another "
        "corpus; runs/evaluation/NAME for the file --src)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Evaluates what the options name, each corpus by itself."""
    commit()  # of the code that is loaded now, whatever is committed meanwhile
    checked_search(options.beam, options.alpha)
    if options.concatenate < 1:
        raise UserError(f"--concatenate is {options.concatenate}; expected at least 1")
    if bool(options.src) != bool(options.ref):
        raise UserError("--src and --ref belong together: give both")
    if options.src and options.corpus:
        raise UserError("give --corpus, or --src and --ref, not both")
    earlier = [path for path in options.runs if is_evaluation(path)]
    if len(earlier) == len(options.runs):
        if options.corpus is None:
            raise UserError("only earlier evaluations are given; say of which corpus they are: --corpus")
        sentences = _sentences_of_earlier(earlier[0], options)
        out = options.out or Path("runs") / sentences.name / "evaluation" / options.split
        evaluate([], earlier, sentences, options, out)
        return
    found = find_runs([path for path in options.runs if path not in earlier])
    runs = [Loaded(run, Translator.load(run.checkpoint, options.device)) for run in found]
    if options.src:
        pairs = read_text_pair(options.src, options.ref)
        sentences = Sentences(options.src.name, "file", pairs, (), False, None, None)
        out = options.out or Path("runs/evaluation") / options.src.stem
        evaluate(runs, earlier, _with_links(sentences, runs[0].run, options), options, out)
        return
    groups: dict[str, list[Loaded]] = {}  # by text, not by name: one corpus may have been given as several paths
    for loaded in runs:
        groups.setdefault(options.corpus or loaded.translator.origin.content_hash, []).append(loaded)
    names = [options.corpus or str(group[0].run.data.get("corpus")) for group in groups.values()]
    if len(groups) > 1 and (options.out or earlier):
        given = "--out" if options.out else earlier[0]
        raise UserError(f"the runs are of {len(groups)} corpora ({', '.join(names)}), {given} of one: give --corpus")
    outs = {_default_out(group[0].run, name, options.split) for name, group in zip(names, groups.values(), strict=True)}
    if len(outs) < len(groups):
        raise UserError(
            f"the runs are of {len(groups)} texts that go by one name ({', '.join(names)}), and their scores would go "
            "to one folder; evaluate the runs of one text at a time"
        )
    for name, group in zip(names, groups.values(), strict=True):
        first = group[0].run
        corpus = _corpus_of(first, options)
        if options.corpus is None:
            _refuse_other_text(group, corpus)
        sentences = _with_links(_sentences_of(corpus, options.split, group[0]), first, options)
        evaluate(group, earlier, sentences, options, options.out or _default_out(first, name, options.split))


def _refuse_other_text(runs: Sequence[Loaded], corpus: Corpus) -> None:
    content_hash = corpus.content_hash()
    for run, translator in runs:
        if translator.origin.content_hash != content_hash:
            raise UserError(
                f"{run.checkpoint} was trained on another text than {corpus.name} holds now; to score it on this text "
                f"all the same, give --corpus"
            )


def _default_out(run: TrainedRun, corpus: str, split: str) -> Path:
    name = corpus_name(corpus)
    if run.folder is None:
        return Path("runs") / name / "evaluation" / split
    own = corpus_name(str(run.data.get("corpus")))
    # Beside the scores on the models' own text, never over them.
    return run.folder.parent.parent / "evaluation" / (split if name == own else f"{split}-{name}")


def main() -> None:
    options = _parser().parse_args()
    with exit_on_error():
        run(options)


if __name__ == "__main__":
    main()
