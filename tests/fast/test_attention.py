"""Attention step by step on a CPU is the kernel's, for short sentences; long ones go into the kernel."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.fast.attention import SHORT, FastMultiHeadAttention
from pipeline.fast.modules import fast_modules
from pipeline.models.attention import MultiHeadAttention

LENGTHS = [5, SHORT + 3]


@pytest.fixture
def attention() -> MultiHeadAttention:
    torch.manual_seed(0)
    return MultiHeadAttention(d_model=8, num_heads=2)


def test_only_long_sentences_go_into_the_kernel(attention, monkeypatch):
    lengths = []
    kernel = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda q, k, v, **k_: lengths.append(k.size(-2)) or kernel(q, k, v, **k_)
    )
    with fast_modules(attention):
        assert type(attention) is FastMultiHeadAttention
        for length in LENGTHS:
            states = torch.randn(3, length, 8)
            attention(states, attention.keys_values(states))
    assert lengths == [SHORT + 3]
    assert type(attention) is MultiHeadAttention


def test_keys_and_values_that_a_search_keeps_are_not_copied_at_each_step(attention):
    states = torch.randn(3, 5, 8)
    expected = attention.keys_values(states)
    with fast_modules(attention):
        found = attention.keys_values(states)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
        assert one.is_contiguous()
        assert not other.is_contiguous()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("is_causal", [False, True])
def test_contexts_and_gradients_are_those_of_the_kernel(attention, is_causal, length):
    attention = attention.double()
    states = torch.randn(3, length, 8, dtype=torch.float64, requires_grad=True)
    mask = None if is_causal else torch.arange(length) < torch.tensor([length, 3, 1]).view(3, 1, 1, 1)

    def context_and_gradients():
        context = attention(states, attention.keys_values(states), mask, is_causal=is_causal).context
        return context, *torch.autograd.grad((context**2).sum(), (states, *attention.parameters()))

    expected = context_and_gradients()
    with fast_modules(attention):
        found = context_and_gradients()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("is_causal", [False, True])
def test_bfloat16_is_rounded_once_at_the_end(attention, is_causal, length):
    query, key, value = (torch.randn(3, 2, length, 4).bfloat16() for _ in range(3))
    mask = None if is_causal else torch.arange(length) < torch.tensor([length, 3, 1]).view(3, 1, 1, 1)
    expected = attention.fused(query.float(), key.float(), value.float(), mask, is_causal)
    with fast_modules(attention), torch.autocast("cpu", torch.bfloat16):
        found = attention.fused(query, key, value, mask, is_causal)
    torch.testing.assert_close(found, expected.bfloat16())
