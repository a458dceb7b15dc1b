"""Scores trained models on a set of sentences: a table with intervals and p-values, JSON, and figures.

    python -m scripts.evaluate runs/toy
    python -m scripts.evaluate runs/toy/gru/seed1 runs/toy/gru/seed2 runs/toy/transformer/seed1 --beam 5
    python -m scripts.evaluate runs/multi30k --concatenate 6
    python -m scripts.evaluate runs/multi30k/transformer/seed1 --src newstest.en --ref newstest.de
    python -m scripts.evaluate runs/multi30k/transformer/seed2 earlier/evaluation/test --out both

RUN is a run folder, a checkpoint file, or a folder with finished runs inside; runs of one model with several seeds are
put together. Without --corpus or --src, each corpus that the runs were trained on is evaluated by itself. A folder that
an earlier evaluation of the same sentences wrote is a RUN too: its scores stand beside the new ones as they are, so
that seeds can be trained on several machines and no checkpoint has to be kept. Where all are such, say --corpus, --out.

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

from pipeline.atomic import write_text
from pipeline.circumstances import commit
from pipeline.data.corpus import Corpus
from pipeline.data.files import read_text_pair
from pipeline.data.loading import load_corpus
from pipeline.errors import UserError, exit_on_error
from pipeline.evaluation.content import evaluate_models
from pipeline.evaluation.kept import (
    EVALUATION,
    evaluated,
    is_evaluation,
    longest_trained,
    read_kept,
    sentences_hash,
    write_scores,
)
from pipeline.evaluation.scores import Run
from pipeline.evaluation.sentences import Sentences, longest_source, sentences_of, with_links
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


class Plan(NamedTuple):
    """What is evaluated together.

    Attributes:
        runs: What is scored.
        earlier: Folders of evaluations whose scores stand beside those.
        sentences: What on.
        out: Where the results go.
    """

    runs: Sequence[Loaded]
    earlier: Sequence[Path]
    sentences: Sentences
    out: Path


def evaluate(plan: Plan, options: argparse.Namespace) -> None:
    """Scores runs, puts the scores of earlier evaluations beside theirs, prints and writes it all.

    Raises:
        UserError: The two do not belong together, or scores of other runs would be lost.
    """
    runs, earlier, sentences, out = plan
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
    places = [(name, run.seed) for name in models for run in models[name]] + [(k.model, k.seed) for k in kept]
    _refuse_twice(places)
    if options.out is None:
        _refuse_to_lose(out, places, sentences)
    out.mkdir(parents=True, exist_ok=True)
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


def _refuse_to_lose(out: Path, places: Sequence[tuple[str, int]], sentences: Sentences) -> None:
    """Raises UserError where the evaluation in `out` is of other sentences than the one that would replace it, or has
    runs that that one has not."""
    before = evaluated(out)
    if before is None:
        return
    if before.sentences != sentences_hash(sentences.test):
        raise UserError(f"{out} has scores of other sentences; write to another folder (--out), or remove that one")
    lost = [f"{name}, seed {seed}" for name, seed in before.runs if (name, seed) not in places]
    if lost:
        raise UserError(
            f"{out} has the scores of {'; '.join(lost)} as well, which would be lost: evaluate those runs too, "
            "write to another folder (--out), or remove that one"
        )


def _draw(content: dict[str, Any], out: Path) -> None:
    for path in out.glob("length_*_joined*.png"):  # of an evaluation before
        path.unlink()
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


def _corpus_of(loaded: Loaded | None, options: argparse.Namespace) -> Corpus:
    """The corpus that is asked for, or else the one that a run was trained on; in the direction of the model."""
    data = loaded.run.data if loaded else {}
    name = options.corpus or data.get("corpus")
    if name is None:
        raise UserError(
            f"{loaded.run.checkpoint} has no config.yaml beside it; say what to score on: --corpus, or --src and --ref"
        )
    origin = loaded.translator.origin if loaded else None
    languages = [origin.src, origin.tgt] if origin else ["en", "de"]
    if options.languages:
        languages = options.languages.split("-")
        if len(languages) != 2:
            raise UserError(f"--languages is {options.languages!r}; expected two, like en-de")
    cache_dir = Path(data.get("cache_dir", "data/cache"))
    return load_corpus(name, *languages, cache_dir, data.get("revision") if options.corpus is None else None)


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
        "corpus; runs/evaluation/NAME for the file --src or where checkpoints have no run folder)",
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
    if options.val_links and (options.src or not options.links):
        raise UserError("--val_links needs --links, and a corpus with a validation split")
    for planned in _plans(options):
        evaluate(planned, options)


def _plans(options: argparse.Namespace) -> list[Plan]:
    """What is to be evaluated, each corpus by itself; what cannot be is found out here, before anything is scored."""
    earlier = [path for path in options.runs if is_evaluation(path)]
    if len(earlier) == len(options.runs):
        if options.corpus is None or options.out is None:
            raise UserError(
                "only earlier evaluations are given; say of which corpus they are, and where to: --corpus, --out"
            )
        if options.links or options.val_links:
            raise UserError("earlier evaluations hold no word links to compare with --links; give the runs instead")
        sentences = sentences_of(_corpus_of(None, options), options.split, longest_trained(earlier[0]))
        return [Plan([], earlier, sentences, options.out)]
    found = find_runs([path for path in options.runs if path not in earlier])
    runs = [Loaded(run, Translator.load(run.checkpoint, options.device)) for run in found]
    if options.src:
        pairs = read_text_pair(options.src, options.ref)
        sentences = Sentences(options.src.name, "file", pairs, (), False, None, None)
        if options.links:
            sentences = with_links(sentences, options.links, None)
        return [Plan(runs, earlier, sentences, options.out or Path("runs/evaluation") / options.src.stem)]
    groups: dict[str, list[Loaded]] = {}  # by text, not by name: one corpus may have been given as several paths
    for loaded in runs:
        groups.setdefault(options.corpus or loaded.translator.origin.content_hash, []).append(loaded)
    names = [options.corpus or str(group[0].run.data.get("corpus")) for group in groups.values()]
    if len(groups) > 1 and (options.out or earlier):
        given = "--out" if options.out else earlier[0]
        raise UserError(f"the runs are of {len(groups)} corpora ({', '.join(names)}), {given} of one: give --corpus")
    plans = [_plan(group, earlier, options) for group in groups.values()]
    if len({plan.out for plan in plans}) < len(plans):
        raise UserError(
            f"the runs are of {len(groups)} texts that go by one name ({', '.join(names)}), and their scores would go "
            "to one folder; evaluate the runs of one text at a time"
        )
    return plans


def _plan(runs: Sequence[Loaded], earlier: Sequence[Path], options: argparse.Namespace) -> Plan:
    """What is to be evaluated of runs on one corpus."""
    corpus = _corpus_of(runs[0], options)
    content_hash = corpus.content_hash()
    is_own = runs[0].translator.origin.content_hash == content_hash
    for run, translator in runs:
        if options.corpus is None and translator.origin.content_hash != content_hash:
            raise UserError(
                f"{run.checkpoint} was trained on another text than {corpus.name} holds now; to score it on this text "
                f"all the same, give --corpus"
            )
        direction = (translator.origin.src, translator.origin.tgt)
        if options.languages is None and direction != (corpus.src, corpus.tgt):
            raise UserError(
                f"{run.checkpoint} translates from {' to '.join(direction)}, {runs[0].run.checkpoint} from "
                f"{corpus.src} to {corpus.tgt}; evaluate those of one direction at a time"
            )
    longest = None
    if is_own:
        longest = longest_source(corpus, runs[0].translator.tokenizer, runs[0].run.data.get("max_len", math.inf))
    sentences = sentences_of(corpus, options.split, longest)
    if options.links:
        sentences = with_links(sentences, options.links, options.val_links)
    return Plan(runs, earlier, sentences, options.out or _default_out(runs[0].run, sentences, is_own=is_own))


def _default_out(run: TrainedRun, sentences: Sentences, *, is_own: bool) -> Path:
    """Beside the models; scores on another text than their own never take the place of those."""
    if run.folder is None:
        return Path("runs/evaluation") / f"{sentences.name}-{sentences.split}"
    name = sentences.split
    if not is_own:
        name += f"-{sentences.name}"
        if sentences.name == run.folder.parent.parent.name:
            name += f"-{sentences.content_hash[:8]}"
    return run.folder.parent.parent / "evaluation" / name


def main() -> None:
    options = _parser().parse_args()
    with exit_on_error():
        run(options)


if __name__ == "__main__":
    main()
