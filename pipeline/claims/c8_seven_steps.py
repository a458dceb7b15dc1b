"""C8: the seven steps of self-attention, and √d_k.

The article: 1 embed the words; 2 make Q, K, V of the embeddings; 3 score Q against K; 4 bring the scores to a standard
deviation of 1 by √d_k, so that softmax is not affected; 5 softmax; 6 multiply by V, which keeps related words and
removes unrelated ones; 7 add up: the output for that word.

Literature: Vaswani et al. 2017 (§3.2.1, footnote 4): if the components of q and k are independent, with mean 0 and
variance 1, q · k has variance d_k; large scores push softmax to where its gradient is small, which they *suspect* to be
why unscaled dot products do worse with a large d_k. So three things are imprecise: the standard deviation is 1 under
that assumption only, one divides by the root (the result is not put under it), and softmax removes no word: every
weight is above 0. Not among the seven steps: positions, masks, heads, W_O, residuals, normalisation, feed-forward.

Set-up: order: the steps one by one, as written above, against torch's attention and this project's. Standard deviation
and saturation: q and k of independent N(0, 1). Real heads: the same statistic in the encoder self-attention of a
Transformer before and after training on sentences of the toy grammar. Effect: one-layer, one-head Transformers copy
symbols; only d_k (the width of Q and K, nothing else) and the scale differ, and W_Q, W_K start so that components of Q
and K have variance 1, as the argument assumes. Held equal between scales: parameters, initial weights, batches, steps,
learning rate. "Removes": the smallest weight in trained self-attention, and how much weight in cross-attention goes to
words that the grammar does not link, in the head where that is least on the other half of the sentences.

Criterion: the order is exact and matters; the deviation grows like √d_k and is 1 when scaled, for independent
components; without the scale, copying is worse by 0.05 nats per token (the mean over pairs of each pair's own mean) at
d_k = 256. Others: no difference at 16; real heads have 1 ± 0.1 (among the scores of one word, of which softmax sees
only the differences); 1/d_k, with which scores start with a deviation far below 1, costs nats too; with the scale
copying is learned in fewer steps; among independent components the entropy of the scaled softmax is the same for all
d_k, within a tenth, and without the scale less than half of the gradient gets through the largest; removed means a
weight of 0, and at most a tenth of the weight on words without a link.

What this does not show: that √d_k is the best scale; deep models, other learning rates and longer training, in which
W_Q and W_K may learn the scale by themselves; why it helps (saturation is measured apart from training); the usual
smaller initial weights (torch's give Q and K a variance of 1/3, and unscaled scores a third of √d_k), by which alone
the untrained heads would be off by ⅔; that saturation is what costs: a scale is also a learning rate of the scores, and
1/√d_k itself does not get to 1.5 nats with every seed; words that have to do with each other within a sentence (the
grammar links source and target, so weight is judged in cross-attention); whether weight is influence (Kobayashi et al.
2020: a value may be short).
"""

import math
from typing import Any

import numpy as np

from pipeline.claims import verdict
from pipeline.claims.inference import difference_of, ends_of, mean_over, over_seeds, ratio_score, slope
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.seven_steps import WIDE, WIDTHS, copy_run, heads_run, independent_run, order_run
from pipeline.claims.seven_steps_figure import draw
from pipeline.claims.verdict import Claim, Finding
from pipeline.statistics import Estimate, SumScore, estimate

__all__ = ["CLAIM", "PROFILES", "draw", "jobs", "judge"]

CLAIM = Claim(
    "C8",
    "The seven steps and √d_k",
    "Scores are divided by √d_k to a standard deviation of 1 before softmax; ×V keeps related words, removes others.",
)

SCALES = ("none", "1/√d_k", "1/d_k")
TARGET = 1.5  # nats per symbol, about half of what a guess costs: the steps to it are counted

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"draws": 20_000, "draw_seeds": (1, 2, 3, 4, 5), "head_seeds": (1, 2, 3)},
        "copy_seeds": tuple(range(11, 23)),  # 1 to 10 were looked at, and were too few (results/LOG.md)
        "copy": {"d_model": 64, "steps": 400, "pairs": 200},
        "widths": (16, 256),
        "heads": {"d_model": 64, "steps": 500, "longest": 16, "sentences": 100},
    },
    "full": {
        **{"draws": 20_000, "draw_seeds": (1, 2, 3, 4, 5)},
        **{"copy_seeds": (1, 2, 3, 4, 5), "head_seeds": (1, 2, 3, 4, 5)},
        "copy": {"d_model": 128, "steps": 3000, "pairs": 500},
        "widths": (16, 64, 256, 1024),
        "heads": {"d_model": 128, "steps": 10_000, "longest": 30, "sentences": 300},
    },
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    p = PROFILES[profile]
    copies = [run for runs in _copies(profile).values() for run in runs]
    return [job(order_run), *_independent(p), *copies, *_heads(p)]


def _independent(p: dict[str, Any]) -> list[Job]:
    return [job(independent_run, draws=p["draws"], seed=seed) for seed in p["draw_seeds"]]


def _heads(p: dict[str, Any]) -> list[Job]:
    return [job(heads_run, **p["heads"], seed=seed) for seed in p["head_seeds"]]


def _copies(profile: str) -> dict[tuple[str, int], list[Job]]:
    """(scale, d_k) → one job per seed."""
    p = PROFILES[profile]
    return {
        (scale, d_k): [job(copy_run, scale=scale, d_k=d_k, **p["copy"], seed=seed) for seed in p["copy_seeds"]]
        for scale in SCALES
        for d_k in p["widths"]
    }


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    p = PROFILES[profile]
    order = results.of(job(order_run)) or {}
    independent, heads = results.seeds(_independent(p)), results.seeds(_heads(p))
    copies = {cell: results.seeds(of_cell) for cell, of_cell in _copies(profile).items()}
    off = lambda values: [abs(value - 1) for value in values]  # noqa: E731
    lost = {
        d_k: difference_of(*([run["nats"] for run in copies[scale, d_k]] for scale in ("none", "1/√d_k")))
        for d_k in p["widths"]
    }
    unscaled, scaled = copies["none", WIDE], copies["1/√d_k", WIDE]
    saved = [steps_to_target(slow) - steps_to_target(fast) for slow, fast in zip(unscaled, scaled, strict=False)]
    control = verdict.exact(
        f"control: seeds that never get to {TARGET} nats with the scale, d_k = {WIDE}",
        sum(not reaches_target(run) for run in scaled) if scaled else None,
        0,
        basis="a count of trainings",
    )
    sooner = verdict.above(f"training steps to {TARGET} nats saved by the scale, d_k = {WIDE}", over_seeds(saved), 0.0)
    if not all(map(reaches_target, unscaled)):
        sooner = verdict.of_bound(sooner, is_lower=True, is_upper=False)
    real = {when: over_seeds([float(np.mean(off(run[when]))) for run in heads]) for when in ("untrained", "trained")}
    outside = estimate([_outside(run) for run in heads])
    findings = [
        verdict.exact(
            "seven steps minus torch's and this project's attention", order.get("error"), 1e-6, is_primary=True
        ),
        verdict.exactly_above("change when steps 4 and 5 are swapped", order.get("swapped"), 1e-2, is_primary=True),
        verdict.equivalent(
            "log-log slope of the scores' standard deviation on d_k, minus ½",
            _growth(independent),
            0.02,
            is_primary=True,
        ),
        verdict.below(
            "scaled standard deviation, independent q and k: furthest from 1",
            over_seeds([max(off(run["scaled_std"])) for run in independent]),
            0.05,
            is_primary=True,
        ),
        verdict.at_least(
            f"nats per token lost without the scale, d_k = {WIDE}", lost[WIDE], 0.05, 0.0, is_primary=True
        ),
        verdict.equivalent("nats per token lost without the scale, d_k = 16", lost[16], 0.05),
        verdict.above(
            f"nats per token lost with 1/d_k, whose scores start smaller, d_k = {WIDE}",
            difference_of(*([run["nats"] for run in copies[scale, WIDE]] for scale in ("1/d_k", "1/√d_k"))),
            0.0,
        ),
        verdict.dependent(sooner, [control]),  # else it would be no bound
        control,
        verdict.equivalent(
            f"entropy of scaled softmax, d_k = {WIDTHS[-1]} over {WIDTHS[0]}, minus 1",
            over_seeds([run["scaled_entropy"][-1] / run["scaled_entropy"][0] - 1 for run in independent]),
            0.1,
        ),
        verdict.below(
            f"softmax Jacobian unscaled over scaled, d_k = {WIDTHS[-1]}",
            over_seeds([run["jacobian"][-1] / run["scaled_jacobian"][-1] for run in independent]),
            0.5,
        ),
        verdict.below("scaled standard deviation in untrained heads, off 1 by", real["untrained"], 0.1),
        verdict.below("scaled standard deviation in trained heads, off 1 by", real["trained"], 0.1),
        verdict.exact(
            "smallest weight of a word in trained self-attention (removed: 0)",
            min((run["smallest"] for run in heads), default=None),
            0.0,
            basis="of all trainings",
        ),
        verdict.below("cross-attention: weight on words without a link and EOS, best head", outside, 0.1),
    ]
    return findings, _numbers(order, independent, heads, copies, lost, p)


def _numbers(
    order: dict[str, Any],
    independent: list[dict[str, Any]],
    heads: list[dict[str, Any]],
    copies: dict[tuple[str, int], list[dict[str, Any]]],
    lost: dict[int, Estimate | None],
    p: dict[str, Any],
) -> dict[str, Any]:
    """The worked example, and what was measured; without what is missing."""
    return {
        "widths": WIDTHS,
        "independent": {key: np.mean([run[key] for run in independent], axis=0).tolist() for key in independent[0]}
        if independent
        else {},
        "worked": order.get("worked"),
        "history": {scale: [run["history"] for run in copies[scale, WIDE]] for scale in SCALES if copies[scale, WIDE]},
        "steps": p["copy"]["steps"],
        "copied": {
            scale: {str(d_k): ends_of(mean_over([run["nats"] for run in copies[scale, d_k]])) for d_k in p["widths"]}
            for scale in SCALES
            if all(copies[scale, d_k] for d_k in p["widths"])
        },
        "lost": {str(d_k): ends_of(found) for d_k, found in lost.items() if found},
        "heads": {when: [run[when] for run in heads] for when in ("untrained", "trained")} if heads else {},
        "outside": [score.value for score in map(_outside, heads)],
    }


def reaches_target(run: dict[str, Any]) -> bool:
    """Whether the mean of 10 steps is ever below `TARGET`."""
    return min(run["history"]) < TARGET


def steps_to_target(run: dict[str, Any]) -> int:
    """Training steps until the mean of 10 steps is below `TARGET`; all of them where it never is."""
    below = [place for place, nats in enumerate(run["history"]) if nats < TARGET]
    return 10 * (below[0] if below else len(run["history"]))


def _growth(independent: list[dict[str, Any]]) -> Estimate | None:
    if not independent:
        return None
    points = [
        (math.log(d_k), math.log(std)) for run in independent for d_k, std in zip(WIDTHS, run["std"], strict=True)
    ]
    found = slope(*zip(*points, strict=True), num_seeds=len(independent))
    return found._replace(value=found.value - 0.5, low=found.low - 0.5, high=found.high - 0.5)


def _outside(run: dict[str, Any]) -> SumScore:
    """The weight outside per target word, of the second half of the sentences, in the head where that of the first half
    is least."""
    outside, linked = np.array(run["outside"]), np.array(run["linked"])
    half = len(linked) // 2
    best = outside[:half].sum(0).argmin()
    return ratio_score(outside[half:, best], linked[half:])
