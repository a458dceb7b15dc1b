"""The controls of several claims are what they are called."""

import torch

from pipeline.claims.variants import UniformGRU
from tests.conftest import VOCAB_SIZE


def test_equal_weights_are_equal_over_the_real_words(sentences):
    src, mask, tgt = sentences
    network = UniformGRU(VOCAB_SIZE, "all", d_embed=6, d_model=8).eval()
    found = network.decode(tgt, network.encode(src, mask), need_alignment=True).alignment
    torch.testing.assert_close(found, (mask / mask.sum(1, keepdim=True)).unsqueeze(1).expand_as(found))
