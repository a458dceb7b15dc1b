"""C2 with made-up results on every side of its criterion, its networks, and real runs."""

import numpy as np
import pytest
import torch

from pipeline.claims import c2_gradient_paths as page
from pipeline.claims import gradient_jobs
from pipeline.claims import gradient_models as models
from pipeline.data.batching import make_batch
from pipeline.data.probes import first_token
from pipeline.models import GRUSeq2Seq
from tests.claims.synthetic import ran, shrunk, verdict_of

SMALL = {"steps": 3, "pairs": 3, "d_model": 8}
# log10 g per step of distance, and the steps after which everything is right, of each kind of model.
VANISHES, STAYS = 0.2, 0.01


def answer(falls_after=VANISHES, keeping=VANISHES, learned_at=(200, 50), cut_costs=0.0, seen=0.3, right=1):
    """Runs in which g falls by a constant per step; `falls_after` is that of the GRU without attention, trained,
    `keeping` that of the one whose gates start open; `right` is whether the GRU has learned in the end."""

    def of(name, options):
        model = options["model"]
        rng = np.random.default_rng([options["seed"], len(model)])
        if name == "copy_run":
            costs = cut_costs if model == "cut" else 0.0
            return {
                "nats": (0.1 + costs + rng.normal(0, 0.01, 20)).tolist(),
                "map": np.eye(gradient_jobs.MAPPED).tolist(),
            }
        attentive = model in ("gru_attention", "uniform", "transformer", "cut")
        before = STAYS if attentive else seen if model == "tanh" else VANISHES
        after = STAYS if attentive else keeping if model == "keeping" else falls_after
        steps = learned_at[1] if attentive else learned_at[0]
        g = lambda fall: {str(d): (-fall * d + rng.normal(0, 0.01, 5)).tolist() for d in page.DISTANCES}  # noqa: E731
        return {
            "before": g(before),
            "after": g(after),
            "accuracy": [float(look * page.LOOK_EVERY >= steps) for look in range(30)],
            "right": [int(attentive or right)] * 20,
            "ways": {str(d): [1.0, 0.1, 0.01] for d in page.DISTANCES},
            "rest": 1e-12,
        }

    return of


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(), "holds"),
        (answer(cut_costs=0.5), "holds in part"),
        (answer(seen=0.01), "holds in part"),  # the tanh network does not vanish: is the measure any good?
        (answer(falls_after=STAYS), "fails"),  # the trained GRU keeps its gradient too
        (answer(falls_after=STAYS, right=0), "undecided"),  # or does not use the answer: who knows
        (answer(keeping=STAYS), "holds in part"),  # there is another remedy
        (answer(learned_at=(60, 60)), "fails"),
        (answer(learned_at=(300, 160)), "undecided"),  # never within 300 steps: a bound of less than twice says nothing
        (answer(learned_at=(300, 100)), "holds"),
        (answer(learned_at=(50, 300)), "fails"),  # attention is the one that never learns
        (answer(learned_at=(300, 300)), "undecided"),  # neither does
        (answer(cut_costs=0.05), "holds in part"),
        (lambda name, options: None, "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def test_steps_to_learn_end_with_training():
    assert page.steps_to_learn({"accuracy": [0.1, 0.5, 0.95, 1.0]}) == 2 * page.LOOK_EVERY
    assert page.steps_to_learn({"accuracy": [0.1, 0.5]}) == 2 * page.LOOK_EVERY  # never


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return make_batch([first_token.draw(rng, 6, 4, 3) for _ in range(3)])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return GRUSeq2Seq(first_token.vocab_size(4, 3), d_embed=6, d_model=8, dropout=0.0)


def test_cutting_changes_no_output_and_leaves_one_step(network, batch):
    cut = models.cut_through_time(network)
    torch.testing.assert_close(
        cut(batch.src, batch.src_mask, batch.tgt_in), network(batch.src, batch.src_mask, batch.tgt_in)
    )
    for step, reaches in ((3, True), (2, False)):  # state 3 depends on word 3, and on no word before it
        vectors = cut.embed_source(batch.src).detach().requires_grad_()
        cut.encode_vectors(vectors, batch.src_mask).states[:, 3].sum().backward()
        assert bool(vectors.grad[:, step].any()) == reaches


def test_without_attention_cutting_leaves_the_last_word_only(batch):
    network = models.network_of("gru", first_token.vocab_size(4, 3), 8, seed=0)
    gradients = models.source_gradients(models.cut_through_time(network), batch, 0)
    assert not gradients[:, :-1].any()
    assert gradients[:, -1].any()


def test_three_ways_add_up_and_attention_alone_is_the_first(network, batch):
    found = models.ways_back(network, {"6": batch})
    assert found["rest"] < 1e-10
    whole = models.source_gradients(network, batch, 0)
    start = models.source_gradients(network, batch, 0, models.through_start)
    assert (whole - start).norm() > 1e-3  # neither way is the whole one
    assert start.norm() > 1e-3
    assert len(found["ways"]["6"]) == len(page.WAYS)


def test_gradients_are_those_of_a_difference_quotient(network, batch):
    """∂ loss / ∂ e by moving e, and ‖∂ loss / ∂ logits‖ = ‖p − 1_y‖."""
    network = network.double()
    one = batch._replace(src=batch.src[:1], src_mask=batch.src_mask[:1])
    vectors = network.embed_source(one.src).detach()
    expected = batch.tgt_out[0, 0]

    def log_probs(vectors):
        logits = network.decode(batch.tgt_in[:1], network.encode_vectors(vectors, one.src_mask)).logits[0, 0]
        return logits.log_softmax(-1).detach()

    there, back = vectors.clone(), vectors.clone()
    there[0, 0, 2] += 1e-5
    back[0, 0, 2] -= 1e-5
    slope = -(log_probs(there) - log_probs(back))[expected] / 2e-5
    error = log_probs(vectors).exp()
    error[expected] -= 1
    one = one._replace(tgt_in=batch.tgt_in[:1], tgt_out=batch.tgt_out[:1])
    gradients = models.source_gradients(network, one, 0)
    torch.testing.assert_close(gradients[0, 0, 2], slope / error.norm(), rtol=1e-5, atol=1e-8)


def test_open_gates_keep_more_of_the_past(batch):
    """1 more in the bias of z, so that a state that is far from what is read moves less."""
    plain = models.network_of("gru", first_token.vocab_size(4, 3), 8, seed=0).encoder.forward_gru
    keeping = models.network_of("keeping", first_token.vocab_size(4, 3), 8, seed=0).encoder.forward_gru
    vector, state = torch.zeros(1, 1, 8), torch.full((1, 1, 8), 3.0)
    moved = [(gru(vector, state)[1] - state).abs() for gru in (plain, keeping)]
    assert (moved[1] < moved[0]).all()


@pytest.mark.parametrize("model", ["tanh", "gru_attention", "transformer"])
def test_a_recall_run_gives_what_the_page_reads(model):
    job = next(job for job in page.jobs("quick") if job.options.get("model") == model)
    result = ran(shrunk(job, **SMALL))
    assert set(result["before"]) == set(result["after"]) == {str(d) for d in page.DISTANCES}
    assert {page.NEAR, page.FAR, page.LONGEST} <= set(result["after"])
    assert np.shape(result["before"]["1"]) == (3,)
    assert len(result["right"]) == 3
    assert len(result["accuracy"]) == 1
    assert ("ways" in result) == (model == "gru_attention")


def test_a_copy_run_gives_what_the_page_reads():
    job = next(job for job in page.jobs("quick") if job.function.endswith("copy_run"))
    result = ran(shrunk(job, **SMALL))
    assert np.shape(result["nats"]) == (3,)
    assert np.shape(result["map"]) == (gradient_jobs.MAPPED, gradient_jobs.MAPPED)
