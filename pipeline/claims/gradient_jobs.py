"""The measurements of C2: what of the loss reaches a source symbol, and how soon a far one is learned.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

from itertools import count
from typing import Any

import numpy as np
import torch

from pipeline.claims.gradient_models import answers_right, log_gradients, network_of, source_gradients, ways_back
from pipeline.claims.training import Training, forced_nats, train
from pipeline.data.batching import Batch, EncodedPair, make_batch
from pipeline.data.probes import copying, first_token

ANSWERS, NOISE = 20, 20
DISTANCES = (1, 2, 5, 10, 20, 30, 40, 50, 60)  # from the answer to the end of the source; all are trained
LONGEST = "60"  # at which accuracy is measured
LOOK_EVERY = 10  # steps between two measurements of accuracy
COPIED, MAPPED = 20, 12  # longest source of copying; length of the maps
SYMBOLS = 20


def recall_run(model: str, d_model: int, steps: int, pairs: int, seed: int) -> dict[str, Any]:
    """Trains one model on recalling; what reaches the answer from the loss, before and after.

    Returns:
        `before`, `after`: distance → log10 g of every test pair. `right`: 0 or 1 for every test pair at the longest
        distance. `accuracy`: the same on average, every `LOOK_EVERY` steps of training. `ways`: distance → mean g along
        each way (`ways_back`) after training, and `rest`: the largest share of a whole gradient that they leave (GRU
        with attention only).
    """
    network = network_of(model, first_token.vocab_size(ANSWERS, NOISE), d_model, seed)
    tests = {str(distance): _recall_batch(distance, pairs) for distance in DISTANCES}
    before = {distance: log_gradients(network, batch) for distance, batch in tests.items()}
    training = Training(steps, batch_size=32)
    accuracy: list[float] = []
    drawn = count()

    def draw(rng: np.random.Generator) -> EncodedPair:
        if next(drawn) % (LOOK_EVERY * training.batch_size) == 0:  # the first pair of every tenth step
            accuracy.append(float(np.mean(answers_right(network, tests[LONGEST]))))
        return first_token.draw(rng, int(rng.integers(1, int(LONGEST) + 1)), ANSWERS, NOISE)

    train(network, draw, training, seed)
    result = {
        "before": before,
        "after": {distance: log_gradients(network, batch) for distance, batch in tests.items()},
        "right": answers_right(network, tests[LONGEST]),
        "accuracy": accuracy,
    }
    return {**result, **ways_back(network, tests)} if model == "gru_attention" else result


def copy_run(model: str, d_model: int, steps: int, pairs: int, seed: int) -> dict[str, Any]:
    """Trains one model on copying; nats per token of every test pair, and the map of all g(t, j) on the average."""
    network = network_of(model, copying.vocab_size(SYMBOLS), d_model, seed)

    def draw(rng: np.random.Generator) -> EncodedPair:
        return copying.draw(rng, int(rng.integers(1, COPIED + 1)), SYMBOLS)

    train(network, draw, Training(steps, batch_size=32), seed)
    rng = np.random.default_rng([0, COPIED])
    nats = forced_nats(network, make_batch([copying.draw(rng, COPIED, SYMBOLS) for _ in range(pairs)])).mean(1)
    batch = make_batch([copying.draw(rng, MAPPED, SYMBOLS) for _ in range(min(pairs, 20))])
    rows = [source_gradients(network, batch, step).norm(dim=-1).mean(0)[:MAPPED] for step in range(MAPPED)]
    return {"nats": nats.tolist(), "map": torch.stack(rows).tolist()}


def _recall_batch(distance: int, pairs: int) -> Batch:
    rng = np.random.default_rng([0, distance])
    return make_batch([first_token.draw(rng, distance, ANSWERS, NOISE) for _ in range(pairs)])
