"""The trainings of C1: how far each model copies.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

from typing import Any

import numpy as np
import torch

from pipeline.claims.training import Training, forced_nats, train, translate_exactly
from pipeline.claims.variants import UniformGRU
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import copying
from pipeline.models import GRUSeq2Seq

SYMBOLS = 20
LONGEST_TRAINED = 30
LENGTHS = (2, 4, 6, 8, 10, 15, 20, 25, 30, 35, 40)
POSITIONS_AT = 15  # the length at which accuracy is measured by source position


def copy_run(memory: str, d_model: int, order: str, steps: int, pairs: int, seed: int) -> dict[str, Any]:
    """Trains one model; exact match and nats per token of every test pair by length, and accuracy by source position.

    Returns:
        `exact`: length → 0 or 1 for each pair, free-running. `nats_per_token`: length → of each pair, teacher-forced.
        `by_position`: for each pair of `POSITIONS_AT` symbols, 0 or 1 for each source position, teacher-forced. The
        test pairs are the same in every run.
    """
    network_class, handover = (UniformGRU, "all") if memory == "uniform" else (GRUSeq2Seq, memory)
    torch.manual_seed(seed)
    network = network_class(copying.vocab_size(SYMBOLS), handover, d_embed=64, d_model=d_model, dropout=0.0)

    def draw(rng: np.random.Generator) -> EncodedPair:
        return copying.draw(rng, int(rng.integers(1, LONGEST_TRAINED + 1)), SYMBOLS, order)

    train(network, draw, Training(steps), seed)
    exact, nats = {}, {}
    for length in LENGTHS:
        rng = np.random.default_rng([0, length])
        batch = make_batch([copying.draw(rng, length, SYMBOLS, order) for _ in range(pairs)])
        exact[str(length)] = translate_exactly(network, batch).all(1).int().tolist()
        nats[str(length)] = forced_nats(network, batch).mean(1).tolist()  # all pairs of a length have as many tokens
    rng = np.random.default_rng([1, POSITIONS_AT])
    batch = make_batch([copying.draw(rng, POSITIONS_AT, SYMBOLS, order) for _ in range(pairs)])
    with torch.no_grad():
        right = network(batch.src, batch.src_mask, batch.tgt_in).argmax(-1) == batch.tgt_out
    right = right[:, :POSITIONS_AT]
    by_source = right if order == "copy" else right.flip(1)
    return {"exact": exact, "by_position": by_source.int().tolist(), "nats_per_token": nats}
