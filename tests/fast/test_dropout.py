"""Fast dropout against what dropout is."""

import torch

from pipeline.fast.dropout import FastDropout


def test_the_right_share_is_dropped_and_the_rest_is_scaled():
    torch.manual_seed(0)
    ones = torch.ones(1000, 1000)
    dropped = FastDropout(0.3)(ones)
    assert abs((dropped == 0).double().mean() - 0.3) < 4 * (0.3 * 0.7 / 1e6) ** 0.5
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 1 / 0.7]), atol=1e-4, rtol=0)


def test_the_masks_of_one_random_number_are_independent():
    torch.manual_seed(0)
    kept = FastDropout(0.3)(torch.ones(250_000, 4)) != 0
    correlation = torch.corrcoef(kept.T.double())
    assert (correlation - torch.eye(4)).abs().max() < 0.01


def test_gradients_flow_where_states_are_kept():
    states = torch.ones(5, 7, requires_grad=True)
    dropped = FastDropout(0.5)(states)
    dropped.sum().backward()
    torch.testing.assert_close(states.grad, dropped.detach())


def test_nothing_is_dropped_in_evaluation_or_at_zero():
    states = torch.randn(3, 5)
    assert FastDropout(0.5).eval()(states) is states
    assert FastDropout(0.0)(states) is states


def test_a_probability_next_to_one_does_not_divide_by_zero():
    assert FastDropout(0.9999999)(torch.ones(9)).isfinite().all()
