"""The chunked objective against the readable one."""

import copy

import pytest
import torch

from pipeline.fast import objective as fast
from pipeline.fast.product import CHUNK_SIZE
from pipeline.objective import objective, r_drop_objective
from tests.conftest import VOCAB_SIZE

PAD = 0


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
            got = fast.chunked_objective(output, model.output_matrix, tgt_out, PAD, smoothing)
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
    got = fast.chunked_objective(output, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[1]]), PAD, 0.1)
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
    got = fast.chunked_objective(output, torch.ones(5, 4), torch.full((2, 3), PAD), PAD, 0.1)
    got.objective.backward()
    assert got.objective == 0
    assert (output.grad == 0).all()


@pytest.mark.parametrize("rows_per_chunk", [2, 8, 100])
@pytest.mark.parametrize(
    ("chunked", "num_passes", "fixed"), [(fast._ChunkedObjective, 1, (0.1,)), (fast._ChunkedRDrop, 2, (0.1, 5.0))]
)
def test_rows_of_weight_zero_count_as_little_as_rows_that_are_left_out(
    chunked, num_passes, fixed, rows_per_chunk, monkeypatch
):
    """What a GPU does, where to pick the real rows would be to wait for it."""
    monkeypatch.setitem(CHUNK_SIZE, "cpu", rows_per_chunk * 9)
    generator = torch.Generator().manual_seed(3)
    rows, matrix = torch.randn(num_passes, 7, 4, generator=generator), torch.randn(9, 4, generator=generator)
    expected, weights = torch.tensor([5, 0, 8, 0, 1, 5, 0]), torch.tensor([1.0, 0, 1, 0, 1, 1, 0])
    found = []
    for is_picked in (True, False):
        leaves = rows.clone().requires_grad_(), matrix.clone().requires_grad_()
        if is_picked:
            real = weights.nonzero().squeeze(1)
            got = chunked.apply(leaves[0][:, real], leaves[1], expected[real], None, *fixed)
        else:
            got = chunked.apply(leaves[0] * weights.unsqueeze(1), leaves[1], expected, weights, *fixed)
        got[0].backward()
        found.append((*got, *(leaf.grad for leaf in leaves)))
    for picked, weighted in zip(*found, strict=True):
        torch.testing.assert_close(weighted, picked)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("pairs_per_chunk", [1, 2, 100])
def test_the_chunked_r_drop_and_its_gradients_are_those_of_all_logits(smoothing, pairs_per_chunk, monkeypatch):
    monkeypatch.setitem(CHUNK_SIZE, "cpu", 4 * pairs_per_chunk * 11)
    generator = torch.Generator().manual_seed(0)
    output, matrix = torch.randn(4, 5, 3, generator=generator), torch.randn(11, 3, generator=generator)
    tgt_out = torch.tensor([[4, 7, 2, 3, PAD], [10, 3, PAD, PAD, PAD]]).repeat(2, 1)
    found = []
    for is_fast in (False, True):
        ours, theirs = output.clone().requires_grad_(), matrix.clone().requires_grad_()
        if is_fast:
            got = fast.chunked_r_drop_objective(ours, theirs, tgt_out, PAD, smoothing, weight=5.0)
        else:
            got = r_drop_objective(ours @ theirs.t(), tgt_out, smoothing, weight=5.0)
        (got.objective / 7).backward()
        found.append((got.objective.detach(), got.nats.detach(), ours.grad, theirs.grad))
    for readable, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, readable, atol=1e-5, rtol=1e-5)


def test_r_drop_under_autocast_rounds_products_only():
    generator = torch.Generator().manual_seed(0)
    output, matrix = torch.randn(2, 3, 8, generator=generator), torch.randn(11, 8, generator=generator)
    output.requires_grad_(), matrix.requires_grad_()
    tgt_out = torch.tensor([[4, 7, 2]]).repeat(2, 1)
    exact = fast.chunked_r_drop_objective(output, matrix, tgt_out, PAD, 0.1, 5.0)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = fast.chunked_r_drop_objective(output, matrix, tgt_out, PAD, 0.1, 5.0)
    torch.testing.assert_close(rounded.objective, exact.objective, atol=0, rtol=0.02)
    assert rounded.objective != exact.objective
    rounded.objective.backward()
    assert output.grad.dtype == matrix.grad.dtype == torch.float32


def test_r_drop_of_nothing_but_padding_has_no_loss_and_no_gradient():
    output = torch.ones(2, 3, 4, requires_grad=True)
    got = fast.chunked_r_drop_objective(output, torch.ones(5, 4), torch.full((2, 3), PAD), PAD, 0.1, 5.0)
    got.objective.backward()
    assert got.objective == 0
    assert (output.grad == 0).all()
