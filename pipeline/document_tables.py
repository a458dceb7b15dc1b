"""The tables and sentences that stand in documents, made from the JSON of runs and claims. No torch here."""

from collections.abc import Sequence
from typing import Any

from pipeline.plots import model_label
from pipeline.report import in_order, length_table, markdown_table, results_table, run_labels, short_commit, text_table

THE_THREE = ("gru", "gru_attention", "transformer")
NO_GPU = "No GPU has been measured yet."


def scores(results: Sequence[dict[str, Any]]) -> str:
    """The scores of all runs of a corpus, the score that shows the bottleneck by source length, and their origin."""
    synthetic = results[0]["corpus"]["is_synthetic"]
    what = "Sentences translated exactly right" if synthetic else "BLEU"
    return "\n\n".join(
        [
            results_table(results, with_minutes=False),
            f"{what}, by source length:",
            length_table(results, "exact_match" if synthetic else "bleu"),
            f"Test set, greedy search; seed {_seeds(results)}, commit {', '.join(_commits(results))}, "
            f"{'; '.join(_machines(results))}. `nats/token` is teacher-forced, per target token.",
        ]
    )


def times(results: Sequence[dict[str, Any]]) -> str:
    """How long the three models took, by corpus, machine and epochs, toy first; and whether any had a GPU."""
    results = [result for result in results if result["model"] in THE_THREE]
    seconds: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for result in sorted(results, key=lambda result: not result["corpus"]["is_synthetic"]):
        place = (result["corpus"]["name"], _machine(result["hardware"]), str(result["epochs"]))
        seconds.setdefault(place, {}).setdefault(result["model"], []).append(result["seconds"])
    rows = []
    for place, of_models in seconds.items():
        means = {model: sum(found) / len(found) for model, found in of_models.items()}
        cells = [_minutes(means[model]) if model in means else "–" for model in THE_THREE]
        together = _minutes(sum(means.values())) if len(means) == len(THE_THREE) else "–"
        rows.append([*place, *cells, together])
    table = markdown_table(
        ["minutes of training", "on", "epochs", *map(model_label, THE_THREE), "together"], rows, num_texts=2
    )
    return table if any(result["hardware"]["gpu"] for result in results) else f"{table}\n\n{NO_GPU}"


def runs_made(results: Sequence[dict[str, Any]]) -> str:
    """What each run's numbers were made by: a table, then the commands and the versions of libraries."""
    results = in_order(results)
    labels = run_labels(results)
    rows = [
        [
            label,
            str(result["seed"]),
            _commit(result),
            _machine(result["hardware"]),
            f"{_minutes(result['seconds'])} min",
            f"`{result['corpus']['content_hash'][:10]}`",
        ]
        for label, result in zip(labels, results, strict=True)
    ]
    header = ["run", "seed", "commit", "machine", "training", "text (SHA-256)"]
    commands = [f"- {label}: `{result['command']}`" for label, result in zip(labels, results, strict=True)]
    versions = {
        ", ".join(f"{name} {number}" for name, number in result["versions"].items() if number) for result in results
    }
    return "\n\n".join(
        [
            markdown_table(header, rows, len(header)),
            "\n".join(commands),
            f"With {'; or with '.join(sorted(versions))}.",
        ]
    )


def verdicts(contents: Sequence[dict[str, Any]]) -> str:
    """Each claim, its verdict, and how its findings came out; what decided is in `claims_table`."""
    outcomes = ("passes", "fails", "undecided")
    rows = []
    for content in contents:
        found = [finding["outcome"] for finding in content["findings"]]
        claim = content["claim"]
        counts = [str(found.count(outcome)) for outcome in outcomes]
        rows.append([f"{claim['name']} {claim['title']}", claim["says"], f"**{content['verdict']}**", *counts])
    return text_table(
        ["claim", "the article says, in short", "verdict", "findings that pass", "fail", "undecided"], rows
    )


def claims_made(contents: Sequence[dict[str, Any]]) -> str:
    """What each verdict was made by."""
    rows = [
        [
            content["claim"]["name"],
            f"`{content['command']}`",
            content["profile"],
            _commit(content),
            content["date"],
            _machine(content["hardware"]),
        ]
        for content in contents
    ]
    return text_table(["claim", "command", "profile", "commit", "date", "machine"], rows)


def _seeds(results: Sequence[dict[str, Any]]) -> str:
    return ", ".join(str(seed) for seed in sorted({result["seed"] for result in results}))


def _commit(content: dict[str, Any]) -> str:
    """The commit of the code, and of earlier code with which a run began."""
    commits = [*content.get("earlier_commits", ()), content["commit"]]
    return ", ".join(f"`{short_commit(commit)}`" for commit in commits)


def _commits(contents: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({_commit(content) for content in contents})


def _machine(hardware: dict[str, Any]) -> str:
    return hardware["gpu"] or f"{hardware['processor']}, {hardware['threads']} thread(s)"


def _machines(results: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({_machine(result["hardware"]) for result in results})


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"
