"""Training of tiny models on probe tasks: the same loss as `pipeline.task`, without what only long trainings need.

Trainings may run on a GPU (`training_on`); all else that jobs do is on the CPU, where `train` leaves its network.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.data.batching import Batch, EncodedPair, make_batch
from pipeline.data.tokenizer import PAD
from pipeline.decoding import SearchLimits, greedy
from pipeline.models import Seq2Seq
from pipeline.objective import token_nats
from pipeline.optimizer import lr_factor, make_optimizer
from pipeline.scoring import symbols_of

Draw = Callable[[np.random.Generator], EncodedPair]
DrawBatch = Callable[[np.random.Generator], Batch]

_device = ContextVar("device", default="cpu")


@contextmanager
def training_on(device: str) -> Iterator[None]:
    """Inside, `train` trains on `device`; like torch's own `with torch.device(…)`, but for trainings alone.

    Which device it is changes the last digits, not what is measured: so it is no setting of a job. (By default cuDNN,
    which computes GRUs only, would round products to ten bits.)
    """
    token, tf32 = _device.set(device), torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        _device.reset(token)
        torch.backends.cudnn.allow_tf32 = tf32


WARMUP = 100  # steps
LARGEST_NORM = 1.0  # of a step's gradient, which is clipped to it


class Training(NamedTuple):
    """How long and how fast; the rate rises over `WARMUP` steps, then falls to 0 (`optimizer.lr_factor`)."""

    steps: int
    batch_size: int = 64
    lr: float = 3e-3


def train(network: Seq2Seq, draw: Draw, training: Training, seed: int) -> list[float]:
    """Trains `network` in place on freshly drawn pairs; returns the nats per token of every step.

    Args:
        draw: Draws one pair; all of a batch are drawn from one generator, so a seed and a step decide the batch.
    """

    def draw_batch(rng: np.random.Generator) -> Batch:
        return make_batch([draw(rng) for _ in range(training.batch_size)])

    return train_on_batches(network, draw_batch, training, seed)


def train_on_batches(network: Seq2Seq, draw_batch: DrawBatch, training: Training, seed: int) -> list[float]:
    """The same on batches that are drawn whole; `training.batch_size` says nothing then."""
    network.to(_device.get())
    optimizer = make_optimizer(network.parameters(), training.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, WARMUP, training.steps))
    network.train()
    history = []
    for step in range(training.steps):
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(seed * 1_000_003 + step)
        batch = draw_batch(rng).on(_device.get())
        nats = token_nats(network(batch.src, batch.src_mask, batch.tgt_in), batch.tgt_out).sum() / batch.num_tokens
        optimizer.zero_grad()
        nats.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_NORM)
        optimizer.step()
        schedule.step()
        history.append(nats.item())
    network.eval().to("cpu")
    return history


@torch.no_grad()
def forced_nats(network: Seq2Seq, batch: Batch) -> Tensor:
    """(batch, tgt_len) −log p of each expected token, teacher-forced; 0 on padding."""
    return token_nats(network(batch.src, batch.src_mask, batch.tgt_in), batch.tgt_out)


def translate_exactly(network: Seq2Seq, batch: Batch) -> Tensor:
    """(batch, tgt_len) bool: which tokens of the expected output, EOS included, greedy search finds at their place.

    A whole row that is True (padding counts as found) is a pair translated exactly.
    """
    longest = batch.tgt_out.size(1)
    limits = SearchLimits(factor=0, extra=longest, cap=longest)
    symbols = symbols_of(network.vocab_size, network.vocab_size, batch.src.device)
    found = greedy(network, batch.src, batch.src_mask, symbols, limits)
    ids = found.ids[:, 0]
    ids = torch.nn.functional.pad(ids, (0, longest - ids.size(1)), value=PAD)
    return ids == batch.tgt_out
