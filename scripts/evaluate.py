"""Scores trained models on a set of sentences: a table with intervals and p-values, JSON, and figures.

    python -m scripts.evaluate runs/toy
    python -m scripts.evaluate runs/toy/gru/seed1 runs/toy/gru/seed2 runs/toy/transformer/seed1 --beam 5
    python -m scripts.evaluate runs/multi30k --concatenate 6
    python -m scripts.evaluate runs/multi30k/transformer/seed1 --src newstest.en --ref newstest.de
    python -m scripts.evaluate runs/multi30k/transformer/seed2 earlier/evaluation/test --out both
    python -m scripts.evaluate runs/multi30k/gru wide=wide-runs/multi30k/gru --out runs/comparison/wider

RUN is a run folder, a checkpoint file, or a folder with finished runs inside; runs of one model with several seeds are
put together, and those of one model with other settings stand beside them by a NAME of their own. Without --corpus or
--src, each corpus that the runs were trained on is evaluated by itself. A folder that an earlier evaluation of the same
sentences wrote is a RUN too: its scores stand beside the new ones as they are, so that seeds can be trained on several
machines and no checkpoint has to be kept. Where all are such, say --corpus, --out.

What is measured. Teacher-forced (each model is given the reference so far): nats per target token, perplexity, tokens
right. Translated freely: BLEU (13a, cased) and chrF2 by sacreBLEU, B-tok (tokenize=none) on tokenised text, exact match
on synthetic corpora. Nats, BLEU, chrF2, B-tok, tokens right and exact match have a 95 % interval, by bootstrap over
sentences and, with several seeds, by their variance; every two models are compared on the same resampled sentences. By
source length: nats per token, BLEU and exact match, on the text that the runs were trained on with lengths beyond
training kept apart. Alignments: where gold links are known, the alignment error rate (with an interval), precision and
recall of each model's attention (layer, head and step chosen on validation) and of its saliency, the error rate per
phenomenon too, beside the diagonal, chance, IBM Model 1 and the untrained model. The keys of the JSON are explained in
pipeline/evaluation/content.py (evaluate_models) and in what it names.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.atomic import write_text
from pipeline.circumstances import commit, default_device, limit_threads
from pipeline.errors import exit_on_error
from pipeline.evaluation.content import evaluate_models
from pipeline.evaluation.kept import EVALUATION, staging, write_scores
from pipeline.evaluation.plan import Options, Plan, given_run, plans
from pipeline.evaluation_tables import first_beyond, length_curves, search_name, tables_and_origin
from pipeline.json_files import write_json
from pipeline.measures import SHARES, free_measure
from pipeline.paths import expanded
from pipeline.plots import curves_figure
from pipeline.provenance import provenance


def evaluate(plan: Plan, device: str) -> None:
    """Scores runs, puts the scores of earlier evaluations beside theirs, prints and writes it all."""
    with staging(plan.out) as staged:
        plan.refuse_to_lose()  # once more: another evaluation may have come there since the plan was made
        content, scored = evaluate_models(plan.models, plan.kept, plan.sentences, plan.search, plan.concatenate, _say)
        content |= provenance("scripts.evaluate", device)
        tables = tables_and_origin(content)
        for name, of_runs in scored.items():
            for run in of_runs:
                write_scores(staged, name, run.seed, run.scores)
        write_text(staged / "tables.md", tables)
        _draw(content, staged)
        write_json(staged / EVALUATION, content)
    print(
        f"\n{tables}\nJSON, tables, figures, translations (*.hyp) and scores (*.jsonl), a sentence a line: {plan.out}"
    )


def _draw(content: dict[str, Any], out: Path) -> None:
    corpus = content["corpus"]
    free = free_measure(is_synthetic=corpus["is_synthetic"])
    free_label = {"exact_match": "translated exactly right (%)", "bleu": "BLEU"}[free]
    how_free = search_name(content["search"]).partition(",")[0]
    measures = (("nats_per_token", "nats per target token", "teacher-forced"), (free, free_label, how_free))
    for measure, label, how in measures:
        parts = {"": content["scores"]["by_length"]}
        parts |= {f", {j['k']} sentences joined": j["scores"]["by_length"] for j in content.get("concatenated", [])}
        for number, (what, bands) in enumerate(parts.items(), 1):
            figure = curves_figure(
                length_curves(bands, measure),
                "source length (words)",
                label,
                f"{corpus['name']}, {corpus['split']}{what}, {how}",
                is_percentage=measure in SHARES,
                first_beyond=first_beyond(bands),
            )
            figure.savefig(out / f"length_{measure}{f'_joined{number}' if what else ''}.png", dpi=150)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text} …", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs",
        metavar="[NAME=]RUN",
        nargs="+",
        type=given_run,
        help="run folder, checkpoint, folder of runs, or earlier evaluation; NAME tells runs of one model apart",
    )
    parser.add_argument(
        "--corpus",
        help="score on this corpus instead of the runs' own: toy, multi30k, folder, owner/name[:config]",
    )
    parser.add_argument("--languages", help="source and target language of --corpus, like en-de")
    parser.add_argument("--split", choices=("val", "test"), help="of the corpus (default: test)")
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
    parser.add_argument("--device", default=default_device(), help="cpu or cuda")
    parser.add_argument(
        "--out",
        type=expanded,
        help="folder for results, which may hold others (default, which may not: evaluation/SPLIT beside the models' "
        "folders, SPLIT-NAME for another corpus; RUNS/evaluation/NAME for the file --src; runs/evaluation/NAME-SPLIT "
        "for a corpus where checkpoints have no run folder)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Evaluates what the options name, each corpus by itself."""
    commit()  # of the code that is loaded now, whatever is committed meanwhile
    for planned in plans(Options(**vars(options))):
        evaluate(planned, options.device)


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        run(options)


if __name__ == "__main__":
    main()
