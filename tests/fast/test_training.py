"""Whole trainings the fast way against the readable way."""

import pytest
import torch

from pipeline.data.batching import Batch
from pipeline.models import GRUSeq2Seq
from pipeline.task import TranslationTask
from tests.commands import fit, weights_of, write_corpus
from tests.conftest import D_MODEL, VOCAB_SIZE, WithoutMatrix

STEPS = 20


@pytest.mark.parametrize("model", ["gru", "gru_attention", "transformer"])
def test_twenty_fast_steps_lead_to_the_same_weights(model, tmp_path):
    corpus = write_corpus(tmp_path / "little")
    weights = []
    for fast in ("false", "true"):
        more = ("--model.fast", fast, "--trainer.max_steps", str(STEPS), "--dropout", "0", "--runs_dir")
        fit(corpus, tmp_path, model, *more, str(tmp_path / fast))
        weights.append(weights_of(tmp_path / fast / "little" / model / "seed1" / "checkpoints" / "last.ckpt"))
    readable, fast = weights
    for name, expected in readable.items():
        torch.testing.assert_close(fast[name], expected, atol=2e-4, rtol=1e-3)


def test_a_model_whose_logits_are_no_product_takes_the_readable_objective(sentences):
    src, mask, tgt = sentences
    batch = Batch(src, mask, tgt, tgt.roll(-1, 1), torch.arange(len(src)), tgt.numel())
    objectives = []
    for network_class in (GRUSeq2Seq, WithoutMatrix):
        torch.manual_seed(0)
        network = network_class(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL, dropout=0.0)
        objectives.append(TranslationTask(network, "any", label_smoothing=0.1, fast=True).objective_of(batch).objective)
    torch.testing.assert_close(*objectives)
