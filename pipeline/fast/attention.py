"""Attention of short sentences on a CPU, for which torch's kernel takes one sentence and head after the other."""

import torch
from torch import Tensor

from pipeline.models.attention import KeyValue, MultiHeadAttention, causal_mask, dot_product_attention

# Keys up to which the steps win on two threads (results/LOG.md).
SHORT = 64


class FastMultiHeadAttention(MultiHeadAttention):
    """A `MultiHeadAttention` that on a CPU goes step by step where there are few keys, and in float32 always."""

    def keys_values(self, states: Tensor) -> KeyValue:
        """As of the class above; on a CPU each head's stand together, or each step of a search would copy them."""
        keys_values = super().keys_values(states)
        if states.device.type != "cpu":
            return keys_values
        return KeyValue(*(part.contiguous() for part in keys_values))

    def fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor:
        if query.device.type != "cpu":
            return super().fused(query, key, value, mask, is_causal)
        dtype = query.dtype
        if dtype == torch.bfloat16:  # in which torch's kernel takes several times as long (results/LOG.md)
            query, key, value = query.float(), key.float(), value.float()
        with torch.autocast("cpu", enabled=False):
            if key.size(-2) > SHORT:
                return super().fused(query, key, value, mask, is_causal).to(dtype)
            if is_causal:
                mask = causal_mask(query.size(-2), query.device)
            return dot_product_attention(query, key, value, mask, self.scale).context.to(dtype)
