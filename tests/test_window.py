import math

import pytest
import torch

from pipeline.window import Window

NAN = math.nan


def window(nats: list[float], norms: list[float]) -> Window:
    return Window([torch.tensor(x) for x in nats], [], [torch.tensor(x) for x in norms])


@pytest.mark.parametrize(
    ("nats", "norms", "first"),
    [
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], None),
        ([1.0, 2.0, NAN], [1.0, 1.0, NAN], 2),
        ([1.0, 2.0, NAN], [1.0, math.inf, NAN], 1),  # the step before broke the weights
        ([1.0, 2.0, 3.0, 4.0], [1.0, NAN], 3),  # one step for two batches
        ([], [], None),
    ],
)
def test_the_first_batch_that_went_wrong_is_found(nats, norms, first):
    assert window(nats, norms).first_nonfinite(with_gradients=True) == first


def test_a_gradient_that_a_scaler_leaves_out_is_not_wrong():
    assert window([1.0, 2.0], [1.0, math.inf]).first_nonfinite(with_gradients=False) is None


def test_a_window_goes_on_from_its_state():
    before = window([1.0, 2.0], [0.5, 0.25])
    before.tokens = 7
    after = Window(**before.state_dict())
    after.go_on(torch.device("cpu"))
    assert (after.nats, after.gradient_norms, after.tokens) == (before.nats, before.gradient_norms, 7)
    assert after.seconds() >= before.seconds_before
