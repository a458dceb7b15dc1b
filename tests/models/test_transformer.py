import math
from collections import Counter

import pytest
import torch
from torch import nn

from pipeline.models.transformer import TransformerSeq2Seq, sinusoidal_positions
from tests.conftest import make_network


def test_positions_are_the_sines_and_cosines_of_the_paper():
    positions = sinusoidal_positions(start=3, length=2, d_model=4, device=torch.device("cpu"))
    expected = [math.sin(4), math.sin(4 / 100), math.cos(4), math.cos(4 / 100)]
    torch.testing.assert_close(positions[1], torch.tensor(expected))


def test_positions_do_not_depend_on_the_precision_of_training():
    expected = sinusoidal_positions(0, 60, 8, torch.device("cpu"))
    try:
        torch.set_default_dtype(torch.bfloat16)
        found = sinusoidal_positions(0, 60, 8, torch.device("cpu"))
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)


def test_the_encoder_without_positions_is_permutation_equivariant(monkeypatch):
    network = make_network("transformer")
    src = torch.randint(4, 11, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(src, dtype=torch.bool)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    with_positions = network.encode(src[:, order], mask).states - network.encode(src, mask).states[:, order]
    monkeypatch.setattr(
        "pipeline.models.transformer.sinusoidal_positions",
        lambda start, length, d_model, device: torch.zeros(length, d_model, device=device),
    )
    without = network.encode(src[:, order], mask).states - network.encode(src, mask).states[:, order]
    assert without.abs().max() < 1e-5
    assert with_positions.abs().max() > 0.01


def test_the_alignment_is_the_mean_of_the_cross_attention_maps(sentences):
    src, mask, tgt = sentences
    network = make_network("transformer")
    alignment = network.decode(tgt, network.encode(src, mask), need_alignment=True).alignment
    cross = [m.weights for m in network.attention_maps(src, mask, tgt) if m.kind == "cross"]
    assert len(cross) == 2
    torch.testing.assert_close(alignment, torch.cat(cross, 1).mean(1))


@pytest.mark.parametrize(("size", "message"), [("num_layers", "num_layers is 0"), ("num_heads", "num_heads is 0")])
def test_no_layers_and_no_heads_are_refused(size, message):
    with pytest.raises(ValueError, match=message):
        TransformerSeq2Seq(11, **{size: 0})


def test_each_part_of_a_transformer_goes_through_dropout(sentences):
    network, calls = make_network("transformer"), Counter()
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda *_, name=name: calls.update([name.split(".")[0]]))
    network(*sentences)
    # Two layers each: attention (in the decoder two), the feed-forward part and what is inside it.
    assert calls == {"embedding": 2, "encoder": 2 * 3, "decoder": 2 * 4}
