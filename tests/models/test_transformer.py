import math
from collections import Counter

import pytest
import torch
from torch import nn

from pipeline.models.interface import Memory
from pipeline.models.transformer import DecoderLayer, EncoderLayer, TransformerSeq2Seq, sinusoidal_positions
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


def give_weights(ours: nn.Module, theirs: nn.Module, attentions: dict[str, str], norms: dict[str, str]) -> None:
    """Gives a layer of torch the weights of ours, by their name → torch's; normalisations get other ones than 1."""
    for name, of_torch in attentions.items():
        one, other = getattr(ours, name), getattr(theirs, of_torch)
        other.in_proj_weight.data = torch.cat([one.query.weight, one.key.weight, one.value.weight]).detach()
        other.out_proj.weight.data = one.output.weight.detach()  # its biases start at 0; ours has none
    for name, of_torch in norms.items():
        nn.init.normal_(getattr(ours, name).weight)
        getattr(theirs, of_torch).load_state_dict(getattr(ours, name).state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())


def test_an_encoder_layer_equals_torch_s_own(sentences):
    _, mask, _ = sentences
    torch.manual_seed(0)
    ours = EncoderLayer(8, 10, 2, 0.0)
    theirs = nn.TransformerEncoderLayer(8, 2, 10, dropout=0.0, batch_first=True, norm_first=True)
    norms = {"attention_norm": "norm1", "feed_forward_norm": "norm2"}
    give_weights(ours, theirs, {"attention": "self_attn"}, norms)
    states = torch.randn(3, 7, 8)
    expected = theirs(states, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(states, mask[:, None, None])[0][mask], expected[mask])


def test_a_decoder_layer_equals_torch_s_own(sentences):
    _, mask, _ = sentences
    torch.manual_seed(0)
    ours = DecoderLayer(8, 10, 2, 0.0)
    theirs = nn.TransformerDecoderLayer(8, 2, 10, dropout=0.0, batch_first=True, norm_first=True)
    norms = {"self_attention_norm": "norm1", "cross_attention_norm": "norm2", "feed_forward_norm": "norm3"}
    give_weights(ours, theirs, {"self_attention": "self_attn", "cross_attention": "multihead_attn"}, norms)
    states, memory = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    expected = theirs(states, memory, tgt_mask=later, memory_key_padding_mask=~mask)
    found, _, _ = ours(states, Memory(memory, mask, memory[:, 0]), None)
    torch.testing.assert_close(found, expected)
