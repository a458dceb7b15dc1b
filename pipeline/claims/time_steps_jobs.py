"""The measurements of C5: operations that must wait, times, and what positions are for.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

from functools import partial
from typing import Any

import numpy as np
import torch

from pipeline.claims.time_steps_models import (
    StepwiseSeq2Seq,
    encode_and_back,
    encode_random,
    fused_gap,
    longest_chain,
    order_error,
    seconds,
    write_tokens,
)
from pipeline.claims.training import Training, train, translate_exactly
from pipeline.claims.variants import UnorderedTransformer
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import copying
from pipeline.data.tokenizer import FIRST_PIECE
from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq

SYMBOLS = 20
LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
WRITTEN = (8, 16, 32, 64, 128)
LONGEST_TRAINED = 8  # of copying and reversing
ENCODERS = ("fused", "stepwise", "transformer")
WRITERS = ("gru", "transformer", "forgetting")  # forgetting: a Transformer that keeps nothing


def network_of(model: str, d_model: int, seed: int = 0) -> Seq2Seq:
    """An untrained network of those compared, of one size."""
    torch.manual_seed(seed)
    vocab_size = copying.vocab_size(SYMBOLS)
    if model == "stepwise":
        return StepwiseSeq2Seq(vocab_size, d_embed=d_model, d_model=d_model, dropout=0.0)
    if model in ("fused", "gru"):
        return GRUSeq2Seq(vocab_size, d_embed=d_model, d_model=d_model, dropout=0.0)
    network_class = UnorderedTransformer if model == "unordered" else TransformerSeq2Seq
    return network_class(vocab_size, d_model=d_model, d_ff=2 * d_model, dropout=0.0)


def exact_run() -> dict[str, Any]:
    """Everything that needs neither statistics nor training.

    Returns:
        `encoder` and `training`: model → longest chain at each of `LENGTHS`, of the encoder and of a training step.
        `gap`: the largest difference between the two GRUs. `order`: what permuting a source changes, by whether there
        are positions.
    """
    found: dict[str, Any] = {"encoder": {}, "training": {}}
    for model in ("stepwise", "transformer"):
        network = network_of(model, d_model=16)
        found["encoder"][model], found["training"][model] = [], []
        for length in LENGTHS:
            _, memory = encode_random(network, length, batch_size=1)
            logits = network.decode(torch.full((1, length), FIRST_PIECE), memory).logits
            found["encoder"][model].append(longest_chain(memory.states))
            found["training"][model].append(longest_chain(logits.logsumexp(-1).sum()))
    found["gap"] = fused_gap(network_of("fused", 16), network_of("stepwise", 16), length=64)
    without, with_positions = network_of("unordered", 64).eval(), network_of("transformer", 64).eval()
    found["order"] = {
        "without": order_error(without, 16, range(10)),
        "with": order_error(with_positions, 16, range(10)),
    }
    return found


def time_run(device: str, machine: str, d_model: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """Seconds of every round: `encode` (forward and backward), model → (rounds, lengths), and `write`, likewise.

    Args:
        machine: What `device` is. For the key only: what another machine took is not kept as an answer for this one.
    """
    encoders = {model: network_of(model, d_model).to(device) for model in ENCODERS}
    writers = {model: network_of(model, d_model).to(device).eval() for model in WRITERS}
    memories = {model: encode_random(network, 16, batch_size, device)[1] for model, network in writers.items()}
    encode = np.empty((rounds + 1, len(ENCODERS), len(LENGTHS)))
    write = np.empty((rounds + 1, len(WRITERS), len(WRITTEN)))
    for turn in range(rounds + 1):  # models next to one another: what disturbs one disturbs all
        for column, length in enumerate(LENGTHS):
            for row, network in enumerate(encoders.values()):
                work = partial(encode_and_back, network, length, batch_size, device)
                encode[turn, row, column] = seconds(work, device)
        for column, length in enumerate(WRITTEN):
            for row, (model, network) in enumerate(writers.items()):
                work = partial(write_tokens, network, memories[model], length, keep_state=model != "forgetting")
                write[turn, row, column] = seconds(work, device)
    by_model = lambda names, times: {name: times[1:, row].tolist() for row, name in enumerate(names)}  # noqa: E731
    return {"encode": by_model(ENCODERS, encode), "write": by_model(WRITERS, write)}  # without the first, a warm-up


def order_run(model: str, order: str, d_model: int, steps: int, pairs: int, seed: int) -> dict[str, Any]:
    """Trains a Transformer, with positions or without; `exact`: 0 or 1 for every test pair of the longest length."""
    network = network_of(model, d_model, seed)

    def draw(rng: np.random.Generator) -> EncodedPair:
        return copying.draw(rng, int(rng.integers(1, LONGEST_TRAINED + 1)), SYMBOLS, order)

    train(network, draw, Training(steps, batch_size=32), seed)
    rng = np.random.default_rng([0, LONGEST_TRAINED])
    batch = make_batch([copying.draw(rng, LONGEST_TRAINED, SYMBOLS, order) for _ in range(pairs)])
    return {"exact": translate_exactly(network, batch).all(1).int().tolist()}
