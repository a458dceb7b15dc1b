"""What is measured: reference models, batches of real sentences, and how repeated measurements are summed up."""

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from pipeline.data.batching import Batch
from pipeline.data.datamodule import TranslationData
from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq

# The sizes that published Multi30k systems of this class have (Wu et al. 2021, Transformer-Tiny).
TRANSFORMER_SIZES = {"num_layers": 4, "d_model": 128, "d_ff": 256, "num_heads": 4, "dropout": 0.3}
MODELS: dict[str, Callable[[int], Seq2Seq]] = {
    "gru": lambda vocab_size: GRUSeq2Seq(vocab_size, "last", d_embed=128, d_model=256, dropout=0.3),
    "gru_attention": lambda vocab_size: GRUSeq2Seq(vocab_size, "all", d_embed=128, d_model=256, dropout=0.3),
    "transformer": lambda vocab_size: TransformerSeq2Seq(vocab_size, "all", **TRANSFORMER_SIZES),
}
LABEL_SMOOTHING = 0.1
LR = 1e-3


class Spread(NamedTuple):
    """Repeated measurements: their median, smallest and largest, and how many there are."""

    median: float
    low: float
    high: float
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def make_model(name: str, vocab_size: int) -> Seq2Seq:
    """A reference model with the weights of seed 1, in training mode."""
    torch.manual_seed(1)
    return MODELS[name](vocab_size).train()


def training_batches(data: TranslationData, count: int) -> list[Batch]:
    """The first `count` batches of training; `data` is set up."""
    return list(itertools.islice(itertools.cycle(data.train_dataloader()), count))


def share_of_padding(data: TranslationData) -> dict[str, float]:
    """How much of the arrays of one epoch is padding, for source and target."""
    batches = list(data.train_dataloader())
    real = {"src": sum(int(b.src_mask.sum()) for b in batches), "tgt": sum(b.num_tokens for b in batches)}
    held = {"src": sum(b.src.numel() for b in batches), "tgt": sum(b.tgt_out.numel() for b in batches)}
    return {side: 1 - real[side] / held[side] for side in real}
