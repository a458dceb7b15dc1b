import math

import pytest
import torch

from pipeline.models.attention import MultiHeadAttention, dot_product_attention


def test_attention_over_two_keys_equals_a_hand_computation():
    query = torch.tensor([[[1.0, 0.0]]])
    key = torch.tensor([[[math.log(3.0), 5.0], [0.0, -2.0]]])
    value = torch.tensor([[[8.0], [4.0]]])
    context, weights = dot_product_attention(query, key, value, None, scale=1.0)
    # scores log 3 and 0, so weights 3/4 and 1/4, and the context 8 · 3/4 + 4 · 1/4.
    torch.testing.assert_close(weights, torch.tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(context, torch.tensor([[[7.0]]]))


def test_a_masked_key_gets_weight_zero_and_the_rest_sum_to_one():
    query, key, value = torch.randn(1, 2, 4), torch.randn(1, 3, 4), torch.randn(1, 3, 5)
    mask = torch.tensor([[[True, False, True]]])
    weights = dot_product_attention(query, key, value, mask, scale=0.5).weights
    assert (weights[..., 1] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2))


def test_scaling_comes_before_the_softmax():
    query, key, value = torch.randn(1, 2, 4), torch.randn(1, 3, 4), torch.eye(3).unsqueeze(0)
    scaled = dot_product_attention(query, key, value, None, scale=0.5).weights
    after = 0.5 * dot_product_attention(query, key, value, None, scale=1.0).weights
    torch.testing.assert_close(scaled.sum(-1), torch.ones(1, 2))
    assert not torch.allclose(scaled, after)


ATTENTION = MultiHeadAttention(d_model=8, num_heads=2)  # with d_k = 4, and so a scale of 0.5


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 1e-2)])
def test_the_fused_path_equals_the_spelled_out_one(dtype, tolerance, is_causal):
    torch.manual_seed(0)
    inputs = [torch.randn(3, 2, 5, 4, dtype=torch.float64).to(dtype) for _ in range(3)]
    lengths = torch.tensor([5, 3, 1]).view(3, 1, 1, 1)
    mask = torch.ones(5, 5).tril().bool() if is_causal else torch.arange(5) < lengths
    plain = dot_product_attention(*(values.double() for values in inputs), mask, 0.5).context
    fused = ATTENTION.fused(*inputs, None if is_causal else mask, is_causal)
    assert fused.dtype == dtype
    torch.testing.assert_close(fused.double(), plain, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("is_causal", [False, True])
def test_heads_give_the_same_contexts_with_their_weights(is_causal):
    torch.manual_seed(0)
    attention, states = MultiHeadAttention(d_model=8, num_heads=2), torch.randn(3, 5, 8)
    keys_values = attention.keys_values(states)
    fused = attention(states, keys_values, is_causal=is_causal)
    plain = attention(states, keys_values, is_causal=is_causal, need_weights=True)
    torch.testing.assert_close(plain.context, fused.context)
    assert bool((plain.weights.triu(1) == 0).all()) is is_causal


def test_the_fused_path_has_the_same_gradients():
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = torch.arange(5) < torch.tensor([5, 3, 1]).view(3, 1, 1, 1)
    plain = torch.autograd.grad(dot_product_attention(query, key, value, mask, 0.5).context.sum(), (query, key, value))
    fused = torch.autograd.grad(ATTENTION.fused(query, key, value, mask, False).sum(), (query, key, value))
    for one, other in zip(plain, fused, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


def test_multi_head_attention_equals_torch_s_own():
    torch.manual_seed(0)
    ours = MultiHeadAttention(d_model=8, num_heads=2)
    theirs = torch.nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]).detach()
    theirs.out_proj.weight.data = ours.output.weight.detach()
    states, memory = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    mask = torch.arange(7) < torch.tensor([7, 4, 1]).unsqueeze(1)
    context, weights = ours(states, ours.keys_values(memory), mask[:, None, None], need_weights=True)
    expected, expected_weights = theirs(states, memory, memory, key_padding_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(context, expected)
    torch.testing.assert_close(weights, expected_weights)


def test_a_d_model_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"num_heads is 4; it must divide d_model, 10"):
        MultiHeadAttention(10, 4)
