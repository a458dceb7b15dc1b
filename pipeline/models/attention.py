"""Dot-product attention: the one formula behind both kinds of model, once spelled out and once fused.

    A = softmax(scale · Q Kᵀ),  C = A V

Luong et al. 2015 (§3.1, "dot") have scale = 1, Q = H, K = V = HS; Vaswani et al. 2017 (eq. 1) have scale = 1/√d_k and
learned maps for Q, K and V.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attended(NamedTuple):
    """`context` (…, query_len, d_value) and `weights` (…, query_len, key_len), None on the fused path."""

    context: Tensor
    weights: Tensor | None


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Attended:
    """Attention step by step; the numbers are those of the article's seven steps (1 is the embedding, 2 makes Q, K, V).

    Args:
        query: (…, query_len, d_k).
        key: (…, key_len, d_k).
        value: (…, key_len, d_value).
        mask: Broadcasts to (…, query_len, key_len), True where a key may be read; None: everywhere.
        scale: What the scores are multiplied by: 1, or 1/√d_k.
    """
    scores = query @ key.transpose(-2, -1)  # 3: (…, query_len, key_len)
    scores = scores * scale  # 4
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)  # 5
    context = weights @ value  # 6 and 7: multiply by V and sum
    return Attended(context, weights)


def causal_mask(length: int, device: torch.device) -> Tensor:
    """(length, length) bool: query i reads keys 0 … i."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class KeyValue(NamedTuple):
    """Keys and values of one attention, split into heads: each (batch, num_heads, key_len, d_k)."""

    key: Tensor
    value: Tensor

    def select(self, rows: Tensor) -> "KeyValue":
        """Those whose row i is row `rows[i]` of these."""
        return KeyValue(self.key.index_select(0, rows), self.value.index_select(0, rows))


class MultiHeadAttention(nn.Module):
    """Vaswani et al. 2017, §3.2.2: attention in `num_heads` subspaces of d_k = d_model / num_heads at once.

    What the queries, keys and values are made from is the caller's choice, and it is all that tells self-attention
    (all three from the same states) from cross-attention (queries from the target, the others from the memory).

    Raises:
        ValueError: `num_heads` does not divide `d_model`.
    """

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or d_model < 1 or d_model % num_heads:
            raise ValueError(f"num_heads is {num_heads}; it must divide d_model, {d_model}, both above 0")
        self.num_heads = num_heads
        self.scale = 1 / math.sqrt(d_model // num_heads)
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def keys_values(self, states: Tensor) -> KeyValue:
        """Step 2 for K and V, from `states` (batch, key_len, d_model); apart, so that search can keep them."""
        return KeyValue(self._split(self.key(states)), self._split(self.value(states)))

    def forward(
        self,
        states: Tensor,
        keys_values: KeyValue,
        mask: Tensor | None = None,
        *,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Attended:
        """Attends from `states` (batch, query_len, d_model).

        Args:
            mask: Broadcasts to (batch, num_heads, query_len, key_len), True where readable.
            is_causal: Query i reads keys 0 … i only; instead of a mask, for as many queries as keys.
            need_weights: Take the spelled-out path and return the weights (batch, num_heads, query_len, key_len).
        """
        query = self._split(self.query(states))  # 2
        key, value = keys_values
        if need_weights:
            if is_causal:
                mask = causal_mask(query.size(-2), query.device)
            context, weights = dot_product_attention(query, key, value, mask, self.scale)
        else:
            context, weights = self.fused(query, key, value, mask, is_causal), None
        merged = context.transpose(1, 2).flatten(2)  # (batch, query_len, d_model)
        return Attended(self.output(merged), weights)

    def fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor:
        """The context (batch, num_heads, query_len, d_k) in one kernel, which keeps no weights.

        `is_causal` needs as many queries as keys and no mask. pipeline/fast/attention.py replaces this.
        """
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=is_causal, scale=self.scale)

    def _split(self, states: Tensor) -> Tensor:
        """(batch, len, d_model) → (batch, num_heads, len, d_k)"""
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
