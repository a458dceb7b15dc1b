"""The GRU with products in bfloat16 against torch's."""

import copy

import pytest
import torch

from pipeline.fast.gru import gru
from pipeline.fast.modules import use_fast_modules
from pipeline.models.recurrent import UncastGRU

BATCH, LENGTH, D, SIZE = 4, 6, 5, 7


@pytest.fixture
def torch_gru() -> UncastGRU:
    torch.manual_seed(0)
    return UncastGRU(D, SIZE, batch_first=True)


def states_and_gradients(run, network):
    """Of the same input: all states, and the gradients of input, start and weights."""
    torch.manual_seed(1)
    vectors = torch.randn(BATCH, LENGTH, D, requires_grad=True)
    start = torch.randn(BATCH, SIZE, requires_grad=True)
    states = run(network, vectors, start)
    (states * torch.randn(BATCH, LENGTH, SIZE)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    return {"states": states.detach(), "vectors": vectors.grad, "start": start.grad} | gradients


def by_torch(network, vectors, start):
    return network(vectors, start.unsqueeze(0))[0]


def test_in_float32_states_and_gradients_are_those_of_torch(torch_gru):
    ours = states_and_gradients(lambda network, *given: gru(*given, *network.parameters()), torch_gru)
    for name, expected in states_and_gradients(by_torch, torch_gru).items():
        torch.testing.assert_close(ours[name], expected, msg=lambda told, name=name: f"{name}: {told}")


def test_under_autocast_products_are_rounded_and_states_are_not(torch_gru):
    fast = copy.deepcopy(torch_gru)
    use_fast_modules(fast)
    with torch.autocast("cpu", torch.bfloat16):
        ours = states_and_gradients(by_torch, fast)
    for name, expected in states_and_gradients(by_torch, torch_gru).items():
        assert ours[name].dtype == torch.float32
        assert 0 < (ours[name] - expected).norm() / expected.norm() < 0.02, name


def test_without_autocast_or_gradients_it_is_torch(torch_gru):
    fast = copy.deepcopy(torch_gru)
    use_fast_modules(fast)
    vectors = torch.randn(BATCH, LENGTH, D)
    expected, _ = torch_gru(vectors)
    assert torch.equal(fast(vectors)[0], expected)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.equal(fast(vectors)[0], expected)
