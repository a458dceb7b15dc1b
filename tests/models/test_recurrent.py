import numpy as np
import pytest
import torch

from pipeline.models.recurrent import GRUEncoder, GRUSeq2Seq, reverse_order
from tests.conftest import make_network


def test_the_mechanism_equals_a_computation_in_numpy(sentences):
    """HS, H, A, C, Y from the weights, without torch's softmax, attention or linear layers."""
    src, mask, tgt = sentences
    network = make_network("gru_attention")
    with torch.no_grad():
        memory = network.encode(src, mask)
        output = network.decode(tgt, memory, need_alignment=True)
        hidden = network.decoder(network.embedding(tgt), memory.summary.unsqueeze(0))[0].numpy()  # H
    states = memory.states.numpy()  # HS
    scores = np.einsum("btd,bsd->bts", hidden, states)
    scores = np.where(mask.numpy()[:, None, :], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)  # A
    context = np.einsum("bts,bsd->btd", weights, states)  # C
    combined = np.tanh(np.concatenate([context, hidden], -1) @ network.combine.weight.detach().numpy().T)
    logits = combined @ network.embedding.weight.detach().numpy().T  # Y
    np.testing.assert_allclose(output.alignment.numpy(), weights, atol=1e-6)
    np.testing.assert_allclose(output.logits.detach().numpy(), logits, atol=1e-5)


def test_reverse_order_turns_each_row_within_its_own_length():
    mask = torch.tensor([[True, True, True, False, False], [True, False, False, False, False]])
    assert reverse_order(mask).tolist() == [[2, 1, 0, 3, 4], [0, 1, 2, 3, 4]]


def test_the_bidirectional_encoder_equals_torch_s_packed_gru(sentences):
    _, mask, _ = sentences
    torch.manual_seed(0)
    encoder = GRUEncoder(d_embed=6, d_model=8, direction="both")
    packed_gru = torch.nn.GRU(6, 4, batch_first=True, bidirectional=True)
    for name, value in encoder.forward_gru.named_parameters():
        getattr(packed_gru, name).data = value.detach()
    for name, value in encoder.backward_gru.named_parameters():
        getattr(packed_gru, f"{name}_reverse").data = value.detach()
    vectors = torch.randn(3, 7, 6)
    packed = torch.nn.utils.rnn.pack_padded_sequence(vectors, mask.sum(1), batch_first=True)
    expected, last = packed_gru(packed)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True, total_length=7)
    states, summary = encoder(vectors, mask)
    torch.testing.assert_close(states * mask.unsqueeze(-1), expected)
    torch.testing.assert_close(summary, torch.cat([last[0], last[1]], -1))


def test_a_backward_encoder_reads_the_reversed_sentence_and_hands_over_states_in_the_order_of_the_source():
    torch.manual_seed(0)
    encoder = GRUEncoder(d_embed=6, d_model=8, direction="backward")
    vectors = torch.randn(1, 7, 6)
    padded = torch.cat([vectors[:, :5], torch.zeros(1, 2, 6)], dim=1)
    states, last = encoder(padded, torch.arange(7).unsqueeze(0) < 5)
    expected, _ = encoder.backward_gru(vectors[:, :5].flip(1))
    torch.testing.assert_close(states[:, :5], expected.flip(1))
    torch.testing.assert_close(last, states[:, 0])


def test_an_unknown_direction_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'up'; it must be one of forward, backward, both"):
        GRUSeq2Seq(11, direction="up")


def test_the_gru_stays_in_float32_under_bf16_autocast(sentences):
    src, mask, tgt = sentences
    network = make_network("gru_attention")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.encode(src, mask).states.dtype == torch.float32
        assert network(src, mask, tgt).isfinite().all()
