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

Set-up: two tasks with a controlled distance, agreement past attractors and recall by key (data/probes). GRU without
attention, with it (one direction and both), Transformer. Held equal: parameters within 5 % (asserted), width of token
vectors, batches, steps, learning rate. Accuracy is contrastive, so that decoding is not involved. Probes: from the
states at the verb, layer by layer, a linear classifier (ridge regression) reads the number of the subject, some words
earlier; its control task (after Hewitt & Liang 2019) is a random halving of the nouns, which the verb has no use for. A
high control says that the word itself is kept, selectivity (number minus control) that only what is needed is.

Criterion. "Inevitably" is said of every dependency: so on both tasks the Transformer must be ahead of the GRU with both
directions and attention, at the longest distance of training, by 5 points or more. Where they are within ±2 points the
whole interval is below 5 and the claim fails as stated, which is what the literature expects. That the Transformer has
learned is a control: failing because one model was trained too little would mean nothing.

What this does not show: distance for a backward GRU: the far word stands near the start, where that GRU ends and hands
its state to the decoder, so for a GRU of both directions it is a few steps away (one direction recalls worse); hard
agreement: the subject has ids of its own, one bit is carried, and without attention all do it too; whether a word's own
vector is kept: probes read the verb's state, and a GRU's is wider; natural text; other depths (a GRU has one layer
here, the Transformer two, at equal parameters); keys and values in words of their own, to be bound first: there, in
trials, the GRUs learned sooner, so the task as it is favours the Transformer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pipeline.claims import verdict
from pipeline.claims.inference import difference_of, mean_over
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.long_term_models import build, layer_states, read_off
from pipeline.claims.matched_models import num_parameters
from pipeline.claims.training import Training, batch_of, train
from pipeline.claims.verdict import Claim, Finding
from pipeline.data.batching import EncodedPair
from pipeline.data.probes import agreement, recall
from pipeline.models import Seq2Seq
from pipeline.panels import Line, LinePanel, MatrixPanel, Panel
from pipeline.statistics import Estimate

CLAIM = Claim(
    "C6",
    "Long-term dependency",
    "In a recurrent network, with attention too, early information inevitably fades; self-attention keeps all of it.",
)

MODELS = {  # label, the model whose colour it has, dashed
    "last": ("GRU, no attention", "gru", False),
    "gru": ("GRU → + attention", "gru_attention", True),
    "bigru": ("GRU ⇄ + attention", "gru_attention", False),
    "transformer": ("Transformer", "transformer", False),
}
TASKS = {"agreement": "Agreement", "recall": "Recall by key"}
PROBED = ("number", "control")
CONTROL_HALF = (0, 3, 5, 6)  # the nouns of one half in the control task: drawn once, and fixed

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"d_model": 32, "layers": 2, "heads": (4,), "steps": 450, "seeds": (1, 2, 3), "items": 150},
        **{"longest": 20, "distances": (1, 2, 5, 10, 15, 20), "beyond": (30, 40)},
    },
    "full": {
        **{"d_model": 64, "layers": 2, "heads": (4, 1, 2, 8), "steps": 4000, "seeds": (1, 2, 3, 4, 5), "items": 400},
        **{"longest": 40, "distances": (1, 2, 5, 10, 20, 30, 40), "beyond": (60, 80)},
    },
}  # of `heads`, the first decides


def distance_run(
    task: str,
    model: str,
    heads: int,
    d_model: int,
    layers: int,
    steps: int,
    items: int,
    longest: int,
    distances: tuple[int, ...],
    seed: int,
) -> dict[str, Any]:
    """Trains one model on distances up to `longest`; scores `items` items at each of `distances`, the same in all runs.

    Returns:
        `margin`: distance → for each item, by how many nats the right answer leads the best wrong one; right above 0.
        For agreement also `attractors`, the same at `longest` by the number of attractors, and `probes` (`_probe`).
    """
    torch.manual_seed(seed)
    probe = {"agreement": agreement, "recall": recall}[task]
    network = build(model, probe.VOCAB_SIZE, heads, d_model, layers)

    def draw_any(rng: np.random.Generator) -> EncodedPair:
        return probe.draw(rng, int(rng.integers(1, longest + 1))).pair

    history = train(network, draw_any, Training(steps), seed)
    result: dict[str, Any] = {"parameters": num_parameters(network), "last_nats": float(np.mean(history[-20:]))}
    result["margin"] = {}
    for distance in distances:
        rng = np.random.default_rng([0, distance])
        result["margin"][str(distance)] = _margins(network, task, [probe.draw(rng, distance) for _ in range(items)])
    if task == "agreement":
        result["attractors"] = {}
        for count in range(agreement.MOST_BETWEEN + 1):
            rng = np.random.default_rng([1, count])
            sentences = [agreement.draw(rng, longest, count) for _ in range(items)]
            result["attractors"][str(count)] = _margins(network, task, sentences)
        probed = [distance for distance in distances if distance <= longest]
        result["probes"] = {str(distance): _probe(network, model, distance, items) for distance in probed}
    return result


@torch.no_grad()
def _margins(network: Seq2Seq, task: str, items: list[Any]) -> list[float]:
    batch = batch_of([item.pair for item in items])
    logits = network(batch.src, batch.src_mask, batch.tgt_in)[:, 0]  # (items, vocab_size)
    if task == "agreement":
        answers = torch.tensor([[item.right, item.wrong] for item in items])
    else:
        answers = torch.tensor([[item.right, *_other_values(item.right)] for item in items])
    scores = logits.gather(1, answers)
    return (scores[:, 0] - scores[:, 1:].max(1).values).tolist()


def _other_values(right: int) -> list[int]:
    return [value for value in range(recall.FIRST_VALUE, recall.FIRST_VALUE + recall.VALUES) if value != right]


@torch.no_grad()
def _probe(network: Seq2Seq, model: str, distance: int, items: int) -> dict[str, list[list[int]]]:
    """`number`, `control` → by layer, from the token vectors up, 0 or 1 for each of `items` sentences: does a probe,
    fitted to three times as many others, read it off the verb's state?"""
    rng = np.random.default_rng([2, distance])
    sentences = [agreement.draw(rng, distance) for _ in range(4 * items)]
    batch = batch_of([sentence.pair for sentence in sentences])
    verb = torch.tensor([sentence.verb for sentence in sentences])
    labels = {
        "number": np.array([sentence.is_plural for sentence in sentences]),
        "control": np.array([sentence.noun in CONTROL_HALF for sentence in sentences]),
    }
    layers = [states[torch.arange(len(verb)), verb].double().numpy() for states in layer_states(network, model, batch)]
    return {name: [read_off(states, labels[name], 3 * items) for states in layers] for name in PROBED}


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
    grid = {cell: results.seeds(of_cell) for cell, of_cell in _grid(profile).items()}
    # By task and model; a Transformer with other than the first number of heads is a model of its own, "8 heads".
    runs = {
        (task, model if model != "transformer" or heads == p["heads"][0] else f"{heads} heads"): of_cell
        for (task, model, heads), of_cell in grid.items()
    }
    far, beyond = p["longest"], p["beyond"][0]

    def right(task: str, model: str, distance: int) -> list[list[int]]:
        return [[int(margin > 0) for margin in run["margin"][str(distance)]] for run in runs[task, model]]

    def ahead(task: str, distance: int) -> Estimate | None:
        return difference_of(right(task, "transformer", distance), right(task, "bigru", distance))

    def read(model: str, what: str, layer: int) -> Estimate | None:
        return mean_over([run["probes"][str(far)][what][layer] for run in runs["agreement", model]])

    findings = []
    for task in TASKS:
        what = f"{task} {far} words apart: accuracy"
        findings += [
            verdict.at_least(
                f"{what}, Transformer minus GRU ⇄ + attention", ahead(task, far), size=0.05, beyond=0, is_primary=True
            ),
            verdict.above(f"control, {what} of the Transformer", mean_over(right(task, "transformer", far)), 0.9),
            verdict.above(f"{task} {beyond} apart, beyond training: the same difference", ahead(task, beyond), 0),
        ]
    findings += [
        verdict.below(
            f"as stated: subject's number {far} words on, in the state of a GRU → (probe)",
            read("gru", "number", -1),
            0.6,
        ),
        verdict.above(
            f"as stated: the noun itself {far} words on, in the Transformer's last layer (probe)",
            read("transformer", "control", -1),
            0.9,
        ),
        verdict.below("control: subject's number, in the verb's token vector (probe)", read("gru", "number", 0), 0.6),
    ]
    done = {cell: of_cell for cell, of_cell in runs.items() if of_cell}
    numbers = {
        "longest": far,
        "distances": [*p["distances"], *p["beyond"]],
        "within_2_points": {task: _is_within(ahead(task, far), 0.02) for task in TASKS},
        "curves": {task: {model: _curves(of) for (t, model), of in done.items() if t == task} for task in TASKS},
        "attractors": {
            model: [_share_right(of_cell, "attractors", count) for count in range(agreement.MOST_BETWEEN + 1)]
            for (task, model), of_cell in done.items()
            if task == "agreement"
        },
        "probes": _probe_rows([(m, of) for (task, m), of in done.items() if task == "agreement" and m in MODELS], p),
        "parameters": {f"{task}, {model}": of_cell[0]["parameters"] for (task, model), of_cell in done.items()},
        "last_nats": {
            f"{task}, {model}": [run["last_nats"] for run in of_cell] for (task, model), of_cell in done.items()
        },
    }
    return findings, numbers


def _is_within(measured: Estimate | None, reach: float) -> bool | None:
    return None if measured is None else -reach < measured.low and measured.high < reach


def _share_right(runs: list[dict[str, Any]], what: str, at: int) -> float:
    return float(np.mean([np.array(run[what][str(at)]) > 0 for run in runs]))


def _curves(runs: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Accuracy (%) and mean margin (nats) by distance: the mean, least and most of the seeds."""
    margins = np.array([list(run["margin"].values()) for run in runs])  # (seeds, distances, items)
    curves = {"accuracy": 100 * (margins > 0).mean(2), "margin": margins.mean(2)}
    ends = {"value": np.mean, "low": np.min, "high": np.max}
    return {name: {end: of(by_seed, axis=0).tolist() for end, of in ends.items()} for name, by_seed in curves.items()}


def _probe_rows(cells: list[tuple[str, list[dict[str, Any]]]], p: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Model and layer → what is read off its state at the verb (%), by distance."""
    rows = {}
    for model, runs in cells:
        probes = [run["probes"] for run in runs]
        for layer in range(len(probes[0][str(p["longest"])]["number"])):
            rows[f"{MODELS[model][0]}: {f'layer {layer}' if layer else 'token'}"] = {
                what: [100 * float(np.mean([probe[str(d)][what][layer] for probe in probes])) for d in p["distances"]]
                for what in PROBED
            }
    return rows


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Accuracy and margin by distance, accuracy by attractors, and what the probes read, layer by layer."""
    distances, longest = numbers["distances"], numbers["longest"]

    def line(model: str, x: Sequence[float], *y: Sequence[float]) -> Line:
        label, colour, dashed = MODELS.get(model, (f"Transformer, {model}", None, True))
        return Line(label, x, *y, model=colour, dashed=dashed)

    panels: list[Panel] = [
        LinePanel(
            f"{title} (band: seeds)",
            "distance (words)",
            label,
            [line(model, distances, *curves[what].values()) for model, curves in numbers["curves"][task].items()],
            shaded=(1, longest),
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
    columns = [str(distance) for distance in distances if distance <= longest]
    rows, x_label = numbers["probes"], "distance to the subject (words)"
    for what, title in (("number", "the subject's number"), ("control", "a random half of the nouns (control)")):
        if rows:
            matrix, scale = [row[what] for row in rows.values()], "read off (%); chance 50"
            panels.append(
                MatrixPanel(f"Verb's state: {title}", matrix, x_label, "", columns, list(rows), scale_label=scale)
            )
    return panels
