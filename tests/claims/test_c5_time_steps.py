"""C5: its exact parts, made-up results on every side of its criterion, and real runs."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.claims import c5_time_steps as page
from pipeline.claims import time_steps_jobs
from pipeline.claims import time_steps_models as models
from tests.claims.synthetic import ran, results_of, shrunk, verdict_of


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def answer(per_symbol=(10, 0), encode=(1.0, 0.1), write=0.1, lost=0.0, noise=0.01):
    """Chains and times that grow as told: (GRU, self-attention)."""

    def of(name, options):
        rng = np.random.default_rng(options.get("seed", 0))
        if name == "exact_run":
            chains = dict(zip(("stepwise", "transformer"), per_symbol, strict=True))
            chains = {model: [40 + slope * n for n in page.LENGTHS] for model, slope in chains.items()}
            return {"encoder": chains, "training": chains, "gap": 0.0, "order": {"without": 0.0, "with": 1.0}}
        if name == "order_run":
            share = 1.0 - (lost if options["model"] == "unordered" else 0.0)
            return {"exact": [int(pair < 40 * share) for pair in range(40)]}

        def times(lengths, growth):
            return (np.array(lengths) ** growth * np.exp(rng.normal(0, noise, (20, len(lengths))))).tolist()

        growths = {"fused": encode[0], "stepwise": encode[0], "transformer": encode[1]}
        return {
            "encode": {model: times(page.LENGTHS, growths[model]) for model in page.ENCODING},
            "write": {model: times(page.WRITTEN, write) for model in page.WRITING},
        }

    return of


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(), "holds"),
        (answer(write=1.0), "holds in part"),
        (answer(lost=1.0), "holds in part"),
        (answer(encode=(1.0, 1.0)), "holds"),  # a CPU's encoding times decide nothing
        (answer(per_symbol=(10, 1)), "fails"),
        (answer(per_symbol=(0, 0)), "fails"),
        (answer(write=0.3, noise=0.3), "holds in part"),
        (lambda name, options: None, "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def test_one_missing_measurement_is_undecided():
    everything = answer(write=1.0)
    assert verdict_of(page, lambda n, o: None if n == "time_run" else everything(n, o)) == "undecided"


def test_a_gpu_is_timed_and_drawn_too(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    findings, numbers = page.judge(results_of(page.jobs("quick"), answer()), "quick")
    assert sum("on a GPU" in finding.what and "CPU" not in finding.what for finding in findings) == 3
    assert len(page.draw(numbers)) == 8


def test_chains_are_counted_as_by_hand():
    x = torch.ones(1, requires_grad=True)  # AccumulateGrad is the first node
    short = x * 2  # 2 nodes
    assert models.longest_chain(short) == 2
    assert models.longest_chain(short + short.exp().log()) == 5  # the longer of two ways
    state = x
    for _ in range(5000):  # longer than Python's stack
        state = state + x
    assert models.longest_chain(state) == 5001


def test_the_chain_grows_with_the_gru_only_and_the_order_is_invisible_without_positions():
    found = time_steps_jobs.exact_run()
    for kind in ("encoder", "training"):
        assert len(set(found[kind]["transformer"])) == 1
        growth = np.diff(found[kind]["stepwise"]) / np.diff(page.LENGTHS)
        assert (growth >= 1).all()
    assert found["gap"] <= 1e-5
    assert found["order"]["without"] <= 1e-5
    assert found["order"]["with"] > 0.1


def test_cell_by_cell_is_the_library_s_gru_and_other_weights_are_seen():
    torch.manual_seed(0)
    gru = nn.GRU(5, 7, batch_first=True)
    stepwise = models.StepwiseGRU(gru)
    vectors, hidden = torch.randn(3, 11, 5), torch.randn(1, 3, 7)
    for start in (None, hidden):
        for ours, theirs in zip(stepwise(vectors, start), gru(vectors, start), strict=True):
            torch.testing.assert_close(ours, theirs)
    fused, other = time_steps_jobs.network_of("fused", 8), time_steps_jobs.network_of("stepwise", 8)
    assert models.fused_gap(fused, other, 5) <= 1e-5
    with torch.no_grad():
        other.encoder.forward_gru.cell.bias_hh[0] += 0.1
    assert models.fused_gap(fused, other, 5) > 1e-4


def test_growth_of_time_is_the_power_and_ignores_a_round_that_was_disturbed():
    rounds = [[3.0 * n**0.8 for n in page.LENGTHS] for _ in range(9)]
    rounds[4] = [1000.0 * time for time in rounds[4]]
    rounds[4][0] = 1e6
    found = page.growth_of_time(rounds, page.LENGTHS)
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8)
    beyond = [[n**0.8 if n <= page.LONGEST_JUDGED else 1e9 for n in page.LENGTHS]] * 3
    assert page.growth_of_time(beyond, page.LENGTHS).value == pytest.approx(0.8)


def test_writing_reads_everything_again_only_if_nothing_is_kept():
    network = time_steps_jobs.network_of("transformer", 8).eval()
    _, memory = models.encode_random(network, 4, 2)
    lengths = []
    decode = network.decode
    network.decode = lambda tgt, *rest: lengths.append(tgt.size(1)) or decode(tgt, *rest)
    models.write_tokens(network, memory, 3, keep_state=True)
    models.write_tokens(network, memory, 3, keep_state=False)
    assert lengths == [1, 1, 1, 1, 2, 3]


def test_times_of_another_machine_are_no_answer_for_this_one(monkeypatch):
    here = page.jobs("quick")
    monkeypatch.setattr(page, "processor", lambda: "another")
    there = page.jobs("quick")
    differing = {one.function for one, other in zip(here, there, strict=True) if one.key() != other.key()}
    assert differing == {"pipeline.claims.time_steps_jobs:time_run"}


def test_runs_give_what_the_page_reads(monkeypatch):
    monkeypatch.setattr(time_steps_jobs, "LENGTHS", (8, 16))
    monkeypatch.setattr(time_steps_jobs, "WRITTEN", (2, 4))
    small = {job.function: shrunk(job, d_model=8, rounds=2, steps=2, pairs=3) for job in page.jobs("quick")}
    found = {name.rpartition(":")[2]: ran(job) for name, job in small.items() if "exact" not in name}
    assert all(np.shape(found["time_run"]["encode"][model]) == (2, 2) for model in page.ENCODING)
    assert all(np.min(found["time_run"]["write"][model]) > 0 for model in page.WRITING)
    assert len(found["order_run"]["exact"]) == 3
