"""What training asks of Lightning."""

import math
from types import SimpleNamespace

import pytest
import torch

from pipeline.task import TranslationTask
from tests.conftest import make_network


@pytest.mark.parametrize(("scaler", "fused"), [(None, True), (object(), False)])
def test_gradients_that_are_scaled_are_clipped_at_their_own_size(scaler, fused):
    """Lightning undoes the scale before clipping, but not for a fused optimiser, which does so itself, in its step."""
    task = TranslationTask(make_network("gru"), name="gru")
    task._trainer = SimpleNamespace(
        precision_plugin=SimpleNamespace(scaler=scaler), estimated_stepping_batches=10, global_step=0
    )
    assert task.configure_optimizers()["optimizer"].defaults["fused"] is fused


def test_the_rate_rises_over_the_warmup_and_then_falls_to_nothing():
    task = TranslationTask(make_network("gru"), name="gru", warmup_steps=200)
    rates = [task.rate(step, 1000) for step in (0, 99, 199, 200, 600, 1000)]
    assert rates == pytest.approx([1 / 200, 1 / 2, 1, 1, 1 / 2, 0])
    assert [task.rate(step, math.inf) for step in (99, 199, 10**6)] == pytest.approx([1 / 2, 1, 1])


@pytest.mark.parametrize(("limit", "norm"), [(1.0, 1.0), (None, 4.0), (0, 4.0), (9.0, 4.0)])
def test_gradients_are_clipped_by_their_norm_over_all_parameters(limit, norm):
    task = TranslationTask(make_network("gru"), name="gru")
    for parameter in task.parameters():
        parameter.grad = torch.zeros_like(parameter)
    task.network.combine.weight.grad[0, 0] = 4.0
    task.configure_gradient_clipping(None, limit)
    gradients = torch.cat([parameter.grad.flatten() for parameter in task.parameters()])
    assert float(gradients.norm()) == pytest.approx(norm, abs=1e-4)
