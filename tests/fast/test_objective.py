"""The chunked objective against the readable one."""

import copy

import pytest
import torch

from pipeline.data.tokenizer import PAD
from pipeline.fast import objective as fast
from pipeline.fast.product import CHUNK_SIZE
from pipeline.objective import objective
from tests.conftest import VOCAB_SIZE


def of_both(network, sentences, smoothing):
    """(objective, nats, gradients by name) of the readable and of the chunked way."""
    src, mask, tgt = sentences
    tgt_out = tgt.roll(-1, 1)
    tgt_out[1, 2:] = tgt_out[2, 4:] = PAD
    found = []
    for is_fast in (False, True):
        model = copy.deepcopy(network)
        if is_fast:
            output = model.decode(tgt, model.encode(src, mask), need_logits=False).output
            got = fast.chunked_objective(output, model.output_matrix, tgt_out, smoothing)
        else:
            got = objective(model(src, mask, tgt), tgt_out, smoothing)
        (got.objective / 7).backward()
        grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        found.append((got.objective.detach(), got.nats.detach(), grads))
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows_per_chunk", [1, 4, 100])
def test_the_chunked_objective_and_its_gradients_are_those_of_all_logits(
    network, sentences, smoothing, rows_per_chunk, monkeypatch
):
    monkeypatch.setitem(CHUNK_SIZE, "cpu", rows_per_chunk * VOCAB_SIZE)
    (readable, nats, grads), (chunked, chunked_nats, chunked_grads) = of_both(network, sentences, smoothing)
    torch.testing.assert_close(chunked, readable)
    torch.testing.assert_close(chunked_nats, nats)
    assert chunked_grads.keys() == grads.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(chunked_grads[name], grad, atol=1e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_objective_and_nats_differ_where_the_reference_is_smoothed(network, sentences):
    _, (chunked, nats, _) = of_both(network, sentences, 0.3)
    assert abs(chunked - nats) > 1e-3


def test_very_large_logits_stay_finite():
    output = torch.tensor([[[300.0, 0.0]]], requires_grad=True)
    got = fast.chunked_objective(output, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[1]]), 0.1)
    got.objective.backward()
    torch.testing.assert_close(got.nats, torch.tensor(0.0))
    torch.testing.assert_close(got.objective, torch.tensor(0.1 * 150))
    assert output.grad.isfinite().all()


def test_under_autocast_products_are_rounded_and_sums_are_not(network, sentences):
    (readable, _, grads), _ = of_both(network, sentences, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        _, (chunked, _, chunked_grads) = of_both(network, sentences, 0.1)
    torch.testing.assert_close(chunked, readable, atol=0, rtol=0.02)
    assert chunked != readable
    assert all(grad.dtype == torch.float32 for grad in chunked_grads.values())
    assert grads.keys() == chunked_grads.keys()


def test_a_batch_of_nothing_but_padding_has_no_loss_and_no_gradient():
    output = torch.ones(2, 3, 4, requires_grad=True)
    got = fast.chunked_objective(output, torch.ones(5, 4), torch.full((2, 3), PAD), 0.1)
    got.objective.backward()
    assert got.objective == 0
    assert (output.grad == 0).all()


@pytest.mark.parametrize("rows_per_chunk", [2, 100])
def test_rows_of_weight_zero_count_as_little_as_rows_that_are_left_out(rows_per_chunk, monkeypatch):
    """What a GPU does, where to pick the real rows would be to wait for it."""
    monkeypatch.setitem(CHUNK_SIZE, "cpu", rows_per_chunk * 9)
    generator = torch.Generator().manual_seed(3)
    rows, matrix = torch.randn(7, 4, generator=generator), torch.randn(9, 4, generator=generator)
    expected, weights = torch.tensor([5, 0, 8, 0, 1, 5, 0]), torch.tensor([1.0, 0, 1, 0, 1, 1, 0])
    found = []
    for is_picked in (True, False):
        leaves = rows.clone().requires_grad_(), matrix.clone().requires_grad_()
        if is_picked:
            real = weights.nonzero().squeeze(1)
            got = fast._ChunkedObjective.apply(leaves[0][real], leaves[1], expected[real], None, 0.1)
        else:
            got = fast._ChunkedObjective.apply(leaves[0] * weights.unsqueeze(1), leaves[1], expected, weights, 0.1)
        got[0].backward()
        found.append((*got, *(leaf.grad for leaf in leaves)))
    for picked, weighted in zip(*found, strict=True):
        torch.testing.assert_close(weighted, picked)
