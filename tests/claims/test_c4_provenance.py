"""C4: made-up results on every side of its criterion, the exact matrix, and one real run."""

import copy

import numpy as np
import pytest
import torch

from pipeline.claims import c4_provenance as page
from pipeline.claims.provenance_jobs import PAIRS, Role, provenance, tie, tied_run
from pipeline.models import TransformerSeq2Seq
from tests.claims.synthetic import findings_of, verdict_of

SENTENCES = 20
EXACTLY = provenance()


def literal():
    """The matrix as the article would have it: a query knows no source, self-attention no other word."""
    exactly = copy.deepcopy(EXACTLY)
    for row in exactly["rows"]:
        if row["kind"] != "cross":
            row["jacobian"]["other words"] = 0.0
        elif row["part"] == "Q":
            row["jacobian"]["source embedding"] = 0.0
    return exactly


def keys_from_target():
    exactly = copy.deepcopy(EXACTLY)
    next(r for r in exactly["rows"] if r["kind"] == "cross" and r["part"] == "K")["jacobian"]["target embedding"] = 0.1
    return exactly


def answer(exactly=None, cosine=0.1, cost=lambda seed: 1.0):
    def of(name, options):
        if name == "provenance":
            return exactly
        nats = 8.0 + (8 * cost(options["seed"]) if options["tied"] != "none" else 0)
        return {
            "nats": [nats] * SENTENCES,
            "tokens": [8] * SENTENCES,
            "cosines": {pair: [cosine] * SENTENCES for pair in PAIRS},
            "untrained": dict.fromkeys(PAIRS, 0.1),
        }

    return of


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(literal()), "holds"),
        (answer(EXACTLY), "holds in part"),
        (answer(literal(), cosine=0.9), "holds in part"),
        (answer(keys_from_target()), "fails"),
        (answer(literal(), cost=lambda seed: (-1) ** seed), "holds in part"),
        (answer(None), "undecided"),
        (lambda name, options: None, "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


SOURCE, TARGET, POSITION, OTHERS = "source embedding", "target embedding", "position", "other words"


@pytest.mark.parametrize(
    ("where", "parts", "expected"),
    [
        (("GRU", "cross", 0), "Q", {SOURCE, TARGET, OTHERS}),
        (("GRU", "cross", 0), "KV", {SOURCE, OTHERS}),
        (("Transformer", "encoder", 1), "QKV", {SOURCE, POSITION}),
        (("Transformer", "encoder", 2), "QKV", {SOURCE, POSITION, OTHERS}),
        (("Transformer", "decoder", 1), "QKV", {TARGET, POSITION}),
        (("Transformer", "decoder", 2), "QKV", {SOURCE, TARGET, POSITION, OTHERS}),
        (("Transformer", "cross", 1), "Q", {TARGET, POSITION, OTHERS}),
        (("Transformer", "cross", 2), "Q", {SOURCE, TARGET, POSITION, OTHERS}),
        (("Transformer", "cross", 1), "KV", {SOURCE, POSITION, OTHERS}),
        (("Transformer", "cross", 2), "KV", {SOURCE, POSITION, OTHERS}),
    ],
)
def test_what_each_input_of_each_attention_depends_on(where, parts, expected):
    rows = {(r["model"], r["kind"], r["layer"], r["part"]): r["jacobian"] for r in EXACTLY["rows"]}
    assert len(rows) == 21
    for part in parts:
        assert {column for column, size in rows[*where, part].items() if size > 0} == expected, part


def test_layer_1_is_three_linear_maps_of_embedding_and_position():
    assert EXACTLY["layer_1"] <= 1e-12


def test_a_role_says_where_it_stands():
    assert str(Role("Transformer", "cross", 2, "Q")) == "Transformer, cross-attention 2: Q"
    assert Role("Transformer", "cross", 2, "Q").reads_target
    assert not Role("Transformer", "encoder", 2, "Q").reads_target


@pytest.mark.parametrize(("which", "fewer"), [("none", 0), ("Q=K", 1), ("K=V", 1), ("Q=K=V", 2)])
def test_tied_maps_are_one_parameter_and_begin_like_the_others(which, fewer):
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(TransformerSeq2Seq(11, "all", 8, 16, num_heads=2, num_layers=2))
    free, tied = networks
    tie(tied, which)
    count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
    assert count(free) - count(tied) == fewer * 4 * 8 * 8
    assert torch.equal(free.decoder[0].cross_attention.key.weight, tied.decoder[0].cross_attention.key.weight)


def test_a_run_gives_what_the_page_reads():
    run = tied_run("Q=K", d_model=8, steps=2, lr=1e-3, num_train=2500, num_test=6, longest=8, seed=1)
    assert len(run["nats"]) == len(run["tokens"]) == len(run["cosines"]["Q·V"]) == 6
    assert np.allclose(run["cosines"]["Q·K"], 1.0)  # trained, they are still one map
    assert run["untrained"]["Q·V"] < 0.5
    findings = findings_of(page, lambda name, options: EXACTLY if name == "provenance" else run)
    assert "missing" not in {finding.outcome for finding in findings}
