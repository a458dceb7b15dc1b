import numpy as np
import pytest
import torch

from pipeline.data.batching import Batch, EncodedPair, TokenBudgetBatches, make_batch
from pipeline.data.tokenizer import BOS, EOS, PAD


def encoded(src_len: int, tgt_len: int, first: int = 10) -> EncodedPair:
    """`src_len` counts EOS, `tgt_len` does not count BOS or EOS."""
    return EncodedPair(torch.tensor([*range(first, first + src_len - 1), EOS]), torch.arange(first, first + tgt_len))


@pytest.fixture
def pairs() -> list[EncodedPair]:
    """61 pairs of all sorts of lengths, many of them equal; the longest is over the budget of the tests."""
    lengths = np.random.default_rng(2)
    pairs = [encoded(*lengths.integers(1, 12, size=2).tolist(), first=10 + n) for n in range(60)]
    return [*pairs, encoded(5, 70)]


BUDGET = 40


def rows_of(batches) -> list[list[int]]:
    return [batch.index.tolist() for batch in batches]


def test_a_batch_looks_as_in_the_worked_example():
    pairs = [
        EncodedPair(torch.tensor([11, 12, 13, EOS]), torch.tensor([21, 22])),
        EncodedPair(torch.tensor([14, EOS]), torch.tensor([23])),
    ]
    batch = make_batch(pairs)
    assert batch.src.tolist() == [[11, 12, 13, 3], [14, 3, 0, 0]]
    assert batch.src_mask.tolist() == [[True, True, True, True], [True, True, False, False]]
    assert batch.tgt_in.tolist() == [[2, 21, 22], [2, 23, 0]]
    assert batch.tgt_out.tolist() == [[21, 22, 3], [23, 3, 0]]
    assert batch.index.tolist() == [0, 1]
    assert batch.num_tokens == 5


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_pair_comes_exactly_once_an_epoch(pairs, seed, epoch):
    plan = TokenBudgetBatches(pairs, BUDGET, seed).plan(epoch)
    assert sorted(np.concatenate(plan).tolist()) == list(range(61))
    assert all(len(rows) for rows in plan)


def test_a_batch_holds_its_own_pairs(pairs):
    for batch in TokenBudgetBatches(pairs, BUDGET, seed=7):
        for row, index in enumerate(batch.index.tolist()):
            src, tgt = pairs[index]
            assert batch.src[row][batch.src_mask[row]].tolist() == src.tolist()
            assert batch.tgt_in[row][batch.tgt_in[row] != PAD].tolist() == [BOS, *tgt.tolist()]
            assert batch.tgt_out[row][batch.tgt_out[row] != PAD].tolist() == [*tgt.tolist(), EOS]


@pytest.mark.parametrize("budget", [12, 40, 59])
def test_no_batch_is_over_the_budget_on_either_side_but_a_single_sentence_may_be(pairs, budget):
    over = []
    for batch in TokenBudgetBatches(pairs, budget, seed=7):
        if max(batch.src.numel(), batch.tgt_in.numel()) > budget:
            over.append(batch.index.tolist())
    assert over == [[60]]


def test_the_budget_is_used_and_not_only_kept():
    """Ten equal pairs of 4 target tokens (EOS included) and a budget of 12: three, three, three, one."""
    plan = TokenBudgetBatches([encoded(2, 3)] * 10, 12, None).plan(0)
    assert sorted(len(rows) for rows in plan) == [1, 3, 3, 3]


def test_a_long_source_counts_as_much_as_a_long_target():
    """Targets of 2 tokens would fit six to a batch of 12; their sources of 6 fit only two."""
    assert [len(rows) for rows in TokenBudgetBatches([encoded(6, 1)] * 4, 12, None).plan(0)] == [2, 2]


def test_similar_lengths_are_together(pairs):
    batches = list(TokenBudgetBatches(pairs, BUDGET, seed=7))
    real = sum(batch.num_tokens for batch in batches)
    assert sum(batch.tgt_out.numel() for batch in batches) < 1.15 * real


def test_every_epoch_has_the_same_number_of_batches(pairs):
    batches = TokenBudgetBatches(pairs, BUDGET, seed=7)
    assert {len(batches.plan(epoch)) for epoch in range(30)} == {len(batches)}


def test_the_order_is_a_function_of_seed_and_epoch_alone(pairs):
    one, two, other = (TokenBudgetBatches(pairs, BUDGET, seed) for seed in (7, 7, 8))
    torch.manual_seed(5)
    first = [rows.tolist() for rows in one.plan(3)]
    torch.manual_seed(6)
    np.random.seed(6)
    one.plan(0)
    assert [rows.tolist() for rows in two.plan(3)] == first
    assert [rows.tolist() for rows in one.plan(4)] != first
    assert [rows.tolist() for rows in other.plan(3)] != first
    assert one.order_hash() == two.order_hash() != other.order_hash()


def test_short_and_long_batches_come_in_another_random_order_in_each_epoch(pairs):
    """In order of length, every epoch would end on the longest sentences."""
    lengths = np.array([len(pair.tgt) for pair in pairs])
    batches = TokenBudgetBatches(pairs, BUDGET, seed=7)
    longest = [[lengths[rows].max() for rows in batches.plan(epoch)] for epoch in range(20)]
    assert len({tuple(of_epoch) for of_epoch in longest}) == 20
    firsts = [of_epoch[0] for of_epoch in longest]
    assert min(firsts) < np.median(longest[0]) < max(firsts)


def test_without_a_seed_the_order_stays(pairs):
    batches = TokenBudgetBatches(pairs, BUDGET, seed=None)
    assert rows_of(batches) == rows_of(batches)
    batches.consumed = 3  # training alone goes on from somewhere
    assert len(rows_of(batches)) == len(batches)


def test_each_epoch_follows_the_one_before_as_batches_are_consumed(pairs):
    batches = TokenBudgetBatches(pairs, BUDGET, seed=7)
    for epoch in range(3):
        expected = [rows.tolist() for rows in batches.plan(epoch)]
        seen = []
        for batch in batches:
            batches.consumed += 1
            seen.append(batch.index.tolist())
        assert seen == expected


@pytest.mark.parametrize("where", ["at the start", "in the first epoch", "at its last batch", "at its end", "later"])
def test_a_resumed_run_sees_exactly_the_batches_it_would_have_seen(pairs, where):
    whole = TokenBudgetBatches(pairs, BUDGET, seed=7)
    stream = [rows.tolist() for epoch in range(4) for rows in whole.plan(epoch)]
    length = len(whole)
    consumed = {
        "at the start": 0,
        "in the first epoch": 2,
        "at its last batch": length - 1,
        "at its end": length,
        "later": 2 * length + 3,
    }[where]
    resumed = TokenBudgetBatches(pairs, BUDGET, seed=7)
    resumed.consumed = consumed
    assert rows_of(resumed) == stream[consumed : (consumed // length + 1) * length]


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_shares_of_all_processes_are_together_the_global_batch(pairs, world_size):
    alone = list(TokenBudgetBatches(pairs, BUDGET, seed=7))
    ranks = [list(TokenBudgetBatches(pairs, BUDGET, 7, rank, world_size)) for rank in range(world_size)]
    assert {len(batches) for batches in ranks} == {len(alone)}
    for whole, *shares in zip(alone, *ranks, strict=True):
        together = [index for share in shares for index in share.index.tolist() if index >= 0]
        assert sorted(together) == sorted(whole.index.tolist())
        assert {share.num_tokens for share in shares} == {whole.num_tokens}
        assert sum(int((share.tgt_out != PAD).sum()) for share in shares) == whole.num_tokens
        sizes = [sum(index >= 0 for index in share.index.tolist()) for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_a_process_without_rows_gets_a_stand_in_that_counts_for_nothing():
    batches = [list(TokenBudgetBatches([encoded(3, 4)], 40, 7, rank, world_size=2)) for rank in (0, 1)]
    (real,), (stand_in,) = batches
    assert real.index.tolist() == [0]
    assert stand_in.index.tolist() == [-1]
    assert (stand_in.tgt_out == PAD).all()
    assert stand_in.src_mask.any()  # a model can run on it
    assert stand_in.num_tokens == real.num_tokens == 5


def test_a_batch_is_plain_tensors_that_lightning_can_move(pairs):
    batch = next(iter(TokenBudgetBatches(pairs, BUDGET, seed=7)))
    assert isinstance(batch, Batch)
    assert all(tensor.dtype == torch.long for tensor in (batch.src, batch.tgt_in, batch.tgt_out, batch.index))
    assert batch.src_mask.dtype == torch.bool


def test_other_sentences_stand_together_in_every_epoch(pairs):
    batches = TokenBudgetBatches(pairs, BUDGET, seed=7)
    first, second = ({tuple(sorted(rows.tolist())) for rows in batches.plan(epoch)} for epoch in (0, 1))
    assert first != second
