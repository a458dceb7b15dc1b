"""Small models of every kind: sizes are distinct, so that a swapped axis cannot pass. And how long to look for bugs."""

import os
import sys

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for tests of deterministic steps on a GPU

import pytest
import torch
from hypothesis import HealthCheck, settings

from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq
from tests.commands import ROOT

# `make test` tries the same few examples everywhere; `make fuzz` other ones each time, and many.
settings.register_profile(
    "test",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile(
    "fuzz",
    settings.get_profile("test"),
    max_examples=int(os.environ.get("EXAMPLES", "1000")),
    derandomize=False,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

BATCH, SRC_LEN, TGT_LEN, VOCAB_SIZE, D_MODEL = 3, 7, 5, 11, 8

NETWORKS = {
    "gru": lambda: GRUSeq2Seq(VOCAB_SIZE, "last", d_embed=6, d_model=D_MODEL),
    "gru_attention": lambda: GRUSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL),
    "gru_mean": lambda: GRUSeq2Seq(VOCAB_SIZE, "mean", d_embed=6, d_model=D_MODEL),
    "gru_backward": lambda: GRUSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL, direction="backward"),
    "gru_bidirectional": lambda: GRUSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL, direction="both"),
    "gru_bidirectional_last": lambda: GRUSeq2Seq(VOCAB_SIZE, "last", d_embed=6, d_model=D_MODEL, direction="both"),
    "transformer": lambda: TransformerSeq2Seq(VOCAB_SIZE, "all", D_MODEL, d_ff=10, num_heads=2),
    "transformer_last": lambda: TransformerSeq2Seq(VOCAB_SIZE, "last", D_MODEL, d_ff=10, num_heads=2),
    "transformer_mean": lambda: TransformerSeq2Seq(VOCAB_SIZE, "mean", D_MODEL, d_ff=10, num_heads=2),
}


class WithoutMatrix(GRUSeq2Seq):
    """A model whose logits are no product with one matrix."""

    output_matrix = None

    def decode(self, tgt, memory, state=None, *, need_alignment=False, need_logits=True):
        assert need_logits  # there is no other way to them
        return super().decode(tgt, memory, state, need_alignment=need_alignment)._replace(output=None)


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Seq2Seq:
    """Each model in turn, in evaluation mode."""
    return make_network(request.param)


def make_network(name: str) -> Seq2Seq:
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


@pytest.fixture
def sentences() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source ids, mask and target input of three sentences with 7, 4 and 1 source tokens."""
    generator = torch.Generator().manual_seed(1)
    src = torch.randint(4, VOCAB_SIZE, (BATCH, SRC_LEN), generator=generator)
    mask = torch.arange(SRC_LEN) < torch.tensor([7, 4, 1]).unsqueeze(1)
    tgt = torch.randint(4, VOCAB_SIZE, (BATCH, TGT_LEN), generator=generator)
    return src * mask, mask, tgt


@pytest.fixture
def refuse(monkeypatch, capfd):
    """Runs a command line in this process, which is quicker, and returns what it says when it refuses."""

    def refuse(main, *arguments: str) -> str:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", ["scripts", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert exit_.value.code == 2
        return capfd.readouterr().err

    return refuse
