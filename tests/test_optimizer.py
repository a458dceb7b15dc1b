"""Steps of the optimiser, and the learning rate over a training."""

import math

import pytest
import torch
from torch import nn

from pipeline.optimizer import lr_factor, make_optimizer


def test_weights_decay_by_themselves_and_not_through_the_gradient():
    """AdamW: the first step is `lr`, whatever the gradient; the decay, lr · weight_decay · weight, comes on top."""
    weight = nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.zeros(1)
    make_optimizer([weight], lr=0.5, weight_decay=0.1).step()
    assert weight.item() == pytest.approx(2 - 0.5 * 0.1 * 2)
    weight.grad = torch.ones(1)
    make_optimizer([weight], lr=0.5, weight_decay=0.0).step()
    assert weight.item() == pytest.approx(1.9 - 0.5)


def test_the_rate_rises_over_the_warmup_and_then_falls_to_nothing():
    factors = [lr_factor(step, 200, 1000) for step in (0, 99, 199, 200, 600, 1000)]
    assert factors == pytest.approx([1 / 200, 1 / 2, 1, 1, 1 / 2, 0])
    assert [lr_factor(step, 200, math.inf) for step in (99, 199, 10**6)] == pytest.approx([1 / 2, 1, 1])


def test_a_warmup_takes_at_most_half_of_the_training():
    assert [lr_factor(step, 200, 20) for step in (0, 9, 10, 15, 20)] == pytest.approx([1 / 10, 1, 1, 1 / 2, 0])
