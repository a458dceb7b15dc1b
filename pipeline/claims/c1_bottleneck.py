"""C1: the bottleneck.

The article: a decoder that knows only the encoder's last hidden state loses the early part of the sentence; attention,
which uses all hidden states HS, solves it.

Literature: Cho et al. 2014 and Bahdanau et al. 2015 see quality fall with length without attention, and not with it;
Sutskever et al. 2014 see no fall up to 35 words with 8,000 numbers per sentence and a reversed source. So the claim
made precise is: a memory of fixed size is too small from some length on; that length grows with the size; with
attention the same size reaches further.

Set-up: copying random symbols, where everything must be carried. One GRU class; what differs is `memory` (last state,
mean of states, all states) and, as a control, attention with equal weights for all states. Held equal: parameters,
initial weights, batches, steps, learning rate (in the quick profile the largest last state has seeds of its own, and so
other weights and batches than the rest). Lengths 1 to 30 are trained; longer ones are shown apart and decide
nothing. "Early" is a place in the source, but also in the output, where errors of a decoder pile up: so the effect of
the source position is averaged over copying and reversing, which put each source position at opposite places of the
output, under teacher forcing. With a Multi30k folder, the same question on image captions joined: natural_text.py.

Criterion: at 30 symbols attention copies at least 30 points more exactly than the better of last and mean, over all
trained lengths (interval above 10), and a larger last state reaches further (both primary); attention copies more than
half; early is lost more: of the source positions, the first third is right less often than the last, and than the
middle. Literally, to read all states is enough: with equal weights for all, more than half are copied. The findings on
captions stand in natural_text_findings.py; without a folder they are not made, and decide nothing.

What this does not show: that reach is capacity alone: a larger state also learns faster, and with attention the length
grows with the size as well; how bad models without attention are at 30, where all may be at 0; natural text, which can
be guessed in part, unless there is a folder; a reader of both directions without attention, whose last state has seen
both ends last; deeper or much larger recurrent networks; training longer than here, which moves the curve without
attention to the right (in a trial of the quick profile, by one symbol with twice the steps).
"""

import functools
from typing import Any

import numpy as np

from pipeline.claims import verdict
from pipeline.claims.bottleneck_jobs import LENGTHS, LONGEST_TRAINED, POSITIONS_AT, copy_run
from pipeline.claims.inference import (
    by_end,
    difference_of,
    ends_of,
    mean_over,
    resampled_statistic,
    slope_of_scores,
    strongest,
)
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.verdict import Claim, Finding
from pipeline.panels import LegendEntry, Line, LinePanel, Panel
from pipeline.statistics import SumScore

CLAIM = Claim(
    "C1",
    "Bottleneck",
    "The last encoder state alone loses early information; attention, which reads all states, solves that.",
)

TRAINED = tuple(length for length in LENGTHS if length <= LONGEST_TRAINED)
THIRDS = ("first", "middle", "last")
LABELS = {
    "last": LegendEntry("last state", "gru"),
    "mean": LegendEntry("mean of states", "gru_mean"),
    "uniform": LegendEntry("all states, equal weights", "gru_uniform"),
    "all": LegendEntry("attention", "gru_attention"),
}


# What the profiles differ in: all sizes are trained without and with attention, `size` in every way. Positions need
# more seeds than the rest: their effect is small.
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"sizes": (16, 32, 64), "size": 64, "steps": 1200, "pairs": 200},
        **{"seeds": (1, 2, 3), "position_seeds": (6, 7, 8, 9, 10)},  # 1 to 5 made the criterion (results/LOG.md)
    },
    "full": {
        **{"sizes": (32, 64, 128, 256, 512), "size": 128, "steps": 5000, "pairs": 200},
        **{"seeds": (1, 2, 3, 4, 5), "position_seeds": (1, 2, 3, 4, 5)},
    },
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    return [run for runs in _grid(profile).values() for run in runs]


def _grid(profile: str) -> dict[tuple[str, int, str], list[Job]]:
    """(memory, size, order) → one job per seed."""
    p = PROFILES[profile]
    cells = [(memory, size, "copy") for memory in ("last", "all") for size in p["sizes"]]
    cells += [("mean", p["size"], "copy"), ("uniform", p["size"], "copy"), ("last", p["size"], "reverse")]
    return {
        (memory, size, order): [
            job(copy_run, memory=memory, d_model=size, order=order, steps=p["steps"], pairs=p["pairs"], seed=seed)
            for seed in p["position_seeds" if (memory, size) == ("last", p["size"]) else "seeds"]
        ]
        for memory, size, order in cells
    }


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    runs = {cell: results.seeds(of_cell) for cell, of_cell in _grid(profile).items()}
    longest, size = str(LONGEST_TRAINED), PROFILES[profile]["size"]
    attention = _exact(runs["all", size, "copy"], longest)
    without = {name: runs[name, size, "copy"] for name in ("last", "mean")}
    of_lengths = {
        name: [SumScore(_right(run), lambda sums: sums.mean(0)) for run in of_name] for name, of_name in without.items()
    }
    best = strongest(of_lengths, lowest=False)  # over all trained lengths
    sizes = PROFILES[profile]["sizes"]
    reaches = [[reach_of(run) for run in runs["last", d_model, "copy"]] for d_model in sizes]
    both_orders = [runs["last", size, order] for order in ("copy", "reverse")]
    # One array per seed, (pairs, positions): what each pair got right, the mean of both orders.
    of_pairs = [np.mean([run["by_position"] for run in of_seed], axis=0) for of_seed in zip(*both_orders, strict=False)]
    findings = [
        verdict.at_least(
            f"exact match at {longest} symbols, attention minus {LABELS[best].label}",
            difference_of(attention, _exact(without[best], longest)),
            size=0.3,
            beyond=0.1,
            is_primary=True,
        ),
        verdict.above(
            "symbols that a doubled last state carries further, on the average",
            slope_of_scores(np.log2(sizes), reaches) if all(reaches) else None,
            0.0,
            is_primary=True,
        ),
        verdict.above(f"exact match at {longest} symbols with attention", mean_over(attention), 0.5),
        *(
            verdict.below(
                f"early is lost more: accuracy in the first third of the source minus the {other} (last state)",
                resampled_statistic(of_pairs, functools.partial(_first_third_minus, other=other)) if of_pairs else None,
                0.0,
            )
            for other in THIRDS[:0:-1]
        ),
        verdict.above(
            f"literally, all states are enough: exact match at {longest} symbols, {LABELS['uniform'].label}",
            mean_over(_exact(runs["uniform", size, "copy"], longest)),
            0.5,
        ),
    ]
    return findings, _numbers(runs, PROFILES[profile])


def _numbers(runs: dict[tuple[str, int, str], list[dict[str, Any]]], p: dict[str, Any]) -> dict[str, Any]:
    """Curves over length, reach by size, and accuracy by source position; without what is missing."""
    size = p["size"]
    both_orders = [runs["last", size, order] for order in ("copy", "reverse")]
    return {
        "size": size,
        "exact": {
            memory: _curve(runs[memory, size, "copy"], "exact") for memory in LABELS if runs[memory, size, "copy"]
        },
        "n50": {
            memory: {str(d): [reach_of(run).value for run in runs[memory, d, "copy"]] for d in p["sizes"]}
            for memory in ("last", "all")
        },
        "by_position": _by_position(*both_orders),
        "by_position_copy": _by_position(both_orders[0]),
        "by_position_reverse": _by_position(both_orders[1]),
        "nats_per_token": {
            f"{memory}, {d_model}, {order}": _curve(of_cell, "nats_per_token")
            for (memory, d_model, order), of_cell in runs.items()
            if of_cell
        },
    }


def _right(run: dict[str, Any]) -> np.ndarray:
    """(pairs, lengths) 1 where the pair is right, at each of `TRAINED`."""
    return np.array([run["exact"][str(length)] for length in TRAINED]).T


def reach_of(run: dict[str, Any]) -> SumScore:
    """`n50` of one run, as a score of its pairs: the first ones of all lengths, the second ones, and so on."""
    right = _right(run)
    return SumScore(right, lambda sums: n50(sums / len(right)))


def n50(shares: np.ndarray) -> np.ndarray:
    """The length at which exact match falls through one half, linearly between two measured lengths; the longest one
    where it does not.

    Args:
        shares: (lengths, …) of the pairs that are right, at each of `TRAINED`.

    Returns:
        (…)
    """
    ones, zeros = np.ones_like(shares[:1]), np.zeros_like(shares[:1])
    lengths, shares = np.array([0, *TRAINED, LONGEST_TRAINED]), np.concatenate([ones, shares, zeros])
    after = (shares < 0.5).argmax(0)
    high, low = (np.take_along_axis(shares, place[None], 0)[0] for place in (after - 1, after))
    return lengths[after - 1] + (high - 0.5) / (high - low) * (lengths[after] - lengths[after - 1])


def _exact(runs: list[dict[str, Any]], length: str) -> list[list[int]]:
    return [run["exact"][length] for run in runs]


def _by_position(*of_orders: list[dict[str, Any]]) -> list[float]:
    """Accuracy at each source position, the mean over seeds, pairs and the orders given."""
    if not all(of_orders):
        return []
    return np.mean([[run["by_position"] for run in runs] for runs in of_orders], axis=(0, 1, 2)).tolist()


def _first_third_minus(right: np.ndarray, other: str) -> float:
    """Accuracy in the first third of source positions minus that in another of `THIRDS`, of (pairs, positions)."""
    thirds = dict(zip(THIRDS, np.array_split(right.mean(0), len(THIRDS)), strict=True))
    return float(thirds[THIRDS[0]].mean() - thirds[other].mean())


def _curve(runs: list[dict[str, Any]], what: str) -> list[dict[str, float]]:
    """At each of `LENGTHS`."""
    return [ends_of(mean_over([run[what][str(length)] for run in runs])) for length in LENGTHS]


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Exact match and nats per token by length; how far each size reaches; which source positions are lost."""
    size = numbers["size"]
    exact, nats = [], []
    for memory, entry in LABELS.items():
        if curve := numbers["exact"].get(memory):
            exact.append(entry.line(LENGTHS, *by_end(curve, 100)))
        if curve := numbers["nats_per_token"].get(f"{memory}, {size}, copy"):
            nats.append(entry.line(LENGTHS, *by_end(curve)))
    reach = [
        LABELS[memory].line(
            [int(d_model) for d_model in of_sizes],
            *([float(end(values)) for values in of_sizes.values()] for end in (np.mean, min, max)),
        )
        for memory, of_sizes in numbers["n50"].items()
        if all(of_sizes.values())
    ]
    positions = [
        Line(
            label,
            range(1, POSITIONS_AT + 1),
            [100 * share for share in numbers[key]],
            model=model,
            dashed=key != "by_position",
        )
        for key, label, model in (
            ("by_position_copy", "copying", None),
            ("by_position_reverse", "reversing", None),
            ("by_position", "mean of both", "gru"),
        )
        if numbers[key]
    ]
    return [
        LinePanel(
            f"Copying symbols, state of {size}",
            "source length (symbols)",
            "exact match (%)",
            exact,
            shaded=(1, LONGEST_TRAINED),
        ),
        LinePanel(
            "The same, teacher-forced",
            "source length (symbols)",
            "nats per token",
            nats,
            shaded=(1, LONGEST_TRAINED),
        ),
        LinePanel(
            "How far a state reaches (band: seeds)",
            "size of the state (numbers)",
            "length with 50 % exact match (symbols)",
            reach,
            x_log=True,
            marked=LONGEST_TRAINED,
        ),
        LinePanel(
            f"What is lost without attention, {POSITIONS_AT} symbols",
            "source position (symbols)",
            "right, teacher-forced (%)",
            positions,
        ),
    ]
