"""This project's scores beside those that others published, each with its metric. No torch here."""

from collections.abc import Sequence
from typing import Any

from pipeline.plots import model_label
from pipeline.report import markdown_table, mean_and_sd, means_over_seeds

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
    metrics = {"bleu_tok": "B-tok", "bleu": "13a"}
    for evaluation in evaluations:
        measure = "bleu_tok" if any("bleu_tok" in m for m in evaluation["scores"]["models"].values()) else "bleu"
        for model, values in evaluation["scores"]["models"].items():
            score = mean_and_sd(values[measure]["per_seed"])
            if values[measure]["low"] is not None:
                score += " [{low:.1f}, {high:.1f}]".format(**values[measure])
            search = "beam {beam}, α = {alpha:g}".format(**evaluation["search"])
            how = f"`make evaluate`: {search}, {_seeds(values['seeds'])}"
            rows.append(ours(model_label(model), score, metrics[measure], how))
    used = dict.fromkeys(row[-2] for row in rows)
    legend = "\n".join(f"- **{name}**: {published['metrics'][name]}" for name in used)
    return "\n\n".join([markdown_table(["system", *tests.values(), "metric", "source"], rows, len(tests) + 3), legend])


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean ± sd of {len(seeds)} seeds"
