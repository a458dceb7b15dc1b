"""The learning rate over a training."""

import math

import pytest

from pipeline.optimizer import lr_factor


def test_the_rate_rises_over_the_warmup_and_then_falls_to_nothing():
    factors = [lr_factor(step, 200, 1000) for step in (0, 99, 199, 200, 600, 1000)]
    assert factors == pytest.approx([1 / 200, 1 / 2, 1, 1, 1 / 2, 0])
    assert [lr_factor(step, 200, math.inf) for step in (99, 199, 10**6)] == pytest.approx([1 / 2, 1, 1])


def test_a_warmup_takes_at_most_half_of_the_training():
    assert [lr_factor(step, 200, 20) for step in (0, 9, 10, 15, 20)] == pytest.approx([1 / 10, 1, 1, 1 / 2, 0])
