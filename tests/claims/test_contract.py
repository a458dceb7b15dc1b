"""The models of the claims keep the contract too: what talks to `Seq2Seq` can be given any of them."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch

from pipeline import claims, decoding
from pipeline.claims import (
    direction_models,
    gradient_models,
    mechanism_jobs,
    provenance_jobs,
    time_steps_models,
    variants,
)
from pipeline.data.batching import make_batch
from pipeline.data.probes import cue
from pipeline.decoding import SearchLimits
from pipeline.fast import search as fast
from pipeline.models import Seq2Seq
from pipeline.scoring import symbols_of

V = cue.VOCAB_SIZE
GRU, TRANSFORMER = {"d_embed": 6, "d_model": 8, "dropout": 0.0}, {"d_model": 8, "d_ff": 10, "num_heads": 2}
NETWORKS = {
    variants.UniformGRU: lambda: variants.UniformGRU(V, "all", **GRU),
    variants.CausalTransformer: lambda: variants.CausalTransformer(V, **TRANSFORMER),
    variants.UnorderedTransformer: lambda: variants.UnorderedTransformer(V, **TRANSFORMER),
    provenance_jobs.WeighedPositions: lambda: provenance_jobs.WeighedPositions(V, **TRANSFORMER),
    gradient_models.TanhSeq2Seq: lambda: gradient_models.TanhSeq2Seq(V, **GRU),
    gradient_models.KeepingGRU: lambda: gradient_models.KeepingGRU(V, **GRU),
    time_steps_models.StepwiseSeq2Seq: lambda: time_steps_models.StepwiseSeq2Seq(V, **GRU),
    mechanism_jobs.AblatedGRU: lambda: mechanism_jobs.AblatedGRU("no C", V, "all", **GRU),
    direction_models.OwnStateOnly: lambda: direction_models.build("causal", "own", 8, 1, 2),
}
METHODS = ("encode", "embed_source", "encode_vectors", "decode", "reorder", "forward", "attention_maps")


@pytest.fixture(params=NETWORKS, ids=lambda of: of.__name__)
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return make_batch([cue.draw(rng, offset).pair for offset in (-3, 2, 5)])


def of_claims(parent: type) -> set[type]:
    """Every class below `parent` that a module of the claims defines."""
    children = parent.__subclasses__()
    found = {child for child in children if child.__module__.startswith(claims.__name__)}
    return found.union(*map(of_claims, children))


def test_every_model_of_the_claims_is_tested_here():
    for module in pkgutil.iter_modules(claims.__path__, f"{claims.__name__}."):
        importlib.import_module(module.name)
    assert of_claims(Seq2Seq) == set(NETWORKS)


@pytest.mark.parametrize("network_class", NETWORKS, ids=lambda of: of.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_what_overrides_a_method_takes_what_the_contract_says(network_class, method):
    def taken(of):
        return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(of, method)).parameters.values()]

    assert taken(network_class) == taken(Seq2Seq)


def test_logits_are_left_out_where_they_are_not_needed_and_are_the_product_that_the_matrix_says(network, batch):
    memory = network.encode(batch.src, batch.src_mask)
    output = network.decode(batch.tgt_in, memory)
    without = network.decode(batch.tgt_in, memory, need_logits=False)
    assert without.logits is None
    if network.output_matrix is None:
        assert output.output is None
    else:
        torch.testing.assert_close(without.output @ network.output_matrix.t(), output.logits)


@pytest.mark.parametrize("beam", [1, 3])
def test_search_finds_the_same_on_both_paths(network, batch, beam):
    symbols = symbols_of(V, V, batch.src.device)
    limits = SearchLimits(factor=0, extra=4)
    readable, quick = (
        path.beam_search(network, batch.src, batch.src_mask, symbols, limits, beam=beam) for path in (decoding, fast)
    )
    assert torch.equal(readable.ids, quick.ids)
    torch.testing.assert_close(readable.log_prob, quick.log_prob)
