import torch

from pipeline.saliency import saliency


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


def test_it_agrees_with_moving_a_vector_a_little(network, sentences):
    """Along the gradient, log p rises by its norm: finite differences in double precision."""
    network = network.double()
    src, mask, tgt = sentences
    vectors = network.embed_source(src[:1]).detach().requires_grad_()

    def log_prob(moved):
        logits = network.decode(tgt[:1, :3], network.encode_vectors(moved, mask[:1])).logits
        return logits[0, 2].log_softmax(-1)[tgt[0, 3]]

    (gradient,) = torch.autograd.grad(log_prob(vectors), vectors)
    rises = []
    for position in range(src.size(1)):
        direction = torch.zeros_like(gradient)
        direction[0, position] = gradient[0, position] / gradient[0, position].norm()
        rises.append((log_prob(vectors + 1e-6 * direction) - log_prob(vectors - 1e-6 * direction)) / 2e-6)
    norms = torch.stack(rises).detach()
    found = saliency(network, src[0], tgt[0, :3], tgt[0, 1:4])[2].double()
    torch.testing.assert_close(found, norms / norms.sum(), atol=1e-4, rtol=1e-3)


def test_a_model_without_attention_has_a_map_of_every_source_word(network, sentences):
    src, _, tgt = sentences
    found = saliency(network, src[0], tgt[0, :-1], tgt[0, 1:])
    assert found.shape == (4, 7)
    assert (found > 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(4))


def test_nothing_is_left_behind_in_the_weights(network, sentences):
    src, _, tgt = sentences
    saliency(network, src[0], tgt[0, :-1], tgt[0, 1:])
    assert all(parameter.grad is None for parameter in network.parameters())
