"""C2: vanishing gradients.

The article: with attention, learning does not pass through the whole process one step after the other; only the output
of attention is used, so values arrive without going through time steps, and gradients do not vanish.

Literature: the longest path between two positions has O(n) steps in a recurrent network and O(1) in self-attention
(Vaswani et al. 2017, Table 1); self-attention over the states of a recurrent network mitigates vanishing (Kerg et al.
2020); but gated networks "tend to not suffer from the vanishing gradient problem" (Sutskever et al. 2014 of LSTMs). So
the claim has three parts. A: attention gives the loss a direct way to a far source symbol. B: therefore learning a far
dependence takes fewer steps. And literally: values *need not* go through time steps at all.

Set-up: one answer, then noise, then the question: the one relevant symbol is known and stands at a known distance d.
What is measured is g = ‖∂ loss / ∂ e_1‖ ÷ ‖∂ loss / ∂ logits‖: how much a unit of error is worth at the answer's vector
e_1. A is measured before training and after it, B as steps to 90 % at the longest distance; training mixes all
distances, so that every model may learn the short ones first. With stop-gradients g is split into three ways that add
up exactly: attention alone; attention to a later state of HS and from there through time; the decoder's start (the last
state) and from there through time. For the literal claim, GRUs with attention are trained once with gradients through
time and once with gradients cut after one step, in encoder and decoder, so that only attention leads back: on
recalling, where the far symbol itself is all that counts, and on copying, where a state must also know where it is.
Controls: a tanh network (vanishing must be seen where it is known to be); attention with equal weights (a path without
choice); a GRU whose gates start open to the past (a remedy without attention). Held equal: sizes, batches, steps,
learning rate, and for the GRUs the initial weights.

Criterion: A, both before and after training: the slope of log g over d is at most half as steep with attention, and
g(40) / g(1) at least 10 times as large (whole interval above 3). After training that says something of the path only
where the GRU has learned (90 % at the longest distance): else it is undecided. A control asks the same of the GRU whose
gates start open: does attention lead back more than the other remedy? B: at most half the steps. The literal claim:
cutting costs at most 0.05 nats of copying, and recalling is learned (90 %) with gradients cut.

What this does not show: that only attention helps. Gates that start open do too (see the figure), and so does training:
who has learned to recall has learned to keep its state, and who has not may have a small g for not using the answer. So
what is measured before is of the path alone, and what is measured after asks whether vanishing outlasts learning. Steps
are read off every ten, so seeds may agree by rounding. The learning rate is one for all. Where a model never gets to 90
%, its steps are those of the whole training, a lower bound. g depends on the size of token vectors, so only its fall
over d is compared; before training attention spreads over all symbols, so that its g falls as 1 / n. Cutting takes away
learning through time, not the passing of values: an untrained GRU already carries a few symbols along, and copying can
lean on them to find its place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.claims import verdict
from pipeline.claims.gradient_jobs import COPIED, DISTANCES, LONGEST, LOOK_EVERY, copy_run, recall_run
from pipeline.claims.inference import by_end, difference_of, ends_of, mean_over, over_seeds
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.verdict import Claim, Finding
from pipeline.panels import BarPanel, LegendEntry, Line, LinePanel, MatrixPanel, Panel
from pipeline.statistics import Estimate

CLAIM = Claim(
    "C2",
    "Vanishing gradients",
    "Attention leads values and gradients past the time steps, so that gradients do not vanish and far words are "
    "learned quickly.",
)

NEAR, FAR = "1", "40"  # distances at which g is compared
LEARNED = 0.9  # accuracy
RECALLING = {
    "tanh": LegendEntry("tanh network", None),
    "gru": LegendEntry("GRU, no attention", "gru"),
    "keeping": LegendEntry("GRU, gates start open", None),
    "uniform": LegendEntry("GRU, equal weights", "gru_uniform"),
    "gru_attention": LegendEntry("GRU + attention", "gru_attention"),
    "transformer": LegendEntry("Transformer", "transformer"),
    "cut": LegendEntry("GRU + attention, cut", None),
}
COPYING = ("gru", "gru_attention", "transformer", "cut")
COST = {"gru_attention": "gradients through time", "cut": "cut after one step"}
WAYS = ("attention alone", "attention, then time", "decoder's start, then time")

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"d_model": 48, "seeds": (1, 2, 3), "steps": 1500, "pairs": 40},
        **{"copy_seeds": (1, 2, 3, 4, 5), "copy_steps": 400, "copy_pairs": 200},
    },
    "full": {
        **{"d_model": 128, "seeds": (1, 2, 3, 4, 5), "steps": 5000, "pairs": 200},
        **{"copy_seeds": (1, 2, 3, 4, 5), "copy_steps": 5000, "copy_pairs": 200},
    },
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    recalls, copies = _grid(profile)
    return [run for runs in (*recalls.values(), *copies.values()) for run in runs]


def _grid(profile: str) -> tuple[dict[str, list[Job]], dict[str, list[Job]]]:
    """Model → one job per seed, for recalling and for copying. Two copying models are for the maps only."""
    p = PROFILES[profile]
    recalling = {name: p[name] for name in ("d_model", "steps", "pairs")}
    copying_ = {"d_model": p["d_model"], "steps": p["copy_steps"], "pairs": p["copy_pairs"]}
    recalls = {
        model: [job(recall_run, model=model, seed=seed, **recalling) for seed in p["seeds"]] for model in RECALLING
    }
    copies = {
        model: [
            job(copy_run, model=model, seed=seed, **copying_)
            for seed in (p["copy_seeds"] if model in ("gru_attention", "cut") else p["copy_seeds"][:1])
        ]
        for model in COPYING
    }
    return recalls, copies


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    recalls, copies = _grid(profile)
    recalled = {model: results.seeds(runs) for model, runs in recalls.items()}
    copied = {model: results.seeds(runs) for model, runs in copies.items()}
    compared = (recalled["gru_attention"], recalled["gru"])
    has_learned = verdict.above(
        f"control: right at distance {LONGEST} without attention, trained",
        mean_over([run["right"] for run in recalled["gru"]]),
        LEARNED,
    )
    findings = []
    for when, words in (("before", "before training"), ("after", "after training")):
        falls = [[fall(run, when) for run in runs] for runs in compared]
        slopes = [
            [share * steepness(run, when) for run in runs] for runs, share in zip(compared, (1, 0.5), strict=True)
        ]
        what = f"g({FAR}) / g({NEAR}) {words}, with attention over without (log10)"
        of_falls = verdict.at_least(what, _minus(*falls), 1.0, float(np.log10(3)), is_primary=True)
        what = f"steepness of log10 g {words}, with attention minus half of that without (per step)"
        both = (of_falls, verdict.below(what, _minus(*slopes), 0.0, is_primary=True))
        findings += both if when == "before" else [verdict.dependent(finding, [has_learned]) for finding in both]
    steps = [[float(np.log2(steps_to_learn(run))) for run in runs] for runs in compared]
    learned = [[max(run["accuracy"]) >= LEARNED for run in runs] for runs in compared]
    what = f"steps to 90 % at distance {LONGEST}, without attention over with (log2)"
    sooner = verdict.at_least(what, _minus(steps[1], steps[0]), 1.0, 0.0, is_primary=True)
    # Who has not learned needs more steps than there were.
    with_attention, without = map(all, learned)
    findings += [
        verdict.of_bound(sooner, is_lower=not without, is_upper=not with_attention),
        has_learned,
        verdict.at_least(
            f"control: g({FAR}) / g({NEAR}) after training, with attention over gates that start open (log10)",
            _minus(*([fall(run, "after") for run in recalled[model]] for model in ("gru_attention", "keeping"))),
            1.0,
            float(np.log10(3)),
        ),
        verdict.below(
            "literally, copying: nats per token that cutting gradients through time costs",
            difference_of([run["nats"] for run in copied["cut"]], [run["nats"] for run in copied["gru_attention"]]),
            0.05,
        ),
        verdict.above(
            f"literally, recalling: right at distance {LONGEST} with gradients cut",
            mean_over([run["right"] for run in recalled["cut"]]),
            LEARNED,
        ),
        verdict.below(
            "control: nats per token of copying, not cut",
            mean_over([run["nats"] for run in copied["gru_attention"]]),
            1.0,
        ),
        verdict.below(
            f"control: g({FAR}) / g({NEAR}) of a tanh network before training (log10)",
            over_seeds([fall(run, "before") for run in recalled["tanh"]]),
            -3.0,
        ),
        verdict.exact(
            "the ways add up to the whole gradient (relative)",
            max((run["rest"] for run in recalled["gru_attention"]), default=None),
            1e-5,
        ),
    ]
    return findings, _numbers(recalled, copied)


def _minus(ours: list[float], theirs: list[float]) -> Estimate | None:
    """The mean difference; seed by seed, as the runs of a seed had the same batches."""
    return over_seeds(np.subtract(ours, theirs).tolist()) if ours and theirs else None


def fall(run: dict[str, Any], when: str) -> float:
    """log10 of g(FAR) / g(NEAR), from geometric means over the pairs."""
    return float(np.mean(run[when][FAR]) - np.mean(run[when][NEAR]))


def steepness(run: dict[str, Any], when: str) -> float:
    """|slope| of log10 g over the distance."""
    return abs(float(np.polyfit(DISTANCES, [np.mean(run[when][str(d)]) for d in DISTANCES], 1)[0]))


def steps_to_learn(run: dict[str, Any]) -> int:
    """Steps until accuracy at the longest distance is 90 %; the length of training where it never is."""
    learned = [look for look, accuracy in enumerate(run["accuracy"]) if accuracy >= LEARNED]
    return LOOK_EVERY * max(1, learned[0] if learned else len(run["accuracy"]))


def _numbers(recalled: dict[str, list[dict]], copied: dict[str, list[dict]]) -> dict[str, Any]:
    """Means over seeds; models whose runs are missing are left out."""
    there = {model: runs for model, runs in recalled.items() if runs}
    copied = {model: runs for model, runs in copied.items() if runs}

    def mean(runs: list[dict], key: str) -> list:
        return np.mean([run[key] for run in runs], axis=0).tolist()

    def by_distance(runs: list[dict], key: str) -> list:
        return np.mean([[np.mean(run[key][str(d)]) for d in DISTANCES] for run in runs], axis=0).tolist()

    ways = [[run["ways"][str(d)] for d in DISTANCES] for run in recalled["gru_attention"]]
    nats = {model: mean_over([run["nats"] for run in runs]) for model, runs in copied.items()}
    return {
        "before": {model: by_distance(runs, "before") for model, runs in there.items()},
        "after": {model: by_distance(runs, "after") for model, runs in there.items()},
        "accuracy": {model: mean(runs, "accuracy") for model, runs in there.items()},
        "steps": {model: [steps_to_learn(run) for run in runs] for model, runs in there.items()},
        "right": {model: [float(np.mean(run["right"])) for run in runs] for model, runs in there.items()},
        "ways": np.mean(ways, axis=0).T.tolist() if ways else [],
        "maps": {model: mean(runs, "map") for model, runs in copied.items()},
        "nats": {model: ends_of(found) for model, found in nats.items()},
    }


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """g over distance before and after training; learning; the ways of a gradient; cutting them; g(t, j) of copying."""
    distance = "distance d (steps)"

    def line(model: str, x: Sequence[float], y: Sequence[float], dashed: bool) -> Line:
        return RECALLING[model]._replace(dashed=dashed).line(x, y)

    falls = [
        LinePanel(
            f"What of the loss reaches the answer, {words}",
            distance,
            "g(d) / g(1)",
            [
                line(model, DISTANCES, [10 ** (log - logs[0]) for log in logs], dashed=model == "uniform")
                for model, logs in numbers[when].items()
                if model != "cut"
            ],
            y_log=True,
        )
        for when, words in (("before", "untrained"), ("after", "trained"))
    ]
    learning = [
        line(model, range(0, LOOK_EVERY * len(shares), LOOK_EVERY), [100 * share for share in shares], model == "cut")
        for model, shares in numbers["accuracy"].items()
    ]
    ways = [Line(*way) for way in zip(WAYS, [DISTANCES] * len(WAYS), numbers["ways"], strict=False)]
    nats = {name: numbers["nats"][model] for model, name in COST.items() if model in numbers["nats"]}
    colours = ["gru_attention" if name == COST["gru_attention"] else None for name in nats]
    maps = [
        MatrixPanel(f"g(t, j), copying: {RECALLING[model].label}", g, "source j", "target t", log=True, scale_label="g")
        for model, g in numbers["maps"].items()
        if model != "cut"
    ]
    return [
        *falls,
        LinePanel(f"Learning to recall over {LONGEST} steps", "training step", "right (%)", learning, marked=90),
        LinePanel("Three ways back in the trained GRU + attention", distance, "mean g", ways, y_log=True),
        BarPanel(
            f"GRU + attention, copying {COPIED} symbols",
            "nats per token",
            list(nats),
            *by_end(nats.values()),
            models=colours,
        ),
        *maps,
    ]
