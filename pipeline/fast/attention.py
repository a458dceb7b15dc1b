"""Attention of short sentences on a CPU, for which torch's kernel takes one sentence and head after the other."""

import torch
from torch import Tensor

from pipeline.models.attention import Attended, KeyValue, MultiHeadAttention, dot_product_attention

# Keys up to which the steps win on two threads (results/LOG.md).
SHORT = 64


class FastMultiHeadAttention(MultiHeadAttention):
    """A `MultiHeadAttention` that on a CPU goes step by step where there are few keys, in float32 under autocast."""

    def keys_values(self, states: Tensor) -> KeyValue:
        """As of the class above; on a CPU each head's stand together, or each step of a search would copy them."""
        keys_values = super().keys_values(states)
        if states.device.type != "cpu":
            return keys_values
        return KeyValue(*(part.contiguous() for part in keys_values))

    def fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> Attended:
        if query.device.type != "cpu" or key.size(-2) > SHORT:
            return super().fused(query, key, value, mask, is_causal)
        if is_causal:
            mask = torch.ones(query.size(-2), key.size(-2), dtype=torch.bool).tril()
        dtype = query.dtype
        if dtype == torch.bfloat16:
            query, key, value = query.float(), key.float(), value.float()
        with torch.autocast("cpu", enabled=False):
            context, _ = dot_product_attention(query, key, value, mask, self.scale)
        return Attended(context.to(dtype), None)
