"""The tree of hypotheses against rows of their own: the same logits, and while there is room no key or value moves."""

import pytest
import torch

from pipeline.fast.modules import fast_modules
from pipeline.fast.transformer import STEPS, FastTransformer, Tree
from pipeline.models import TransformerSeq2Seq
from pipeline.models.attention import KeyValue
from tests.conftest import VOCAB_SIZE

SOURCES, BEAM = 3, 2
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture
def network() -> TransformerSeq2Seq:
    torch.manual_seed(0)
    return TransformerSeq2Seq(VOCAB_SIZE, "all", 8, d_ff=10, num_heads=2, num_layers=2).eval()


@pytest.fixture
def memory(network):
    lengths = torch.tensor([5, 3, 4])
    src = torch.randint(4, VOCAB_SIZE, (SOURCES, 5), generator=torch.Generator().manual_seed(1))
    return network.encode(src, torch.arange(5) < lengths.unsqueeze(1))


def logits_along(network, memory, steps, first_width, reordered=lambda step: True):
    """Logits of every step of a search that chooses tokens and parents at random; sources 0 and 2 stay from step 3."""
    generator = torch.Generator().manual_seed(2)
    width, state, found = first_width, None, []
    for step in range(steps):
        tgt = torch.randint(4, VOCAB_SIZE, (len(memory.states) * width, 1), generator=generator)
        output = network.decode(tgt, memory, state)
        found.append(output.logits)
        state = output.state
        if reordered(step):
            parent = torch.randint(0, width, (len(memory.states), BEAM), generator=generator)
            rows = torch.arange(len(memory.states)).unsqueeze(1) * width + parent
            staying = torch.tensor([0, 2]) if step == 3 else None
            if staying is not None:
                memory, rows = memory.select(staying), rows[staying]
            state, width = network.reorder(state, rows.flatten(), staying), BEAM
    return found, state


def test_many_hypotheses_have_rows_of_their_own(network, memory, monkeypatch):
    expected, _ = logits_along(network, memory, 6, 1)
    monkeypatch.setattr("pipeline.fast.transformer.MOST_SIDE_BY_SIDE", BEAM - 1)
    with fast_modules(network):
        found, state = logits_along(network, memory, 6, 1)
    assert isinstance(state[0].target, KeyValue)
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("first_width", [1, BEAM])  # fast search starts with one row for each source
@pytest.mark.parametrize("steps", [6, 2 * STEPS + 3])
def test_logits_are_those_of_the_readable_way(network, memory, steps, first_width):
    expected, _ = logits_along(network, memory, steps, first_width)
    with fast_modules(network):
        assert type(network) is FastTransformer
        found, state = logits_along(network, memory, steps, first_width)
    assert type(network) is TransformerSeq2Seq
    assert isinstance(state[0].target, Tree)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_a_tree_grows_without_being_reordered_too(network, memory):
    sometimes = lambda step: step in (0, 3)  # noqa: E731
    expected, _ = logits_along(network, memory, 6, BEAM, sometimes)
    with fast_modules(network):
        found, _ = logits_along(network, memory, 6, BEAM, sometimes)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_several_first_tokens_are_a_tree_as_well(network, memory):
    tgt = torch.randint(4, VOCAB_SIZE, (SOURCES * BEAM, 4), generator=torch.Generator().manual_seed(3))
    rows = torch.tensor([1, 1, 2, 3, 5, 4])
    expected = network.decode(torch.cat([tgt[rows, :3], tgt[:, 3:]], 1), memory).logits[:, 3:]
    with fast_modules(network):
        state = network.reorder(network.decode(tgt[:, :3], memory).state, rows)
        found = network.decode(tgt[:, 3:], memory, state).logits
    torch.testing.assert_close(found, expected, **CLOSE)


def test_keys_and_values_stay_where_they_were_made(network, memory):
    with fast_modules(network):
        _, state = logits_along(network, memory, 6, 1)
        before = state[1].target
        after = network.reorder(state, torch.tensor([1, 0, 2, 2]))[1].target
        decoded = network.decode(torch.full((4, 1), 4), memory.select(torch.tensor([0, 2])), state).state[1].target
    assert before.key.data_ptr() == after.key.data_ptr() == decoded.key.data_ptr()
    assert before.value.data_ptr() == after.value.data_ptr() == decoded.value.data_ptr()
    assert not torch.equal(before.reads, after.reads)
