"""The tables and sentences that stand in documents, made from the JSON of runs and claims. No torch here."""

from collections.abc import Sequence
from typing import Any

from pipeline.claims_table import OUTCOMES, SAYS_COLUMN, how_tested, num_outcomes
from pipeline.markdown_blocks import joined_rows, markdown_table
from pipeline.measures import free_measure
from pipeline.plots import model_label
from pipeline.report import (
    commits_of,
    in_order,
    length_table,
    machine,
    made_at,
    means_over_seeds,
    results_table,
    run_labels,
)

THE_THREE = ("gru", "gru_attention", "transformer")
NO_GPU = "None of these runs is of a GPU."
MEANS = " (means; BLEU ± standard deviation)"


def scores(results: Sequence[dict[str, Any]]) -> str:
    """The scores of the models on a corpus, of several seeds their means; the score that shows the bottleneck by source
    length; and their origin."""
    synthetic = results[0]["corpus"]["is_synthetic"]
    what = "Sentences translated exactly right" if synthetic else "BLEU"
    means = means_over_seeds(results)
    note = MEANS if len(means) < len(results) else ""
    return "\n\n".join(
        [
            results_table(means, with_minutes=False),
            f"{what}, by source length:",
            length_table(means, free_measure(is_synthetic=synthetic)),
            f"Test set, greedy search; {_seeds(results)}{note}, {made_at(results)}. "
            "`nats/token` is teacher-forced, per target token.",
        ]
    )


def times(results: Sequence[dict[str, Any]]) -> str:
    """How long the three models took, by corpus and machine, toy first; and whether any had a GPU."""
    results = [result for result in results if result["model"] in THE_THREE]
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in sorted(results, key=lambda result: not result["corpus"]["is_synthetic"]):
        places.setdefault((result["corpus"]["name"], machine(result["hardware"])), []).append(result)
    rows = []
    for place, runs in places.items():
        least, most = (of(run["epochs"] for run in runs) for of in (min, max))
        seconds = {mean["model"]: mean["seconds"] for mean in means_over_seeds(runs)}
        cells = [_minutes(seconds[model]) if model in seconds else "–" for model in THE_THREE]
        together = _minutes(sum(seconds.values())) if len(seconds) == len(THE_THREE) else "–"
        rows.append([*place, str(most) if least == most else f"{least}–{most}", *cells, together])
    table = markdown_table(
        ["minutes of training", "on", "epochs", *map(model_label, THE_THREE), "together"], rows, num_texts=2
    )
    return table if any(result["hardware"]["gpu"] for result in results) else f"{table}\n\n{NO_GPU}"


def runs_made(results: Sequence[dict[str, Any]]) -> str:
    """What each run's numbers were made by: a table, then the commands, one for all seeds of a model where it is the
    same for them, and the versions of libraries."""
    results = in_order(results)
    labels = run_labels(results)
    rows = [
        [
            label,
            str(result["seed"]),
            ", ".join(commits_of(result)),
            machine(result["hardware"]),
            f"{_minutes(result['seconds'])} min",
            f"`{result['corpus']['content_hash'][:10]}`",
        ]
        for label, result in zip(labels, results, strict=True)
    ]
    header = ["run", "seed", "commit", "machine", "training", "text (SHA-256)"]
    commands: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {}
    for label, result in zip(labels, results, strict=True):
        of_seed = f"--seed_everything {result['seed']} "
        command = result["command"].replace(of_seed, "--seed_everything SEED ")
        commands.setdefault((result["model"], command), []).append((label, result))
    versions = {", ".join(f"{name} {number}" for name, number in result["versions"].items()) for result in results}
    return "\n\n".join(
        [
            markdown_table(header, rows, len(header)),
            "\n".join(_command(command, runs) for (_, command), runs in commands.items()),
            f"With {'; or with '.join(sorted(versions))}.",
        ]
    )


def _command(command: str, runs: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """A line: what the runs are called that a command made, and the command, which has `SEED` for several seeds."""
    [label, result], *others = runs
    if not others:
        return f"- {label}: `{result['command']}`"
    return f"- {model_label(result['model'])}, SEED {', '.join(str(run['seed']) for _, run in runs)}: `{command}`"


def verdicts(contents: Sequence[dict[str, Any]]) -> str:
    """Each claim, its verdict, and how its findings came out; what decided is in `claims_table`."""
    rows = []
    for content in contents:
        claim = content["claim"]
        counts = map(str, num_outcomes(content))
        rows.append([f"{claim['name']} {claim['title']}", claim["says"], f"**{content['verdict']}**", *counts])
    header = ["claim", SAYS_COLUMN, "verdict", *OUTCOMES]
    table = markdown_table(header, rows, len(header))
    return f"{table}\n\n{how_tested(contents)}" if contents else table


def claims_made(contents: Sequence[dict[str, Any]]) -> str:
    """What each verdict was made by."""
    rows = [
        [
            content["claim"]["name"],
            f"`{content['command']}`",
            content["profile"],
            ", ".join(commits_of(content)),
            content["date"],
            machine(content["hardware"]),
        ]
        for content in contents
    ]
    header = ["claims", "command", "profile", "commit", "date", "machine"]
    return markdown_table(header, joined_rows(rows), len(header))


def _seeds(results: Sequence[dict[str, Any]]) -> str:
    seeds = sorted({result["seed"] for result in results})
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"
