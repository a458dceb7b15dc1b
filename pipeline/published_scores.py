"""This project's scores beside those that others published, each with its metric. No torch here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.evaluation_tables import evaluations_in
from pipeline.markdown_blocks import markdown_table
from pipeline.plots import model_label
from pipeline.report import made_at, mean_and_sd, means_over_seeds

_OURS = "this project: "


def published_scores(
    published: dict[str, Any], results: Sequence[dict[str, Any]], evaluations: Sequence[dict[str, Any]]
) -> str:
    """One table: others' systems in the order of the file, then ours.

    Args:
        published: The content of `published.json`: `tests`, the test sets with their titles; `metrics`, what each
            means; `systems`, each with its `metric` and `source`, and a score per test set as its source writes it.
        results: Runs, scored as `make train` does: greedy search, on the test set named `results_test` in `published`.
        evaluations: What `make evaluate` found, on the same test set. On tokenised text it has B-tok, with which most
            published scores compare; without, only what stands in `results` with an interval.
    """
    tests = published["tests"]
    rows = [
        [system["system"], *(system.get(test, "") for test in tests), system["metric"], system["source"]]
        for system in published["systems"]
    ]

    def ours(name: str, score: str, metric: str, how: str) -> list[str]:
        cells = [f"**{score}**" if test == published["results_test"] else "" for test in tests]
        return [f"**{_OURS}{name}**", *cells, metric, how]

    for result in means_over_seeds(results):
        how = f"`make train`: greedy search, {_seeds(result['seeds'])}"
        rows.append(ours(model_label(result["model"]), mean_and_sd(result["test"]["bleu_of_seeds"]), "13a", how))
    rows += [ours(row.model, row.score, row.metric, row.how) for row in _evaluated(evaluations)]
    used = dict.fromkeys(row[-2] for row in rows)
    legend = "\n".join(f"- **{name}**: {published['metrics'][name]}" for name in used)
    return "\n\n".join([markdown_table(["system", *tests.values(), "metric", "source"], rows, len(tests) + 3), legend])


def evaluated_scores(evaluations: Sequence[dict[str, Any]]) -> str:
    """One table: what `make evaluate` found by beam search, with its 95 % interval, on each form of a text."""
    rows = [[row.model, row.score, row.metric, row.corpus, row.how] for row in _evaluated(evaluations)]
    table = markdown_table(["model", "BLEU", "metric", "text", "how"], rows, num_texts=5)
    made = [one for evaluation in evaluations for one in evaluations_in(evaluation)]
    return f"{table}\n\nTranslated and scored at {made_at(made)}." if made else table


class _Evaluated(NamedTuple):
    """One model's score by beam search, as it is shown."""

    model: str
    score: str
    metric: str
    corpus: str
    how: str


def _evaluated(evaluations: Sequence[dict[str, Any]]) -> list[_Evaluated]:
    """B-tok on tokenised text; else sacreBLEU's own, 13a."""
    rows = []
    for evaluation in evaluations:
        models = evaluation["scores"]["models"]
        measure, metric = ("bleu_tok", "B-tok") if any("bleu_tok" in m for m in models.values()) else ("bleu", "13a")
        search = "beam {beam}, α = {alpha:g}".format(**evaluation["search"])
        for model, values in models.items():
            score = mean_and_sd(values[measure]["per_seed"])
            if values[measure]["low"] is not None:
                score += " [{low:.1f}, {high:.1f}]".format(**values[measure])
            how = f"`make evaluate`: {search}, {_seeds(values['seeds'])}"
            rows.append(_Evaluated(model_label(model), score, metric, evaluation["corpus"]["name"], how))
    return rows


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean ± sd of {len(seeds)} seeds"
