import math

import pytest
import torch

from pipeline.window import Window

NAN = math.nan


def window(nats: list[float], norms: list[float], accumulated: int = 1) -> Window:
    """Of batches of which `accumulated` make a step; where none are left, fewer do."""
    made, norms_left = Window(), list(norms)
    for number, value in enumerate(nats, 1):
        made.nats.append(torch.tensor(value))
        if number % accumulated == 0 or number == len(nats):
            made.add_step(torch.tensor(norms_left.pop(0)))
    assert not norms_left
    return made


@pytest.mark.parametrize(
    ("nats", "norms", "accumulated", "first", "steps_since"),
    [
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], 1, None, None),
        ([1.0, 2.0, NAN], [1.0, 1.0, NAN], 1, 2, 1),
        ([1.0, 2.0, NAN], [1.0, math.inf, NAN], 1, 1, 2),  # the step before broke the weights
        ([1.0, 2.0, 3.0, 4.0], [1.0, NAN], 2, 3, 1),
        ([1.0, NAN, 3.0, 4.0], [NAN, NAN], 2, 1, 2),
        ([1.0, 2.0, 3.0, 4.0, NAN], [1.0, NAN], 4, 4, 1),  # an epoch's last step has fewer batches
        ([], [], 1, None, None),
    ],
)
def test_the_first_batch_that_went_wrong_is_found(nats, norms, accumulated, first, steps_since):
    made = window(nats, norms, accumulated)
    assert made.first_nonfinite(with_gradients=True) == first
    assert first is None or made.steps_since(first) == steps_since


def test_a_gradient_that_a_scaler_leaves_out_is_not_wrong():
    assert window([1.0, 2.0], [1.0, math.inf]).first_nonfinite(with_gradients=False) is None


def test_a_window_goes_on_from_its_state():
    before = window([1.0, 2.0], [0.5, 0.25])
    before.tokens = 7
    after = Window(**before.state_dict())
    after.go_on(torch.device("cpu"))
    assert (after.nats, after.gradient_norms, after.tokens) == (before.nats, before.gradient_norms, 7)
    assert after.last_batches == before.last_batches == [0, 1]
    assert after.seconds() >= before.seconds_before
