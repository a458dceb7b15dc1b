"""Token vectors on the way in."""

import pytest
import torch

from pipeline.models import TransformerSeq2Seq
from pipeline.models.embedding import TiedEmbedding


def test_token_vectors_enter_with_deviation_1_whatever_the_scale():
    torch.manual_seed(0)
    embedding = TiedEmbedding(2000, 16, dropout=0.0, scale=4.0)
    assert float(embedding.weight.detach().std()) == pytest.approx(1 / 4, rel=0.02)
    torch.testing.assert_close(embedding(torch.arange(2000)), 4 * embedding.weight)
    assert TransformerSeq2Seq(11, d_model=64).embedding.scale == 8


def test_logits_are_rounded_in_training_only():
    torch.manual_seed(0)
    embedding, states = TiedEmbedding(2000, 16, dropout=0.0), torch.randn(3, 5, 16)
    exact = embedding.logits(states)
    with torch.autocast("cpu", torch.bfloat16):
        assert embedding.logits(states).dtype == torch.bfloat16
        assert torch.equal(embedding.eval().logits(states), exact)
        torch.testing.assert_close(embedding.logits(states.bfloat16()), exact, atol=0.1, rtol=0.01)
    assert embedding.double().logits(states.double()).dtype == torch.float64
