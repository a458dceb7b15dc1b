"""C6: long-term dependency.

The article: a recurrent network hands information on through its hidden state HS, step after step, so that what was
understood early inevitably fades, with attention too; self-attention keeps every word's vector, so that early words are
fully reflected.

Literature: for it, short paths, and copying and recall, where memories of a fixed size fail (Jelassi et al. 2024; the
recall tasks of Zoology). Against it, Tang et al. 2018: on subject-verb agreement in translation Transformers do *not*
outperform recurrent models at long distance, and the number of heads matters; Tran et al. 2018: an LSTM does better; a
recurrent model with attention still has 92.8 % beyond 15 words on LingEval97. Beyond the lengths of training
Transformers do worse (Neishi & Yoshinaga 2019; Variš & Bojar 2021). Tokens become *less* identifiable with depth
(Brunner et al. 2020).

Set-up: two tasks with a controlled distance, agreement past attractors and recall by key (data/probes). The far word
stands anywhere in the first words of the sentence, whatever the distance: a backward GRU ends at the start and hands
its state to the decoder, so near the start no word is far from it. For recall each key of a training sentence is asked
for as often, so that places do not tell which, and sentences are as long as the longest that decide: a fifth of its
training distances are longer than the longest that decides. GRU without attention, with it (one direction and both),
Transformer. Held equal: parameters within 5 % (asserted), width of token vectors, batches, steps, learning rate.
Accuracy is contrastive, so that decoding is not involved. Probes: from the states at the verb, layer by layer, a linear
classifier (ridge regression) reads the number of the subject, some words earlier; its control task (after Hewitt &
Liang 2019) is a random halving of the nouns, which the verb has no use for. A high control says that the word itself is
kept, selectivity (number minus control) that only what is needed is.

Criterion: "inevitably" is said of every dependency, so one of them can refute it. On recall the Transformer must be
ahead of the GRU with both directions and attention, at the longest distance that is asked about, by 5 points or more
(primary). Where they are within ±2 points the whole interval is below 5 and the claim fails as stated, which is what
the literature expects. Of agreement the same is asked, but it is not primary: in trials the GRU without attention had
learned it too, so that by the controls it decides nothing. Others: the Transformer is ahead by as much where the far
word stands furthest from the start, and of the GRU of one direction, and by anything beyond the lengths of training;
and "fades": a GRU with attention is right less often at the longest distance than at 1, by 5 points or more, and at the
verb the state of one of one direction holds the number no longer, nor what nothing asks for (the control task, which it
must hold at distance 1). Controls: the Transformer has learned (failing because one model was trained too little would
mean nothing), and the GRU without attention has not (else the task is easy, and a tie no sign of attention); where
either does not pass, what fails on that task is undecided. What is said of the GRU of one direction is undecided unless
it has learned, at distance 1. That each word's own vector keeps the word is no finding: residuals see to it in any
Transformer, in untrained ones too, so that it could not fail.

What this does not show: how *far* anything reaches: who has learned recall is right at all distances, so it refutes
"inevitably" by one example, and ranks nobody (46 % is what one has without comparing keys: data/probes/recall.py); what
a GRU ⇄ owes to the question standing last, which its backward half reads first, while a GRU → has to keep all pairs
before it knows which is asked for; hard agreement: the subject has ids of its own and one bit is carried, which a last
state can do; distance for a backward GRU beyond 10 words from the start; what the states of two models hold beside one
another: a GRU's is wider; natural text; other depths (a GRU has one layer here, the Transformer two, at equal
parameters); keys and values in words of their own, to be bound first: there, in trials, the GRUs learned sooner, so the
task as it is favours the Transformer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.claims import verdict
from pipeline.claims.inference import change_of, difference_of, ends_over_seeds, mean_over
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.long_term_jobs import BEFORE, PROBED, distance_run
from pipeline.claims.verdict import Claim, Finding
from pipeline.data.probes import agreement, recall
from pipeline.panels import LegendEntry, Line, LinePanel, MatrixPanel, Panel
from pipeline.statistics import ENDS, Estimate

CLAIM = Claim(
    "C6",
    "Long-term dependency",
    "In a recurrent network, with attention too, early information inevitably fades; self-attention keeps all of it.",
)

MODELS = {
    "last": LegendEntry("GRU, no attention", "gru"),
    "gru": LegendEntry("GRU → + attention", "gru_attention"),
    "bigru": LegendEntry("GRU ⇄ + attention", "gru_attention_both"),
    "transformer": LegendEntry("Transformer", "transformer"),
}
TASKS = {"agreement": "Agreement", "recall": "Recall by key"}
DECIDES = "recall"
OfModels = dict[str, list[dict[str, Any]]]  # model → its runs, none where one is missing

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"d_model": 32, "layers": 2, "heads": (4,), "steps": 900, "seeds": (1, 2, 3), "items": 150},
        **{"longest": 20, "distances": (1, 2, 5, 10, 15, 20), "beyond": (40, 50)},
    },
    "full": {
        **{"d_model": 64, "layers": 2, "heads": (4, 1, 2, 8), "steps": 4000, "seeds": (1, 2, 3, 4, 5), "items": 400},
        **{"longest": 40, "distances": (1, 2, 5, 10, 20, 30, 40), "beyond": (60, 80)},
    },
}  # of `heads`, the first decides


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    return [run for runs in _grid(profile).values() for run in runs]


def _grid(profile: str) -> dict[tuple[str, str, int], list[Job]]:
    """(task, model, heads) → one job per seed; heads are 1 for a GRU, which has one attention."""
    p = PROFILES[profile]
    options = {name: p[name] for name in ("d_model", "layers", "steps", "items", "longest")}
    options["distances"] = p["distances"] + p["beyond"]
    heads_of = dict.fromkeys(MODELS, (1,)) | {"transformer": p["heads"]}
    cells = [(task, model, heads) for task in TASKS for model in MODELS for heads in heads_of[model]]
    return {
        (task, model, heads): [
            job(distance_run, task=task, model=model, heads=heads, seed=seed, **options) for seed in p["seeds"]
        ]
        for task, model, heads in cells
    }


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    p = PROFILES[profile]
    # By task and model; a Transformer with other than the first number of heads is a model of its own, "8 heads".
    runs: dict[str, OfModels] = {task: {} for task in TASKS}
    for (task, model, heads), of_cell in _grid(profile).items():
        name = model if model != "transformer" or heads == p["heads"][0] else f"{heads} heads"
        runs[task][name] = results.seeds(of_cell)
    of_tasks = {task: _findings_of_task(task, of_models, p) for task, of_models in runs.items()}
    has_learned = of_tasks["agreement"][-1]
    near, far = p["distances"][0], p["longest"]

    def read(what: str, distance: int = far, layer: int = -1) -> Estimate | None:
        return mean_over([run["probes"][str(distance)][what][layer] for run in runs["agreement"]["gru"]])

    needed, unneeded = (
        verdict.below(f"as stated: {what} {far} words on, in the state of a GRU → (probe)", read(of), 0.6)
        for what, of in (("subject's number", "number"), ("a half of the nouns, which nothing asks for,", "control"))
    )
    was_there = verdict.above(f"control: that half, {near} word on (probe)", read("control", near), 0.6)
    findings = [
        *(finding for of_task in of_tasks.values() for finding in of_task),
        verdict.dependent(needed, [has_learned]),
        verdict.below("control: subject's number, in the verb's token vector (probe)", read("number", layer=0), 0.6),
        verdict.dependent(unneeded, [has_learned, was_there]),
        was_there,
    ]
    return findings, _numbers(runs, p)


def _findings_of_task(task: str, runs: OfModels, p: dict[str, Any]) -> list[Finding]:
    """The last of them says whether the GRU of one direction has learned the task."""
    near, far, beyond = p["distances"][0], p["longest"], p["beyond"][0]
    what = f"{task} {far} words apart: accuracy"

    def right(model: str, distance: int) -> list[list[int]]:
        return _right(runs[model], "margin", distance)

    def lost(model: str) -> Estimate | None:
        """How much less often it is right far away than near, network by network. The items are others; that they are
        paired changes nothing on the average."""
        return change_of(right(model, near), right(model, far))

    controls = [
        verdict.above(f"control, {what} of the Transformer", mean_over(right("transformer", far)), 0.9),
        verdict.below(f"control, {what} of the GRU without attention (hard)", mean_over(right("last", far)), 0.9),
    ]
    compared = [
        verdict.at_least(
            f"{what}, Transformer minus GRU ⇄ + attention",
            _ahead(runs, far),
            size=0.05,
            beyond=0,
            is_primary=task == DECIDES,
        ),
        verdict.at_least(
            f"{what}, {BEFORE[-1]} words from the start, Transformer minus GRU ⇄ + attention",
            difference_of(*(_right(runs[model], "before", BEFORE[-1]) for model in ("transformer", "bigru"))),
            size=0.05,
            beyond=0,
        ),
        verdict.above(f"{task} {beyond} apart, beyond training: the same difference", _ahead(runs, beyond), 0),
        verdict.at_least(f"as stated, {task}: accuracy that GRU ⇄ + attention loses", lost("bigru"), 0.05, 0),
    ]
    of_one_direction = [
        verdict.at_least(f"{what}, Transformer minus GRU → + attention", _ahead(runs, far, "gru"), 0.05, beyond=0),
        verdict.at_least(f"as stated, {task}: accuracy that GRU → + attention loses", lost("gru"), 0.05, 0),
    ]
    has_learned = verdict.above(
        f"control, {task} {near} apart: accuracy of GRU → + attention", mean_over(right("gru", near)), 0.9
    )
    return [
        *(verdict.guarded(finding, controls) for finding in compared),
        *(verdict.dependent(verdict.guarded(finding, controls), [has_learned]) for finding in of_one_direction),
        *controls,
        has_learned,
    ]


def _right(runs: list[dict[str, Any]], what: str, at: int) -> list[list[int]]:
    """0 or 1 for each item, of each run."""
    return [[int(margin > 0) for margin in run[what][str(at)]] for run in runs]


def _ahead(runs: OfModels, distance: int, of: str = "bigru") -> Estimate | None:
    """How much more often the Transformer is right than another model."""
    return difference_of(*(_right(runs[model], "margin", distance) for model in ("transformer", of)))


def _numbers(runs: dict[str, OfModels], p: dict[str, Any]) -> dict[str, Any]:
    """By task and model; those whose runs are missing are left out."""
    done = {task: {model: of for model, of in of_models.items() if of} for task, of_models in runs.items()}
    cells = {f"{task}, {model}": of for task, of_models in done.items() for model, of in of_models.items()}
    counts = range(agreement.MOST_BETWEEN + 1)
    return {
        "longest": p["longest"],
        "distances": [*p["distances"], *p["beyond"]],
        "within_2_points": {task: _is_within(_ahead(runs[task], p["longest"]), 0.02) for task in TASKS},
        "curves": {task: {model: _curves(of) for model, of in of_models.items()} for task, of_models in done.items()},
        "before": {
            model: [_share_right(of, "before", before) for before in BEFORE] for model, of in done["recall"].items()
        },
        "attractors": {
            model: [_share_right(of, "attractors", count) for count in counts]
            for model, of in done["agreement"].items()
        },
        "probes": _probe_rows([(model, of) for model, of in done["agreement"].items() if model in MODELS], p),
        "parameters": {cell: of[0]["parameters"] for cell, of in cells.items()},
        "last_nats": {cell: [run["last_nats"] for run in of] for cell, of in cells.items()},
    }


def _is_within(measured: Estimate | None, reach: float) -> bool | None:
    return None if measured is None else -reach < measured.low and measured.high < reach


def _share_right(runs: list[dict[str, Any]], what: str, at: int) -> float:
    return float(np.mean([np.array(run[what][str(at)]) > 0 for run in runs]))


def _curves(runs: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Accuracy (%) and mean margin (nats) by distance: the mean, least and most of the seeds."""
    margins = np.array([list(run["margin"].values()) for run in runs])  # (seeds, distances, items)
    curves = {"accuracy": 100 * (margins > 0).mean(2), "margin": margins.mean(2)}
    return {name: dict(zip(ENDS, ends_over_seeds(by_seed), strict=True)) for name, by_seed in curves.items()}


def _probe_rows(cells: list[tuple[str, list[dict[str, Any]]]], p: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Model and layer → what is read off its state at the verb (%), by distance."""
    rows = {}
    for model, runs in cells:
        probes = [run["probes"] for run in runs]
        for layer in range(len(probes[0][str(p["longest"])]["number"])):
            rows[f"{MODELS[model].label}: {f'layer {layer}' if layer else 'token'}"] = {
                what: [100 * float(np.mean([probe[str(d)][what][layer] for probe in probes])) for d in p["distances"]]
                for what in PROBED
            }
    return rows


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Accuracy and margin by distance, accuracy by attractors, and what the probes read, layer by layer."""
    distances, longest = numbers["distances"], numbers["longest"]
    longest_trained = {"agreement": longest, "recall": longest + recall.MOST_BEFORE}

    def line(model: str, x: Sequence[float], *y: Sequence[float]) -> Line:
        return MODELS.get(model, LegendEntry(f"Transformer, {model}", None, dashed=True)).line(x, *y)

    guesses = {("accuracy", "agreement"): 50, ("accuracy", "recall"): 100 * recall.guessed()}
    panels: list[Panel] = [
        LinePanel(
            f"{title} (band: seeds{'; dotted: guessing' if (what, task) in guesses else ''})",
            "distance (words)",
            label,
            [line(model, distances, *curves[what].values()) for model, curves in numbers["curves"][task].items()],
            shaded=(1, longest_trained[task]),
            marked=guesses.get((what, task)),
        )
        for what, label in (("accuracy", "right (%)"), ("margin", "margin of the right answer (nats)"))
        for task, title in TASKS.items()
    ]
    by_attractors = [
        line(model, range(len(shares)), [100 * share for share in shares])
        for model, shares in numbers["attractors"].items()
    ]
    x_label = "attractors (nouns of the other number)"
    panels.append(LinePanel(f"Agreement at distance {longest}", x_label, "right (%)", by_attractors))
    by_start = [line(model, BEFORE, [100 * share for share in shares]) for model, shares in numbers["before"].items()]
    x_label = "words before the one that is asked for"
    panels.append(LinePanel(f"Recall at distance {longest}", x_label, "right (%)", by_start))
    columns = [str(distance) for distance in distances if distance <= longest]
    rows, x_label = numbers["probes"], "distance to the subject (words)"
    for what, title in (("number", "the subject's number"), ("control", "a random half of the nouns (control)")):
        if rows:
            matrix, scale = [row[what] for row in rows.values()], "read off (%); chance 50"
            panels.append(
                MatrixPanel(f"Verb's state: {title}", matrix, x_label, "", columns, list(rows), scale_label=scale)
            )
    return panels
