"""What the trainings of `natural_text` say of the claims: findings, each with its threshold, and the figure.

Criterion. C0: on single captions attention has 5 BLEU more than the strongest model without it, in a Transformer too
than the mean of its states, and the Transformer more than the GRU with attention, with their whole intervals, and nats
per token agree (against the model without it that has the fewest of them). C1: with three captions joined attention
saves nats per token against the better of last and mean there, it saves more there than on single ones, and on single
ones it has 1 BLEU more. C7: reading both ways saves nats per token, for the GRU with attention and for the Transformer.
None of them is primary. Controls ask of every model that is compared whether it has learned to translate at all: more
than 15 BLEU on single captions. A finding is decided only where both of its models have.

What this does not show: models trained to their end, which docs/results.md has: how far attention is ahead of a model
that has hardly learned by then decides nothing. Who learns faster is asked too: in trials with one seed the GRU with
attention was ahead after 600 steps, on single captions the Transformer after 900; the quick profile has 1,000, since
after 800 the control of the GRU with attention was undecided (by its own three seeds the Transformer is not ahead in
nats by then). Three seeds say little about others. Longer sources are also rarer in training: each k is drawn as often,
in as many sentences. Sentences that are joined have nothing to do with each other, so no reach beyond one is asked for;
and they stay in their order. One language pair, one kind of sentence. Blocks of six sentences are resampled.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.claims import verdict
from pipeline.claims.inference import by_end, difference_in, ends_of, minus, ratio_score, strongest
from pipeline.claims.jobs import Results
from pipeline.claims.natural_text import JOINED, LONGEST_TRAINED, PROFILES, Text, grid
from pipeline.claims.verdict import Finding
from pipeline.metrics import score_of_counts
from pipeline.panels import LegendEntry, LinePanel, Panel
from pipeline.statistics import SumScore, estimate

MODELS = {
    "last": LegendEntry("GRU, no attention (last state)", "gru"),
    "mean": LegendEntry("GRU, no attention (mean of states)", "gru_mean"),
    "uniform": LegendEntry("GRU, equal weights", "gru_uniform"),
    "all": LegendEntry("GRU → + attention", "gru_attention"),
    "bigru": LegendEntry("GRU ⇄ + attention", "gru_attention_both"),
    "causal": LegendEntry("Transformer, causal encoder", "transformer", dashed=True),
    "transformer_mean": LegendEntry("Transformer, mean of states", "transformer", dashed=True),
    "transformer": LegendEntry("Transformer", "transformer"),
}
WITHOUT_OF = {"C0": ("last", "mean", "uniform"), "C1": ("last", "mean")}  # attention is compared with the best
LEARNED = 15.0  # BLEU of single captions
SINGLE, LONGEST = 1, LONGEST_TRAINED


class Compared(NamedTuple):
    """A finding, and the models that it is about."""

    finding: Finding
    models: tuple[str, str]


class Measured:
    """The runs of one claim, by model; a model whose runs are not all there has none."""

    def __init__(self, runs: dict[str, list[dict[str, Any]]]) -> None:
        self._runs = runs

    def nats(self, model: str, k: int) -> list[SumScore]:
        """Nats per token with k sentences joined, one score per seed."""
        return [ratio_score(run["nats"][str(k)], run["tokens"][str(k)]) for run in self._runs[model]]

    def growth(self, model: str) -> list[SumScore]:
        """Nats per token with `LONGEST` sentences joined minus those of single ones."""
        return [minus(*of_run) for of_run in zip(self.nats(model, LONGEST), self.nats(model, SINGLE), strict=True)]

    def bleu(self, model: str, k: int = SINGLE) -> list[SumScore]:
        """BLEU of greedy translations with k sentences joined."""
        return [score_of_counts("bleu", run["bleu"][str(k)]) for run in self._runs[model]]

    def control(self, model: str) -> Finding:
        """Whether a model has learned to translate at all."""
        return verdict.above(f"control, captions: BLEU of {MODELS[model].label}", estimate(self.bleu(model)), LEARNED)

    def saves(self, what: str, ours: str, theirs: str, k: int = SINGLE) -> Compared:
        """That ours has fewer nats per token."""
        saved = difference_in(self.nats(theirs, k), self.nats(ours, k))
        return Compared(verdict.above(what, saved, 0.0), (ours, theirs))

    def is_ahead(self, what: str, ours: str, theirs: str, by: float) -> Compared:
        """That ours has more BLEU on single sentences, by more than `by`."""
        return Compared(verdict.above(what, difference_in(self.bleu(ours), self.bleu(theirs)), by), (ours, theirs))

    def strongest_in_bleu(self, models: Sequence[str]) -> str:
        """The model with the best mean over seeds on single captions; where one is missing, that one."""
        return strongest({model: self.bleu(model) for model in models}, lowest=False)

    def strongest_in_nats(self, models: Sequence[str], k: int) -> str:
        """The same by nats per token with k sentences joined."""
        return strongest({model: self.nats(model, k) for model in models}, lowest=True)


def order(measured: Measured) -> list[Compared]:
    """Of C0."""
    without = WITHOUT_OF["C0"]
    in_bleu, in_nats = measured.strongest_in_bleu(without), measured.strongest_in_nats(without, SINGLE)
    ahead = "captions: BLEU, attention minus the strongest without"
    saved = "captions: nats per token saved by"
    return [
        measured.is_ahead(f"{ahead}: {MODELS[in_bleu].label}", "all", in_bleu, by=5.0),
        measured.is_ahead("captions: BLEU, Transformer minus GRU → + attention", "transformer", "all", by=0.0),
        measured.is_ahead(
            "captions: BLEU, Transformer, attention minus mean of states", "transformer", "transformer_mean", by=5.0
        ),
        measured.saves(f"{saved} attention, against {MODELS[in_nats].label}", "all", in_nats),
        measured.saves(f"{saved} the Transformer, against GRU → + attention", "transformer", "all"),
    ]


def bottleneck(measured: Measured) -> list[Compared]:
    """Of C1."""
    without = WITHOUT_OF["C1"]
    in_bleu, in_nats = measured.strongest_in_bleu(without), measured.strongest_in_nats(without, LONGEST)
    grows = difference_in(measured.growth(in_nats), measured.growth("all"))
    return [
        measured.saves(
            f"{LONGEST} captions joined: nats per token saved by attention, against {MODELS[in_nats].label}",
            "all",
            in_nats,
            LONGEST,
        ),
        Compared(
            verdict.above(f"nats per token that it saves more on {LONGEST} captions than on single ones", grows, 0.0),
            ("all", in_nats),
        ),
        measured.is_ahead(f"captions: BLEU, attention minus {MODELS[in_bleu].label}", "all", in_bleu, by=1.0),
    ]


def direction(measured: Measured) -> list[Compared]:
    """Of C7."""
    saved = "captions: nats per token saved by reading both ways"
    return [
        measured.saves(f"{saved}, GRU + attention", "bigru", "all"),
        measured.saves(f"{saved}, Transformer", "transformer", "causal"),
    ]


FINDINGS = {"C0": order, "C1": bottleneck, "C7": direction}


def judge(claim: str, results: Results, profile: str, text: Text) -> tuple[list[Finding], dict[str, Any]]:
    """Findings of one of `FINDINGS`, and the numbers of the figure."""
    runs = {model: results.seeds(of_model) for model, of_model in grid(claim, profile, text).items()}
    measured = Measured(runs)
    compared = FINDINGS[claim](measured)
    controls = {model: measured.control(model) for one in compared for model in one.models}
    findings = [verdict.dependent(one.finding, [controls[model] for model in one.models]) for one in compared]
    findings += controls.values()
    done = [model for model in runs if runs[model]]
    numbers = {
        "nats_per_token": {m: [ends_of(estimate(measured.nats(m, k))) for k in JOINED] for m in done},
        "bleu": {m: [ends_of(estimate(measured.bleu(m, k))) for k in JOINED] for m in done},
        "history": {m: [run["history"] for run in runs[m]] for m in done},
        "parameters": {m: runs[m][0]["parameters"] for m in done},
        "sentences": len(JOINED) * PROFILES[profile]["blocks"],
    }
    return findings, numbers


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Nats per token and BLEU over the number of sentences joined."""
    models = list(numbers["bleu"])
    return [
        LinePanel(
            f"Captions joined (up to {numbers['sentences']} sentences)",
            "captions in a source",
            y_label,
            [MODELS[model].line(JOINED, *by_end(numbers[measure][model])) for model in models],
            shaded=(1, LONGEST_TRAINED),
        )
        for measure, y_label in (("nats_per_token", "nats per token, teacher-forced"), ("bleu", "BLEU, greedy"))
    ]
