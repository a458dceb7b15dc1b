"""Tables made from results, never typed. No torch here."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pipeline.markdown_blocks import markdown_table
from pipeline.measures import SHARES, factor
from pipeline.plots import Curve, Point, model_label, model_order
from pipeline.statistics import ENOUGH_SENTENCES

# In the place of a difference per token, where two models count different ones.
OTHER_TOKENS = "other tokens"


def results_table(results: Sequence[dict[str, Any]], *, with_minutes: bool = True) -> str:
    """The table that compares runs, as aligned Markdown.

    Args:
        results: The contents of results.json files, or what `means_over_seeds` makes of them.
        with_minutes: Show how long training took, which says something on one's own machine only.
    """
    results = in_order(results)
    columns: dict[str, list[str]] = {"model": run_labels(results)}
    if any(len(r.get("seeds", ())) > 1 for r in results):
        columns["seeds"] = [", ".join(map(str, r["seeds"])) for r in results]
    columns["parameters"] = [f"{r['parameters']:,}" for r in results]
    columns["steps"] = [f"{r['steps']:,.0f}" for r in results]
    columns["target tokens"] = [f"{r['target_tokens_seen'] / 1e6:.2f} M" for r in results]
    if with_minutes:
        columns["minutes"] = [f"{r['seconds'] / 60:.1f}" for r in results]
    for split, name in (("train", "nats/token train"), ("val", "val"), ("test", "test")):
        columns[name] = [f"{r['nats_per_token'][split]:.3f}" for r in results]
    columns["BLEU"] = [mean_and_sd(r["test"].get("bleu_of_seeds", [r["test"]["bleu"]])) for r in results]
    columns["chrF2"] = [f"{r['test']['chrf']:.1f}" for r in results]
    columns["exact match"] = [_percent(r["test"]["exact_match"]) for r in results]
    columns["tokens right"] = [_percent(r["test"]["token_accuracy_teacher_forced"]) for r in results]
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)))


def run_labels(results: Sequence[dict[str, Any]]) -> list[str]:
    """The name of each run: its model's, with the seed where several runs are of one model, and with what is its own of
    its path, `run`, where these have one seed."""
    models = [result["model"] for result in results]
    labels = [
        model_label(result["model"]) + (f", seed {result['seed']}" if models.count(result["model"]) > 1 else "")
        for result in results
    ]
    paths: dict[str, list[Path]] = {}
    for label, result in zip(labels, results, strict=True):
        if labels.count(label) > 1:
            paths.setdefault(label, []).append(Path(result["run"]))
    own = {label: iter(_own_parts(of_label)) for label, of_label in paths.items()}
    return [f"{label} ({next(own[label])})" if label in own else label for label in labels]


def _own_parts(paths: Sequence[Path]) -> list[str]:
    """Of each path what is left without the parts with which all begin, and end."""
    parts = [list(path.parts) for path in paths]
    for place in (0, -1):
        while min(map(len, parts)) > 1 and len({of_path[place] for of_path in parts}) == 1:
            for of_path in parts:
                of_path.pop(place)
    return ["/".join(of_path) for of_path in parts]


def means_over_seeds(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One content per model, in the order of the lesson, whose numbers are the means of its runs'; it also has their
    `seeds` and `test.bleu_of_seeds`. What is not a number, and `seed`, is that of the first run."""
    of_models: dict[str, list[dict[str, Any]]] = {}
    for result in in_order(results):
        of_models.setdefault(result["model"], []).append(result)
    means = []
    for runs in of_models.values():
        mean = _mean(runs) | {"seed": runs[0]["seed"], "seeds": [run["seed"] for run in runs]}
        mean["test"]["bleu_of_seeds"] = [run["test"]["bleu"] for run in runs]
        means.append(mean)
    return means


def _mean(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {key: _mean([value[key] for value in values]) for key in first if all(key in value for value in values)}
    if isinstance(first, list):
        return [_mean(of_place) for of_place in zip(*values, strict=False)]
    if all(value == first for value in values) or not isinstance(first, int | float):
        return first
    return fmean(values)


def mean_and_sd(of_seeds: Sequence[float]) -> str:
    """A mean, and the standard deviation (n − 1) where there are several."""
    sd = f" ± {stdev(of_seeds):.1f}" if len(of_seeds) > 1 else ""
    return f"{fmean(of_seeds):.1f}{sd}"


def shown_p_value(p_value: float | None) -> str:
    """ "p 0.020", or "p < 0.001"; "p –" where there is none."""
    if p_value is None:
        return "p –"
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def short_commit(commit: str | None) -> str:
    """What `circumstances.commit` gave, short, and with its mark of changed files; "unknown" where it gave nothing."""
    digits, mark, _ = (commit or "unknown").partition("+changes")
    return digits[:10] + mark


def commits_of(made: dict[str, Any]) -> list[str]:
    """The commits of earlier code with which a run began, and that of the code that ended it, as Markdown."""
    return [f"`{short_commit(commit)}`" for commit in (*made.get("earlier_commits", ()), made["commit"])]


def machine(hardware: dict[str, Any]) -> str:
    """What computed: the GPU or, where there was none, the processor and the threads."""
    return hardware["gpu"] or f"{hardware['processor']}, {hardware['threads']} thread(s)"


def made_at(contents: Sequence[dict[str, Any]]) -> str:
    """ "commit `0123456789`, a processor, 2 thread(s)": all commits and machines that results are of."""
    commits = sorted({commit for made in contents for commit in commits_of(made)})
    machines = sorted({machine(made["hardware"]) for made in contents})
    return f"commit {', '.join(commits)}, {'; '.join(machines)}"


def in_order(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs in the order of the lesson, then by seed."""
    return sorted(results, key=lambda result: (model_order(result["model"]), result["seed"]))


def length_table(results: Sequence[dict[str, Any]], value: str) -> str:
    """A score per band of source length that has sentences enough (`drawn_bands`), one row per model."""
    results = in_order(results)
    bands = drawn_bands(results[0]["test"]["by_source_length"])
    header = ["source words"] + [band_label(band) for band in bands]
    rows = [["sentences", *(str(band["n"]) for band in bands)]]
    for label, result in zip(run_labels(results), results, strict=True):
        shown = drawn_bands(result["test"]["by_source_length"])
        show = _percent if value in SHARES else lambda score: f"{score:.1f}"
        rows.append([label, *(show(band[value]) for band in shown)])
    return markdown_table(header, rows)


def drawn_bands(bands: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bands of length that are shown: those with sentences enough for an interval; if none has, all with any.

    One model would be ahead of another by the luck of two sentences.
    """
    filled = [band for band in bands if band["n"]]
    return [band for band in filled if band["n"] >= ENOUGH_SENTENCES] or filled


def curves_by_length(results: Sequence[dict[str, Any]], value: str) -> list[Curve]:
    """A score against source length, one curve per run; shares in percent."""
    results = in_order(results)
    scale = factor(value)
    return [
        Curve(
            label,
            result["model"],
            [
                Point(f"{band_label(band)}\nn={band['n']}", scale * band[value])
                for band in drawn_bands(result["test"]["by_source_length"])
            ],
        )
        for label, result in zip(run_labels(results), results, strict=True)
    ]


def what_is_equal(results: list[dict[str, Any]]) -> list[str]:
    """Says which runs started from the same weights, and whether all of a seed saw the same batches."""
    lines = []
    by_hash: dict[str, list[str]] = {}
    for label, result in zip(run_labels(results), results, strict=True):
        by_hash.setdefault(result["initial_weights_hash"], []).append(label)
    for weights, models in by_hash.items():
        if len(models) > 1:
            lines.append(f"Same initial weights ({weights[:8]}): {', '.join(models)}.")
    orders: dict[int, set[str]] = {}
    for result in results:
        orders.setdefault(result["seed"], set()).add(result["batch_order_hash"])
    if len(results) > 1:
        same = all(len(of_seed) == 1 for of_seed in orders.values())
        shown = ", ".join(order[:8] for of_seed in orders.values() for order in of_seed)
        every = "all" if len(orders) == 1 else "all of a seed"
        lines.append(f"Same batches in the same order: {f'{every} ({shown})' if same else 'no, they differ'}.")
    return lines


def band_label(band: dict[str, Any]) -> str:
    """ "11–20", or "61+" for the open band."""
    return f"{band['low']}–{band['high']}" if band["high"] else f"{band['low']}+"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
