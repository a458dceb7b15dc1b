import torch

from pipeline.saliency import saliency
from tests.conftest import D_MODEL, VOCAB_SIZE, WithoutMatrix, make_network


def test_saliency_is_the_gradient_of_each_prediction_alone(network, sentences):
    src, mask, tgt = sentences
    one = src[0]
    found = saliency(network, one, tgt[0, :-1], tgt[0, 1:])
    vectors = network.embed_source(one[None]).detach().requires_grad_()
    logits = network.decode(tgt[:1, :-1], network.encode_vectors(vectors, mask[:1])).logits
    for step, token in enumerate(tgt[0, 1:].tolist()):
        (gradient,) = torch.autograd.grad(logits[0, step].log_softmax(-1)[token], vectors, retain_graph=True)
        norms = gradient[0].norm(dim=-1)
        torch.testing.assert_close(found[step], norms / norms.sum(), atol=1e-5, rtol=1e-3)


def test_a_long_translation_is_done_in_parts_with_the_same_result(network, sentences, monkeypatch):
    src, _, tgt = sentences
    whole = saliency(network, src[0], tgt[0, :-1], tgt[0, 1:])
    monkeypatch.setattr("pipeline.saliency._COPIES", 3)
    torch.testing.assert_close(saliency(network, src[0], tgt[0, :-1], tgt[0, 1:]), whole)


def test_a_model_whose_logits_are_no_product_with_one_matrix_has_the_same_saliency(sentences):
    src, _, tgt = sentences
    network = make_network("gru_attention")
    other = WithoutMatrix(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL).eval()
    other.load_state_dict(network.state_dict())
    expected = saliency(network, src[0], tgt[0, :-1], tgt[0, 1:])
    torch.testing.assert_close(saliency(other, src[0], tgt[0, :-1], tgt[0, 1:]), expected)


def test_a_model_without_attention_has_a_map_of_every_source_word(sentences):
    src, _, tgt = sentences
    found = saliency(make_network("gru"), src[0], tgt[0, :-1], tgt[0, 1:])
    assert found.shape == (4, 7)
    assert (found > 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(4))


def test_nothing_is_left_behind_in_the_weights(network, sentences):
    src, _, tgt = sentences
    saliency(network, src[0], tgt[0, :-1], tgt[0, 1:])
    assert all(parameter.grad is None for parameter in network.parameters())
