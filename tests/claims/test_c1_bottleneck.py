"""C1 with made-up results on every side of its criterion, and one real run."""

import numpy as np
import pytest
import torch

from pipeline.claims import bottleneck_jobs
from pipeline.claims import c1_bottleneck as page
from pipeline.data.probes import copying
from tests.claims.synthetic import Oracle, answer_without, ran, shrunk, verdict_of


def answer(reach_last, reach_all, early=0.0, middle=0.0, uniform=60, pairs=40):
    """Runs that copy exactly up to `reach(size)` symbols, or `uniform`; `early` is how much better the last position is
    than the first, `middle` how much worse those in the middle are than between these."""

    def of(name, options):
        reach = (reach_all if options["memory"] == "all" else reach_last)(options["d_model"])
        if options["memory"] == "uniform":
            reach = uniform
        rng = np.random.default_rng(options["seed"])
        exact = {str(n): [int(n <= reach + rng.normal(0, 0.5)) for _ in range(pairs)] for n in page.LENGTHS}
        places = np.linspace(-0.5, 0.5, page.POSITIONS_AT)
        share = 0.5 + early * places - middle * (np.abs(places) < 0.2)
        by_position = (np.arange(pairs)[:, None] < pairs * share).astype(int)
        return {
            "exact": exact,
            "by_position": by_position.tolist(),
            "nats_per_token": {str(length): [1.0] * len(exact[str(length)]) for length in page.LENGTHS},
        }

    return of


def grows(size):
    return 3 * np.log2(size) - 5


def everything(size):
    return 60


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(grows, everything, early=0.6), "holds"),
        (answer(grows, everything, early=-0.6), "holds in part"),
        (answer(grows, everything, early=0.1, middle=0.4), "holds in part"),  # worst in the middle
        (answer(grows, everything, early=0.6, uniform=5), "holds in part"),  # all states are not enough
        (answer(everything, everything, early=0.6), "fails"),
        (answer(lambda size: 12, everything, early=0.6), "undecided"),
        (lambda name, options: None, "undecided"),
        (answer_without("memory", "mean", answer(grows, everything, early=0.6)), "undecided"),
        (answer_without("d_model", 16, answer(grows, everything, early=0.6)), "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def test_half_is_crossed_between_two_lengths():
    up_to_10 = [1.0 if length <= 10 else 0.0 for length in page.TRAINED]
    always, never = [1.0] * len(page.TRAINED), [0.0] * len(page.TRAINED)
    at_15 = [1.0 if length < 15 else 0.5 if length == 15 else 0.25 for length in page.TRAINED]  # then 20
    shares = np.array([up_to_10, always, never, at_15]).T
    assert page.n50(shares) == pytest.approx([12.5, page.LONGEST_TRAINED, 1.0, 15.0])
    assert page.n50(shares[:, 0]) == pytest.approx(12.5)


def test_reach_is_that_of_the_pairs_that_are_right():
    right = {length: [int(length <= longest) for longest in (4, 10, 10, 30)] for length in page.LENGTHS}
    found = page.reach_of({"exact": {str(length): rows for length, rows in right.items()}})
    assert found.value == pytest.approx(12.5)  # 3 of 4 at 10 symbols, 1 of 4 at 15
    assert len(found.sums) == 4


def test_a_run_gives_what_the_page_reads():
    result = ran(shrunk(page.jobs("quick")[0], steps=2, pairs=3, d_model=8))
    for what in ("exact", "nats_per_token"):
        assert {length: len(of_pairs) for length, of_pairs in result[what].items()} == dict.fromkeys(
            map(str, page.LENGTHS), 3
        )
    assert np.shape(result["by_position"]) == (3, page.POSITIONS_AT)


@pytest.mark.parametrize("order", ["copy", "reverse"])
def test_accuracy_is_by_the_position_in_the_source(monkeypatch, order):
    class ForgetsTheFirst(Oracle):
        def __call__(self, src, src_mask, tgt_in):
            logits = super().__call__(src, src_mask, tgt_in)
            logits[:, 0 if order == "copy" else page.POSITIONS_AT - 1] *= -1
            return logits

    oracle = ForgetsTheFirst(copying.vocab_size(bottleneck_jobs.SYMBOLS))
    monkeypatch.setattr(bottleneck_jobs, "GRUSeq2Seq", lambda *_, **__: oracle)
    monkeypatch.setattr(bottleneck_jobs, "make_batch", oracle.make_batch)
    monkeypatch.setattr(bottleneck_jobs, "train", lambda *_: [])
    monkeypatch.setattr(bottleneck_jobs, "translate_exactly", lambda network, batch: batch.tgt_out == batch.tgt_out)
    monkeypatch.setattr(bottleneck_jobs, "forced_nats", lambda network, batch: torch.zeros(3, 1))
    found = page.copy_run(memory="all", d_model=8, order=order, steps=1, pairs=3, seed=1)
    assert found["by_position"] == [[0] + [1] * (page.POSITIONS_AT - 1)] * 3
