"""The measurements of C6: contrastive accuracy over a distance, and what a probe reads off the states at the verb.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

from typing import Any

import numpy as np
import torch

from pipeline.claims.long_term_models import build, layer_states, read_off
from pipeline.claims.matched_models import num_parameters
from pipeline.claims.training import Training, train
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import agreement, recall
from pipeline.models import Seq2Seq

PROBED = ("number", "control")
CONTROL_HALF = (0, 3, 5, 6)  # the nouns of one half in the control task: drawn once, and fixed
BEFORE = (0, 5, 10)  # words before the far word, where that is measured apart


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
        `before`: the same at `longest` by the number of words before the far word, of `BEFORE`. For agreement also
        `attractors`, the same at `longest` by the number of attractors, and `probes`, by distance (`_probe`).
    """
    torch.manual_seed(seed)
    probe = {"agreement": agreement, "recall": recall}[task]
    network = build(model, probe.VOCAB_SIZE, heads, d_model, layers)

    def draw(rng: np.random.Generator) -> EncodedPair:
        return probe.draw_any(rng, longest).pair

    history = train(network, draw, Training(steps), seed)
    result: dict[str, Any] = {"parameters": num_parameters(network), "last_nats": float(np.mean(history[-20:]))}
    result["margin"] = {}
    for distance in distances:
        rng = np.random.default_rng([0, distance])
        result["margin"][str(distance)] = _margins(network, task, [probe.draw(rng, distance) for _ in range(items)])
    result["before"] = {}
    for before in BEFORE:
        rng = np.random.default_rng([3, before])
        items_ = [probe.draw(rng, longest, before=before) for _ in range(items)]
        result["before"][str(before)] = _margins(network, task, items_)
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
    batch = make_batch([item.pair for item in items])
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
    batch = make_batch([sentence.pair for sentence in sentences])
    verb = torch.tensor([sentence.verb for sentence in sentences])
    labels = {
        "number": np.array([sentence.is_plural for sentence in sentences]),
        "control": np.array([sentence.noun in CONTROL_HALF for sentence in sentences]),
    }
    layers = layer_states(network, model, batch)

    rows = [states[torch.arange(len(verb)), verb].double().numpy() for states in layers]
    return {name: [read_off(states, labels[name], 3 * items) for states in rows] for name in PROBED}
