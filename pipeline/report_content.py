"""What the report says of each corpus, made from the JSON and YAML that runs leave. No torch here."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import evaluation_tables, report
from pipeline.charts import Chart, StepLine, length_chart, loss_chart
from pipeline.errors import UserError
from pipeline.finished_runs import finished_runs, read_results
from pipeline.json_files import read_json
from pipeline.markdown_blocks import Block, Table, blocks_of, table_of
from pipeline.measures import SHARES, factor, free_measure
from pipeline.plots import model_colour, model_label, model_order
from pipeline.settings import run_settings

# Measure → (heading, how it is obtained).
_MEASURES = {
    "nats_per_token": ("Nats per target token", "teacher-forced; lower is better"),
    "bleu": ("BLEU", "translated freely; higher is better"),
    "chrf": ("chrF2", "translated freely; higher is better"),
    "exact_match": ("Exact match (%)", "translated freely; higher is better"),
}
# Per token, of one run by its training, perhaps in bfloat16, and by an evaluation.
SAME_NATS = 1e-3
_EXPLORER_CODE = ("explorer", "word_maps", "alignment", "saliency", "curves")  # modules, beside those that load a run


class Score(NamedTuple):
    """One model's score, with the ends of its 95 % interval where there is one."""

    label: str
    colour: str
    value: float
    low: float | None
    high: float | None


class Scores(NamedTuple):
    """The scores of all models by one measure; `digits` formats them, bars are drawn from 0 to `top`."""

    heading: str
    how: str
    digits: str
    top: float
    of_models: list[Score]


class Setting(NamedTuple):
    """One setting of the networks: its value in each run, as text, and whether it is the same in all."""

    name: str
    values: list[str]
    is_same: bool


class CorpusRuns(NamedTuple):
    """Finished runs of one corpus, which a report is on.

    Attributes:
        folder: Of the corpus.
        runs: Their folders.
        inside: What holds just these: the folder of the corpus, or the part of it that was asked for.
    """

    folder: Path
    runs: list[Path]
    inside: Path

    @property
    def is_part(self) -> bool:
        return self.inside != self.folder

    @property
    def explorer(self) -> Path:
        """The explorer's data of these runs: a part of a corpus has its own, beside which those of all stay."""
        return self.inside / "explorer.json"


class CorpusReport(NamedTuple):
    """All that is shown of the runs of one corpus.

    Attributes:
        name: Of the corpus.
        source: Where its sentences come from.
        is_synthetic: Whether they are generated.
        labels: Of the runs, in the order of `table` and of each setting's values.
        settings: Of their networks.
        equal: Sentences that say what the runs share.
        table: Scores by greedy search.
        losses: Curves of training and validation.
        scores: One bar chart per measure.
        lengths: Scores by source length.
        tables: All tables of the evaluation; empty where it has not been run.
        evaluations: How its scores were made: by itself, and by those that it took scores from.
        note: What has not been run, or is out of date; empty where nothing is missing.
        results: The contents of results.json.
        explorer: The content of explorer.json, with labels and colours.
    """

    name: str
    source: str
    is_synthetic: bool
    labels: list[str]
    settings: list[Setting]
    equal: list[str]
    table: Table
    losses: list[Chart]
    scores: list[Scores]
    lengths: list[Chart]
    tables: list[Block]
    evaluations: list[dict[str, Any]]
    note: str
    results: list[dict[str, Any]]
    explorer: dict[str, Any]


def find_corpora(folder: Path) -> list[CorpusRuns]:
    """The finished runs inside `folder` by corpus; those that were set aside are left out.

    Raises:
        UserError: There is no finished run.
    """
    corpora: dict[Path, list[Path]] = {}
    for run in finished_runs(folder):
        corpora.setdefault(run.parent.parent, []).append(run)
    if not corpora:
        raise UserError(f"{folder} holds no finished run to report on; train the models first: make train")
    return [CorpusRuns(of, runs, of if of.is_relative_to(folder) else folder) for of, runs in corpora.items()]


def corpus_report(corpus: CorpusRuns) -> CorpusReport:
    """Reads what the runs of one corpus left, the explorer's data, and the evaluation where there is one."""
    results = report.in_order([read_results(run) | {"run": run} for run in corpus.runs])
    synthetic = results[0]["corpus"]["is_synthetic"]
    explorer = read_json(corpus.explorer)
    evaluated = corpus.folder / "evaluation" / "test" / "evaluation.json"
    evaluation = read_json(evaluated) if evaluated.is_file() else None
    if evaluation and corpus.is_part:
        evaluation = evaluation_tables.only_of(evaluation, {made["model"] for made in results})
    nats = nats_of_runs(evaluation) if evaluation else {}
    now = {(made["model"], made["seed"]): made["nats_per_token"]["test"] for made in results}
    note = ""
    if evaluation is None:
        note = "Not run yet: make evaluate. Until then scores are those of greedy search, without intervals."
    elif any(abs(nats[run] - now[run]) > SAME_NATS for run in nats.keys() & now.keys()):
        note = "The evaluation is of other weights than some of the runs have now: make evaluate renews it."
    elif now.keys() - nats.keys():
        note = "The evaluation lacks some of the runs, and so do the scores here: make evaluate takes all of them."
    return CorpusReport(
        name=results[0]["corpus"]["name"],
        source=results[0]["corpus"]["source"],
        is_synthetic=synthetic,
        labels=report.run_labels(results),
        settings=_settings([result["run"] for result in results]),
        equal=report.what_is_equal(results),
        table=table_of(report.results_table(results)),
        losses=_losses(explorer["curves"]),
        scores=_scores(results, evaluation),
        lengths=_lengths(results, evaluation, free_measure(is_synthetic=synthetic)),
        tables=blocks_of(evaluation_tables.evaluation_tables(evaluation)) if evaluation else [],
        evaluations=evaluation_tables.evaluations_in(evaluation) if evaluation else [],
        note=note,
        results=results,
        explorer=_labelled(explorer),
    )


def nats_of_runs(evaluation: dict[str, Any]) -> dict[tuple[str, int], float]:
    """Nats per token, by model and seed, of each run that an evaluation has."""
    return {
        (name, seed): nats
        for name, scores in evaluation["scores"]["models"].items()
        for seed, nats in zip(scores["seeds"], scores["nats_per_token"]["per_seed"], strict=True)
    }


def explorer_hashes(runs: Sequence[Path]) -> list[str]:
    """SHA-256 (hex) of what the explorer's data of `runs` are made of: each run's results.json, in an order of their
    own, and the code."""
    of_runs = sorted(hashlib.sha256((run / "results.json").read_bytes()).hexdigest() for run in runs)
    code = b"".join((Path(__file__).parent / f"{module}.py").read_bytes() for module in _EXPLORER_CODE)
    return [*of_runs, hashlib.sha256(code).hexdigest()]


def _settings(runs: Sequence[Path]) -> list[Setting]:
    networks = [_network(run) for run in runs]
    names = list(dict.fromkeys(name for network in networks for name in network))
    rows = [(name, [str(network.get(name, "–")) for network in networks]) for name in names]
    return [Setting(name, values, len(set(values)) == 1) for name, values in rows]


def _network(run: Path) -> dict[str, Any]:
    try:
        model = run_settings(run)["model"]
        network = {"class": model["network"]["class_path"].rpartition(".")[2], **model["network"]["init_args"]}
        return network | {name: value for name, value in model.items() if name not in ("network", "name")}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run / 'config.yaml'} does not describe a model ({error!r}); bring it back") from error


def _losses(runs: Sequence[dict[str, Any]]) -> list[Chart]:
    charts = []
    for tag, title in (("loss/val", "Validation loss"), ("loss/train", "Training loss")):
        lines = [
            StepLine(label, run["model"], run["scalars"][tag], is_faint=tag == "loss/train")
            for label, run in zip(report.run_labels(runs), runs, strict=True)
            if tag in run["scalars"]
        ]
        if any(value > 0 for line in lines for _, value in line.points):
            charts.append(loss_chart(title, lines, "nats per target token"))
    return charts


def _scores(results: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None) -> list[Scores]:
    groups = []
    for measure, (heading, how) in _MEASURES.items():
        if measure == "exact_match" and not results[0]["corpus"]["is_synthetic"]:
            continue
        scale = factor(measure)
        if evaluation is None:
            of_models = [
                Score(label, model_colour(r["model"]), scale * _own_score(r, measure), None, None)
                for label, r in zip(report.run_labels(results), results, strict=True)
            ]
        else:
            of_models = [
                Score(model_label(name), model_colour(name), *evaluation_tables.ends(values[measure], scale))
                for name, values in evaluation["scores"]["models"].items()
            ]
        searched = evaluation_tables.search_name(evaluation["search"]) if evaluation else "greedy search"
        how = how.replace("translated freely", searched)
        largest = max(max(score.value, score.high or 0) for score in of_models)
        top = (largest or 1) if measure == "nats_per_token" else 100
        digits = "%.3f" if measure == "nats_per_token" else "%.1f"
        groups.append(Scores(heading, how, digits, top, of_models))
    return groups


def _own_score(results: dict[str, Any], measure: str) -> float:
    return results["nats_per_token"]["test"] if measure == "nats_per_token" else results["test"][measure]


def _lengths(results: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None, free: str) -> list[Chart]:
    charts = []
    for measure in (free, "nats_per_token"):
        heading, _ = _MEASURES[measure]
        title, top = f"{heading} by source length", 100 if measure in SHARES else None
        if evaluation is None:
            charts.append(length_chart(title, report.curves_by_length(results, measure), heading, top))
        else:
            bands = evaluation["scores"]["by_length"]
            curves = evaluation_tables.length_curves(bands, measure)
            charts.append(length_chart(title, curves, heading, top, evaluation_tables.first_beyond(bands)))
    return charts


def _labelled(explorer: dict[str, Any]) -> dict[str, Any]:
    """The explorer's data without the curves, with what a model is called and its colour."""
    models = sorted(explorer["models"], key=lambda model: model_order(model["name"]))
    return {
        "languages": explorer["languages"],
        "sentences": explorer["sentences"],
        "models": [
            {**model, "label": model_label(model["name"]), "colour": model_colour(model["name"])} for model in models
        ],
    }
