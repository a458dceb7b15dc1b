"""What every model promises, whatever it is inside."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.checkpoint_file import read_checkpoint, write_checkpoint
from pipeline.models import GRUSeq2Seq
from tests.conftest import BATCH, D_MODEL, NETWORKS, SRC_LEN, TGT_LEN, VOCAB_SIZE, make_network
from tests.tiny_runs import checkpoint

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def test_shapes_are_those_of_the_contract(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    output = network.decode(tgt, memory, need_alignment=True)
    memory_len = SRC_LEN if network.handover == "all" else 1
    assert memory.states.shape == (BATCH, memory_len, D_MODEL)
    assert memory.mask.shape == (BATCH, memory_len)
    assert memory.summary.shape == (BATCH, D_MODEL)
    assert output.logits.shape == (BATCH, TGT_LEN, VOCAB_SIZE)
    assert output.alignment.shape == (BATCH, TGT_LEN, memory_len)


def test_one_vector_is_handed_over_unless_memory_is_all(network, sentences):
    src, mask, _ = sentences
    memory = network.encode(src, mask)
    assert (memory.states.size(1) == 1) == (network.handover in ("last", "mean"))
    if network.handover != "all":
        assert torch.equal(memory.summary, memory.states[:, 0])


def test_token_by_token_equals_teacher_forcing(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    at_once = network.decode(tgt, memory, need_alignment=True)
    state, logits, alignment = None, [], []
    for t in range(TGT_LEN):
        output = network.decode(tgt[:, t : t + 1], memory, state, need_alignment=True)
        state = output.state
        logits.append(output.logits)
        alignment.append(output.alignment)
    torch.testing.assert_close(torch.cat(logits, 1), at_once.logits, **CLOSE)
    torch.testing.assert_close(torch.cat(alignment, 1), at_once.alignment, **CLOSE)


def test_several_tokens_after_a_state_are_refused_where_they_would_see_one_another(sentences):
    src, mask, tgt = sentences
    network = make_network("transformer")
    memory = network.encode(src, mask)
    state = network.decode(tgt[:, :1], memory).state
    with pytest.raises(ValueError, match=r"tgt has 2 tokens; with the state of an earlier call"):
        network.decode(tgt[:, 1:3], memory, state)


def test_a_later_target_token_never_changes_an_earlier_logit(network, sentences):
    src, mask, tgt = sentences
    before = network(src, mask, tgt)
    changed = tgt.clone()
    changed[:, 3] = (changed[:, 3] + 1) % VOCAB_SIZE
    after = network(src, mask, changed)
    torch.testing.assert_close(after[:, :3], before[:, :3], **CLOSE)
    assert not torch.allclose(after[:, 3:], before[:, 3:], **CLOSE)


def test_padding_is_invisible_to_every_model(network, sentences):
    src, mask, tgt = sentences
    batched = network(src, mask, tgt)
    noisy = torch.where(mask, src, torch.full_like(src, 9))
    torch.testing.assert_close(network(noisy, mask, tgt), batched, **CLOSE)
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = network(src[row : row + 1, :length], mask[row : row + 1, :length], tgt[row : row + 1])
        torch.testing.assert_close(alone[0], batched[row], **CLOSE)


def test_the_order_of_a_batch_changes_nothing(network, sentences):
    src, mask, tgt = sentences
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(network(src[order], mask[order], tgt[order]), network(src, mask, tgt)[order], **CLOSE)


def test_alignment_rows_sum_to_one_and_are_zero_on_padding(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    alignment = network.decode(tgt, memory, need_alignment=True).alignment
    torch.testing.assert_close(alignment.sum(-1), torch.ones(BATCH, TGT_LEN))
    assert (alignment.masked_select(~memory.mask.unsqueeze(1)) == 0).all()


def test_asking_for_the_alignment_does_not_change_the_logits(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    plain, asked = network.decode(tgt, memory), network.decode(tgt, memory, need_alignment=True)
    assert plain.alignment is None
    torch.testing.assert_close(asked.logits, plain.logits, **CLOSE)


def test_attention_maps_have_rows_that_sum_to_one(network, sentences):
    for name, weights, kind in network.attention_maps(*sentences):
        keys = SRC_LEN if kind == "encoder" or network.handover == "all" else 1
        assert weights.shape[0] == BATCH, name
        assert weights.shape[2:] == (TGT_LEN if kind == "cross" else SRC_LEN, keys), name
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


ENCODERS = [("gru", "gru_attention", "gru_mean"), ("transformer_last", "transformer", "transformer_mean")]


@pytest.mark.parametrize(("last", "all_", "mean"), ENCODERS)
def test_one_vector_is_the_last_state_or_the_mean_of_real_states(last, all_, mean, sentences):
    src, mask, tgt = sentences
    encoded = {name: make_network(name).encode(src, mask) for name in (last, all_, mean)}
    for row, length in enumerate(mask.sum(1).tolist()):
        states = encoded[all_].states[row, :length]
        torch.testing.assert_close(encoded[last].states[row, 0], states[-1])
        torch.testing.assert_close(encoded[mean].states[row, 0], states.mean(0))
    for name in (last, mean):
        assert (make_network(name).decode(tgt, encoded[name], need_alignment=True).alignment == 1).all()


def test_every_parameter_gets_a_gradient(network, sentences):
    src, mask, tgt = sentences
    network.train()
    network(src, mask, tgt).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Over one key the softmax is 1 whatever the query: the Transformer's queries and keys learn nothing there.
    if network.handover != "all":
        without = [name for name in without if "cross_attention" not in name or ".value" in name]
    assert without == []


def test_a_checkpoint_brings_every_logit_back(network, sentences, tmp_path, request):
    src, mask, tgt = sentences
    write_checkpoint(checkpoint(state_dict=network.state_dict()), tmp_path / "model.ckpt")
    torch.manual_seed(1)
    other = NETWORKS[request.node.callspec.params["network"]]().eval()
    assert not torch.equal(other(src, mask, tgt), network(src, mask, tgt))
    other.load_state_dict(read_checkpoint(tmp_path / "model.ckpt")["state_dict"])
    assert torch.equal(other(src, mask, tgt), network(src, mask, tgt))


def test_each_model_overfits_four_pairs(network):
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    generator = torch.Generator().manual_seed(2)
    src = torch.randint(4, VOCAB_SIZE, (4, SRC_LEN), generator=generator)
    mask = torch.ones_like(src, dtype=torch.bool)
    tgt_in = torch.cat([torch.full((4, 1), 2), torch.randint(4, VOCAB_SIZE, (4, TGT_LEN), generator=generator)], 1)
    tgt_out = torch.cat([tgt_in[:, 1:], torch.full((4, 1), 3)], 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(250):
        loss = F.cross_entropy(network(src, mask, tgt_in).flatten(0, 1), tgt_out.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert (network(src, mask, tgt_in).argmax(-1) == tgt_out).all()


def test_last_and_all_differ_in_no_parameter_and_no_initial_weight():
    last, all_ = make_network("gru").state_dict(), make_network("gru_attention").state_dict()
    assert last.keys() == all_.keys()
    assert all(torch.equal(last[name], all_[name]) for name in last)


def test_an_unknown_handover_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'first'; it must be one of all, last, mean"):
        GRUSeq2Seq(VOCAB_SIZE, "first")


def test_beams_read_one_memory_as_if_each_had_its_own(network, sentences):
    src, mask, tgt = sentences
    beam = 2
    memory = network.encode(src, mask)
    rows = torch.stack([tgt, tgt.flip(1)], dim=1).flatten(0, 1)  # two targets per source, next to one another
    together = network.decode(rows, memory, need_alignment=True)
    copies = network.encode(src.repeat_interleave(beam, 0), mask.repeat_interleave(beam, 0))
    apart = network.decode(rows, copies, need_alignment=True)
    torch.testing.assert_close(together.logits, apart.logits, **CLOSE)
    torch.testing.assert_close(together.alignment, apart.alignment, **CLOSE)


def test_a_reordered_state_goes_on_from_the_chosen_rows(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    rows = torch.stack([tgt, tgt.flip(1)], dim=1).flatten(0, 1)
    state = None
    for t in range(2):
        state = network.decode(rows[:, t : t + 1], memory, state).state
    chosen = torch.tensor([1, 1, 2, 3, 5, 4])  # each within its source
    after = network.decode(rows[chosen, 2:3], memory, network.reorder(state, chosen)).logits
    expected = network.decode(rows[chosen, :3], memory).logits[:, 2:]
    torch.testing.assert_close(after, expected, **CLOSE)


def test_encoding_vectors_is_encoding_their_ids(network, sentences):
    src, mask, _ = sentences
    whole, split = network.encode(src, mask), network.encode_vectors(network.embed_source(src), mask)
    torch.testing.assert_close(split.states, whole.states)


def test_a_reordered_state_goes_on_without_the_sources_that_are_done(network, sentences):
    src, mask, tgt = sentences
    memory = network.encode(src, mask)
    rows = torch.stack([tgt, tgt.flip(1)], dim=1).flatten(0, 1)
    state = network.decode(rows[:, :2], memory).state
    sources, chosen = torch.tensor([0, 2]), torch.tensor([1, 1, 5, 4])
    after = network.decode(rows[chosen, 2:3], memory.select(sources), network.reorder(state, chosen, sources)).logits
    expected = network.decode(rows[:, :3], memory).logits[chosen, 2:]
    torch.testing.assert_close(after, expected, **CLOSE)


def test_every_dropout_drops_something_that_the_logits_are_made_of(network, sentences):
    expected = network(*sentences)
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
            module.train()
            assert not torch.allclose(network(*sentences), expected), name
            module.eval()
