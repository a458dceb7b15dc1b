"""The models of C6, and what can be read off their layers."""

import numpy as np
from torch import Tensor

from pipeline.claims.matched_models import gru, transformer
from pipeline.data.batching import Batch
from pipeline.models import Seq2Seq


def build(model: str, vocab_size: int, heads: int, d_model: int, layers: int) -> Seq2Seq:
    """`transformer`, or a GRU with as many parameters: `last` (no attention), `gru`, `bigru` (both with attention)."""
    if model == "transformer":
        return transformer(vocab_size, d_model, heads, layers)
    return gru(vocab_size, "last" if model == "last" else "all", model == "bigru", d_model, layers)


def layer_states(network: Seq2Seq, model: str, batch: Batch) -> list[Tensor]:
    """What stands at each source position, (batch, src_len, …) each: the token vectors, then every encoder layer."""
    states = network.embed_source(batch.src)
    if model != "transformer":
        return [states, network.encoder(states, batch.src_mask)[0]]
    found = [states]
    for layer in network.encoder:
        states, _ = layer(states, batch.src_mask[:, None, None, :])
        found.append(states)
    return found


def read_off(states: np.ndarray, is_true: np.ndarray, fitted: int) -> list[int]:
    """0 or 1 for each row after the first `fitted`, on which a ridge regression on ±1 is fitted."""
    scale = states[:fitted].std(0) + 1e-6
    rows = np.column_stack([(states - states[:fitted].mean(0)) / scale, np.ones(len(states))])
    sign = np.where(is_true, 1.0, -1.0)
    gram = rows[:fitted].T @ rows[:fitted] + np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, rows[:fitted].T @ sign[:fitted])
    return ((rows[fitted:] @ weights > 0) == is_true[fitted:]).astype(int).tolist()
