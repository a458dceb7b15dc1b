"""What training minimises."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from pipeline.data.batching import Batch
from pipeline.data.tokenizer import PAD
from pipeline.errors import UserError
from pipeline.models import GRUSeq2Seq
from pipeline.objective import objective, r_drop_objective
from pipeline.task import TranslationTask
from tests.conftest import D_MODEL, VOCAB_SIZE

TGT_OUT = torch.tensor([[4, 7, 3], [5, 3, PAD]])


def random_logits():
    return torch.randn(len(TGT_OUT), 3, 11, generator=torch.Generator().manual_seed(0))


def test_r_drop_is_the_mean_cross_entropy_and_a_quarter_of_the_weight_times_both_divergences():
    first, second = random_logits(), random_logits().flip(2)
    p, q = Categorical(logits=first), Categorical(logits=second)
    divergence = ((kl_divergence(p, q) + kl_divergence(q, p)) * (TGT_OUT != PAD)).sum()
    one, other = (objective(logits, TGT_OUT, 0.1) for logits in (first, second))
    got = r_drop_objective(torch.cat([first, second]), TGT_OUT.repeat(2, 1), 0.1, weight=5.0)
    torch.testing.assert_close(got.objective, (one.objective + other.objective) / 2 + 5.0 / 4 * divergence)
    torch.testing.assert_close(got.nats, (one.nats + other.nats) / 2)


def test_passes_that_agree_leave_the_objective_as_it_is():
    logits = random_logits()
    plain = objective(logits, TGT_OUT, 0.1)
    got = r_drop_objective(logits.repeat(2, 1, 1), TGT_OUT.repeat(2, 1), 0.1, weight=5.0)
    torch.testing.assert_close(got, plain)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_r_drop_costs_something_only_where_dropout_makes_two_passes_differ(sentences, fast, dropout):
    src, mask, tgt = sentences
    batch = Batch(src, mask, tgt, tgt.roll(-1, 1), torch.arange(len(src)), tgt.numel())
    network = GRUSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL, dropout=dropout)
    objectives = []
    for weight in (1e-9, 5.0):  # the smallest weight still reads each sentence twice, by the same masks
        torch.manual_seed(0)
        task = TranslationTask(network, "any", r_drop=weight, fast=fast)
        objectives.append(task.objective_of(batch).objective.item())
    assert (objectives[1] - objectives[0] > 1e-3) == (dropout > 0)


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_that_is_no_finite_number_of_at_least_0_is_refused(weight):
    with pytest.raises(UserError, match=r"model\.r_drop is (-1|inf|nan)"):
        TranslationTask(GRUSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL), "any", r_drop=weight)
