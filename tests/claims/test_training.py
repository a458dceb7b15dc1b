"""Tiny trainings: a seed decides them, and all of one runs on one device."""

import numpy as np
import pytest
import torch

from pipeline.claims.training import Training, train, train_on_batches, training_on
from pipeline.data.batching import make_batch
from pipeline.data.probes import copying
from pipeline.models import GRUSeq2Seq

SYMBOLS = 5


def draw(rng):
    return copying.draw(rng, int(rng.integers(1, 7)), SYMBOLS)


class SeenError(Exception):
    """Raised in the place of computing."""


class Watching(GRUSeq2Seq):
    """Tells which devices meet in a forward pass."""

    def forward(self, *inputs):
        raise SeenError({tensor.device.type for tensor in (*inputs, *self.parameters())})


def network(of=GRUSeq2Seq):
    torch.manual_seed(0)
    return of(copying.vocab_size(SYMBOLS), "all", d_embed=6, d_model=8, dropout=0.0)


@pytest.mark.parametrize("device", ["cpu", "meta"])  # meta stands for a GPU: it is not where batches are made
def test_network_and_batches_are_on_the_device_of_trainings(device):
    with training_on(device), pytest.raises(SeenError) as seen:
        train(network(Watching), draw, Training(1, batch_size=3), seed=1)
    assert seen.value.args[0] == {device}


def test_outside_trainings_are_on_the_cpu_again_and_cudnn_as_before(monkeypatch):
    for before in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
        with training_on("meta"):
            assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.allow_tf32 is before
    trained = network()
    train(trained, draw, Training(1, batch_size=3), seed=1)
    assert {weights.device.type for weights in trained.parameters()} == {"cpu"}


def test_a_seed_decides_a_training_and_whole_batches_are_the_same_as_pairs():
    def draw_batch(rng):
        return make_batch([draw(rng) for _ in range(4)])

    of_pairs = train(network(), draw, Training(3, batch_size=4), seed=2)
    of_batches = train_on_batches(network(), draw_batch, Training(3), seed=2)
    assert of_pairs == of_batches
    assert of_pairs != train(network(), draw, Training(3, batch_size=4), seed=3)
    assert np.isfinite(of_pairs).all()


def test_copying_is_learned():
    history = train(network(), draw, Training(200, batch_size=32, lr=1e-2), seed=1)
    assert np.mean(history[-10:]) < 0.5 * np.mean(history[:10])
