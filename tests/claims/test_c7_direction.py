"""C7 with made-up results on every side of its criterion, and real small ones."""

import numpy as np
import pytest
import torch

from pipeline.claims import c7_direction as page
from pipeline.claims.matched_models import num_parameters
from pipeline.data.probes import cue
from tests.claims.synthetic import Oracle, ran, shrunk, verdict_of

SMALL = {"d_model": 16, "layers": 1, "heads": 2, "weights": 1, "steps": 2, "items": 3}


def answer(one_way=0.5, two_ways=1.0, attention=1.0, zeros=(), smallest=0.01, missing=None):
    """Results with these accuracies on later cues, for readers of one direction and of two, and for GRU → + attention;
    states named in `zeros` depend on no later word, the others on each, by `smallest` or more."""

    def of(name, options):
        if name == missing:
            return None
        if name == "support_of":
            is_zero = options["states"] in zeros
            later = {"largest_later": 0.0 if is_zero else 1.0, "smallest_later": 0.0 if is_zero else smallest}
            return {"first": np.ones((page.LENGTH, page.LENGTH)).tolist(), "smallest": 0.01, **later}
        is_one_way = options["encoder"] in ("gru", "causal")
        share = one_way if options["reads"] == "own" and is_one_way else two_ways
        if (options["encoder"], options["reads"]) == ("gru", "all"):
            share = attention
        rng = np.random.default_rng(options["seed"])
        shares = {k: share if k > 0 else 1.0 for k in page.OFFSETS}
        right = {str(k): (rng.random(options["items"]) < share_k).astype(int).tolist() for k, share_k in shares.items()}
        return {"right": right, "last_nats": 0.1}

    return of


WIRED = ("gru", "causal", "decoder")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(zeros=(*WIRED, "bigru"), attention=0.5), "holds"),
        (answer(zeros=WIRED), "holds in part"),
        (answer(zeros=(*WIRED, "bigru"), attention=0.5, one_way=1.0), "holds in part"),  # its own state knows it
        (answer(zeros=("gru", "decoder", "bigru"), attention=0.5), "holds in part"),  # a causal encoder sees all
        (answer(zeros=("gru", "causal", "bigru"), attention=0.5), "holds in part"),
        (answer(zeros=("causal", "decoder")), "fails"),
        (answer(zeros=WIRED, smallest=0.0), "fails"),
        (answer(zeros=(*WIRED, "bigru"), attention=0.55), "holds in part"),
        (answer(zeros=WIRED, missing="cue_run"), "undecided"),
        (answer(zeros=WIRED, missing="support_of"), "undecided"),
        (lambda name, options: None, "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


@pytest.mark.parametrize("states", page.STATES)
def test_a_state_depends_on_later_words_exactly_where_its_network_is_wired_so(states):
    found = page.support_of(states, d_model=16, layers=1, heads=2, weights=1)
    assert np.shape(found["first"]) == (page.LENGTH, page.LENGTH)
    assert found["smallest"] > 1e-6
    if states in WIRED:
        assert found["largest_later"] == 0
    else:
        assert found["smallest_later"] > 1e-6


@pytest.mark.parametrize(("encoder", "reads"), page.READERS)
def test_a_run_gives_what_the_page_reads(encoder, reads):
    job = next(j for j in page.jobs("quick") if (j.options.get("encoder"), j.options.get("reads")) == (encoder, reads))
    result = ran(shrunk(job, **SMALL))
    assert set(result["right"]) == {str(offset) for offset in page.OFFSETS}
    assert all(len(right) == SMALL["items"] for right in result["right"].values())


@pytest.mark.parametrize("encoder", ["gru", "bigru", "causal", "transformer"])
def test_a_decoder_with_the_homonym_s_own_state_reads_what_the_encoder_wired_there(encoder):
    torch.manual_seed(0)
    network = page.build(encoder, "own", d_model=16, layers=1, heads=2).eval()
    rng = np.random.default_rng(0)
    src = cue.draw(rng, 4).pair.src.unsqueeze(0)
    changed = src.clone()
    place = cue.homonym_position(src).item()
    changed[0, place + 4] = cue.FIRST_CUE if src[0, place + 4] != cue.FIRST_CUE else cue.FIRST_CUE + 1
    mask = torch.ones_like(src, dtype=torch.bool)
    same = torch.equal(network.encode(src, mask).states, network.encode(changed, mask).states)
    assert same == (encoder in ("gru", "causal"))


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_all_models_have_one_size(profile):
    p = page.PROFILES[profile]
    sizes = [
        num_parameters(page.build(encoder, reads, p["d_model"], p["layers"], p["heads"]))
        for encoder, reads in page.READERS
    ]
    assert max(sizes) / min(sizes) < 1.05


@pytest.mark.parametrize(("is_contrary", "right"), [(False, 1), (True, 0)])
def test_a_model_that_knows_the_sense_is_right(monkeypatch, is_contrary, right):
    oracle = Oracle(cue.VOCAB_SIZE, is_contrary=is_contrary)
    monkeypatch.setattr(page, "build", lambda *_: oracle)
    monkeypatch.setattr(page, "make_batch", oracle.make_batch)
    monkeypatch.setattr(page, "train", lambda *_: [1.0])
    found = page.cue_run(encoder="", reads="", d_model=8, layers=1, heads=1, steps=1, items=3, seed=1)
    assert found["right"] == {str(offset): [right] * 3 for offset in page.OFFSETS}
