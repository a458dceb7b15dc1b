"""C5: time steps.

The article: attention over a recurrent network needs time steps, because the hidden states it reads are made one after
the other; self-attention scores all words for each word at once, so the time step has no meaning.

Literature: a layer of self-attention has O(1) sequential operations and O(n² d) work, a recurrent one O(n) and O(n d²)
(Vaswani et al. 2017, Table 1): less work only where n < d, but work that can be done at once. Two limits: a decoder
writes one word after the other, whatever it is made of; and a weighted sum does not know the order of what it sums, so
the order has to be put back in, as positions.

Set-up: (1) How many operations must wait for one another is counted on the autograd graph, on which no hardware can
cheat: for a GRU taken cell by cell (shown to equal the library's, whose kernels may hide their steps) and for a
Transformer encoder; both alone, and in a whole training step with the decoder. (2) Time of the encoder's forward and
backward pass over the length, on the CPU with one thread and, where there is one, on a GPU: models interleaved, median
over rounds, fixed d and batch. (3) Time to write m tokens one by one, with and without kept keys and values. (4) What
a permuted source does to the encoder's states, without and with positions; and what the Transformer without positions
learns of copying and reversing. Held equal: d_model, batch, data, steps, learning rate, in (4) initial weights.

Criterion: the chain of the GRU grows by at least 1 per symbol, that of self-attention by nothing (both primary).
Log-log slopes of time up to 256 symbols: GRU above 0.8, self-attention below 0.3. These two thresholds are for a GPU,
which does at once what may be done at once; on one CPU thread all work stands in line, so that times of reading
decide nothing there and stand in the figure only. The primary findings are counts: only a fault in the code could make
them fail. Taken literally, time steps without meaning would also have the Transformer write in no more time for more
tokens (slope below 0.3) and lose nothing without positions (exact match within ± 0.05).

What this does not show: a node of the graph is not a unit of time, so chains compare as they grow, not in height. Depth
says what could be done at once, not that a machine does it: a softmax or a sum over n has itself O(log n) steps. Ratios
of times depend on d, batch, kernels and hardware (one GRU layer is timed against two of the Transformer, of equal d,
not of equal parameters), and other jobs disturb them, on a GPU too (JOBS=1). Where there is no GPU, its two thresholds
are not asked, and the verdict is formed without them. Lookup tables for positions, relative positions or a recurrent
layer below would put the order back in as well.
"""

from typing import Any

import numpy as np
import torch

from pipeline.claims import verdict
from pipeline.claims.inference import by_end, difference_of, ends_of, mean_over, resampled_statistic
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.time_steps_jobs import (
    LENGTHS,
    LONGEST_TRAINED,
    WRITTEN,
    exact_run,
    order_run,
    time_run,
)
from pipeline.claims.verdict import Claim, Finding
from pipeline.panels import BarPanel, LegendEntry, Line, LinePanel, Panel
from pipeline.provenance import processor
from pipeline.statistics import Estimate

CLAIM = Claim(
    "C5",
    "Time steps",
    "A recurrent network must take its time steps one after the other; self-attention handles all words at once, and "
    "time steps have no meaning.",
)

LONGEST_JUDGED = 256  # of slopes of time
ORDERS = ("copy", "reverse")
NAMES = {"copy": "copying", "reverse": "reversing"}

ENCODING = {
    "fused": LegendEntry("GRU, the library's", "gru_attention", dashed=True),
    "stepwise": LegendEntry("GRU, cell by cell", "gru_attention"),
    "transformer": LegendEntry("self-attention", "transformer"),
}
WRITING = {
    "gru": LegendEntry("GRU + attention", "gru_attention"),
    "transformer": LegendEntry("Transformer", "transformer"),
    "forgetting": LegendEntry("Transformer, nothing kept", "transformer", dashed=True),
}

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"d_model": 64, "batch_size": 4, "rounds": 20, "seeds": (1, 2, 3), "steps": 400, "pairs": 60},
    "full": {"d_model": 256, "batch_size": 16, "rounds": 30, "seeds": (1, 2, 3, 4, 5), "steps": 3000, "pairs": 200},
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    timed, trained = _grid(profile)
    return [job(exact_run), *timed.values(), *(run for runs in trained.values() for run in runs)]


def _grid(profile: str) -> tuple[dict[str, Job], dict[tuple[str, str], list[Job]]]:
    """Device → its timing; (model, order) → one training per seed."""
    p = PROFILES[profile]
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    sizes = {"d_model": p["d_model"], "batch_size": p["batch_size"], "rounds": p["rounds"]}
    machines = {device: torch.cuda.get_device_name() if device == "cuda" else processor() for device in devices}
    timed = {device: job(time_run, device=device, machine=machines[device], **sizes) for device in devices}
    same = {"d_model": 64, "steps": p["steps"], "pairs": p["pairs"]}
    trained = {
        (model, order): [job(order_run, model=model, order=order, seed=seed, **same) for seed in p["seeds"]]
        for model in ("transformer", "unordered")
        for order in ORDERS
    }
    return timed, trained


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    timed, trained = _grid(profile)
    exact = results.of(job(exact_run))
    times = {device: found for device, run in timed.items() if (found := results.of(run)) is not None}
    right = {cell: [run["exact"] for run in results.seeds(runs)] for cell, runs in trained.items()}
    growth = {
        model: float(np.polyfit(LENGTHS, chain, 1)[0]) for model, chain in (exact["encoder"] if exact else {}).items()
    }
    order = exact["order"] if exact else {}
    findings = [
        verdict.exact(
            "operations in line that one more symbol adds, self-attention",
            abs(growth["transformer"]) if growth else None,
            1e-5,
            is_primary=True,
        ),
        verdict.exactly_above(
            "operations in line that one more symbol adds, GRU", growth.get("stepwise"), 0.99, is_primary=True
        ),
        verdict.exact("the GRU cell by cell minus the library's (largest)", exact["gap"] if exact else None, 1e-5),
    ]
    for device in timed:
        found = times.get(device, {"encode": {}, "write": {}})
        where = "on a GPU" if device == "cuda" else "on a CPU"
        written = growth_of_time(found["write"].get("transformer"), WRITTEN)
        if device == "cuda":  # a GPU's thresholds: what a CPU takes to encode stands in the figure and decides nothing
            gru, transformer = (growth_of_time(found["encode"].get(of), LENGTHS) for of in ("fused", "transformer"))
            findings += [
                verdict.above("encoding time on a GPU, log-log slope, GRU", gru, 0.8),
                verdict.below("encoding time on a GPU, log-log slope, self-attention", transformer, 0.3),
            ]
        findings.append(verdict.below(f"literally: writing time {where}, log-log slope, Transformer", written, 0.3))
    findings += [
        verdict.exact("without positions, permuting words changes states by (largest)", order.get("without"), 1e-5),
        verdict.exactly_above("with positions, permuting words changes states by (largest)", order.get("with"), 0.1),
    ]
    for name in ORDERS:
        ours, theirs = right["transformer", name], right["unordered", name]
        lost = difference_of(ours, theirs)
        findings += [
            verdict.equivalent(f"literally: exact match lost without positions, {NAMES[name]}", lost, 0.05),
            verdict.above(f"control: exact match with positions, {NAMES[name]}", mean_over(ours), 0.5),
        ]
    return findings, _numbers(exact, times, right)


def growth_of_time(rounds: list[list[float]] | None, lengths: tuple[int, ...]) -> Estimate | None:
    """Log-log slope of the median time over the length, up to `LONGEST_JUDGED`, resampling rounds."""
    if rounds is None:
        return None
    judged = [length for length in lengths if length <= LONGEST_JUDGED]
    logs = np.log2(np.asarray(rounds)[:, : len(judged)])
    x = np.log2(judged) - np.mean(np.log2(judged))
    # The rounds stand in the place of items: one seed.
    return resampled_statistic([logs], lambda chosen: float(x @ np.median(chosen, axis=0) / (x @ x)))


def _numbers(exact: dict | None, times: dict[str, dict], right: dict[tuple[str, str], list]) -> dict[str, Any]:
    """Chains, times relative to the shortest of the library's GRU, and exact match; without what is missing."""
    numbers: dict[str, Any] = {"chains": exact or {}, "encode": {}, "write": {}, "faster": {}, "exact": {}}
    for device, found in times.items():
        for what, first in (("encode", "fused"), ("write", "gru")):
            medians = {model: np.median(rounds, axis=0) for model, rounds in found[what].items()}
            numbers[what][device] = {model: (times / medians[first][0]).tolist() for model, times in medians.items()}
        relative = numbers["encode"][device]
        pairs = zip(LENGTHS, relative["transformer"], relative["fused"], strict=True)
        numbers["faster"][device] = [length for length, ours, theirs in pairs if ours < theirs]
    for (model, order), runs in right.items():
        if runs:
            numbers["exact"][f"{model}, {order}"] = ends_of(mean_over(runs))
    return numbers


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Chains over length; times over length; where self-attention is faster; writing; what positions are for."""
    length = "source length n (symbols)"
    chains = [
        Line(
            f"{ENCODING[model].label}, {words}",
            LENGTHS,
            numbers["chains"][kind][model],
            model=ENCODING[model].model,
            dashed=kind == "training",
        )
        for kind, words in (("encoder", "encoder"), ("training", "training step"))
        for model in ("stepwise", "transformer")
        if numbers["chains"]
    ]
    panels: list[Panel] = [
        LinePanel(
            "Operations that must wait for one another",
            length,
            "longest chain (operations)",
            chains,
            x_log=True,
            y_log=True,
        )
    ]
    for device, relative in numbers["encode"].items():
        where = "GPU" if device == "cuda" else "CPU, one thread"
        lines = [entry.line(LENGTHS, relative[model]) for model, entry in ENCODING.items()]
        ratio = np.divide(relative["transformer"], relative["fused"]).tolist()
        writing = numbers["write"][device]
        written = [entry.line(WRITTEN, writing[model]) for model, entry in WRITING.items()]
        panels += [
            LinePanel(f"Encoding, forward and backward ({where})", length, "time (GRU at 8 = 1)", lines, True, True),
            LinePanel(
                f"Self-attention's time over the GRU's ({where})",
                length,
                "ratio (below 1: faster)",
                [Line("self-attention / GRU", LENGTHS, ratio, model="transformer")],
                x_log=True,
                marked=1,
            ),
            LinePanel(f"Writing token after token ({where})", "tokens m", "time (GRU at 8 = 1)", written, True, True),
        ]
    names = {
        f"{model}, {order}": f"{words}, {NAMES[order]}"
        for order in ORDERS
        for model, words in (("transformer", "positions"), ("unordered", "none"))
    }
    shown = [key for key in names if key in numbers["exact"]]
    if shown:
        ends = by_end((numbers["exact"][key] for key in shown), 100)
        title = f"Transformer with and without positions, {LONGEST_TRAINED} symbols"
        colours = ["transformer" if key.startswith("transformer") else None for key in shown]
        panels.append(BarPanel(title, "exact match (%)", [names[key] for key in shown], *ends, models=colours))
    return panels
