import numpy as np
import pytest
from scipy import stats

from pipeline.claims.inference import (
    change_of,
    difference_of,
    holm,
    mean_over,
    over_seeds,
    p_value_of,
    ratio_score,
    resampled_statistic,
    slope,
    slope_of_scores,
)
from pipeline.statistics import Estimate


def test_a_mean_has_an_interval_over_seeds_and_items():
    found = mean_over([[0, 1] * 50, [1, 1] * 50])
    assert found.value == pytest.approx(0.75)
    assert found.low < 0.0  # of two seeds that are 0.5 apart little is known
    assert found.high > 1.5
    assert (found.num_sentences, found.num_seeds) == (100, 2)
    assert mean_over([]) is None


def test_a_paired_difference_is_sharper_than_its_parts():
    random = np.random.default_rng(0)
    hard = random.random(200)
    ours = [(hard < 0.6).astype(int).tolist()] * 2
    theirs = [(hard < 0.5).astype(int).tolist()] * 2
    found = difference_of(ours, theirs)
    assert found.value == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert found.low > 0.03
    assert difference_of(ours, []) is None


def test_what_a_seed_does_to_both_is_no_part_of_a_change():
    random = np.random.default_rng(5)
    seeds, items = random.normal(0, 1.0, size=(4, 1)), random.normal(0, 1.0, size=50)
    theirs = seeds + items
    ours = theirs + 0.5 + random.normal(0, 0.01, size=(4, 1))
    found = change_of(ours, theirs)
    assert (found.num_sentences, found.num_seeds) == (50, 4)
    as_paired = over_seeds((ours - theirs).mean(1))  # items are alike in both, so that seeds alone vary it
    assert (found.value, found.low, found.high) == pytest.approx((as_paired.value, as_paired.low, as_paired.high))
    apart = difference_of(ours, theirs)
    assert apart.value == pytest.approx(found.value)
    assert apart.high - apart.low > 20 * (found.high - found.low)
    assert change_of(ours, []) is None


def test_a_change_is_as_sure_as_it_says():
    """Of 200 changes that vary by seed and item, about 95 % of the intervals hold the true one."""
    random = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        theirs = random.normal(0, 1.0, size=(3, 1)) + random.normal(0, 1.0, size=40)
        of_seeds, of_items = random.normal(0, 0.3, size=(3, 1)), random.normal(0, 2.0, size=40)
        effect = 0.5 + of_seeds + of_items + random.normal(0, 1.0, size=(3, 40))
        found = change_of(theirs + effect, theirs)
        held += found.low <= 0.5 <= found.high
    assert 180 <= held <= 199


def test_the_interval_over_seeds_is_student_s():
    found = over_seeds([1.0, 2.0, 3.0])
    assert (found.value, found.sd) == (2.0, 1.0)
    assert found.high - found.value == pytest.approx(4.303 / 3**0.5, rel=1e-3)  # t(0.975, 2) = 4.303
    assert over_seeds([1.0]).low == -np.inf
    assert over_seeds([]) is None


def test_a_slope_of_points_on_a_line_is_exact_and_of_noise_uncertain():
    exact = slope([0, 1, 2, 3], [1, 3, 5, 7], num_seeds=2)
    assert (exact.value, exact.low, exact.high) == pytest.approx((2, 2, 2))
    assert (exact.num_sentences, exact.num_seeds, exact.df) == (2, 2, 2)
    noise = slope(range(20), np.random.default_rng(1).normal(size=20), num_seeds=1)
    assert noise.low < 0 < noise.high


def scores_of(rows):
    return [ratio_score(of_seed, np.ones(len(of_seed))) for of_seed in rows]


def test_a_slope_between_two_places_is_their_difference():
    random = np.random.default_rng(3)
    low, high = ([random.normal(mean, 1.0, size=100) for _ in range(seeds)] for mean, seeds in ((0.0, 3), (2.0, 5)))
    found = slope_of_scores([4, 6], [scores_of(low), scores_of(high)])
    as_difference = difference_of(high, low)
    for end in ("value", "low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(as_difference, end) / 2)
    assert (found.num_sentences, found.num_seeds, found.df) == (100, 3, pytest.approx(as_difference.df))


def test_a_slope_is_as_sure_as_it_says():
    """Of 200 slopes of noise, whose items and seeds vary, about 95 % hold the true one."""
    random = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        items = random.normal(0, 1.0, size=40)  # how hard each is: the same at every place and seed
        places = [
            [0.5 * x + items * x + random.normal(0, 0.5) + random.normal(0, 1.0, size=40) for _ in range(3)]
            for x in (0, 1, 2)
        ]
        found = slope_of_scores([0, 1, 2], [scores_of(of_x) for of_x in places])
        held += found.low <= 0.5 <= found.high
    assert 180 <= held <= 199


def test_any_statistic_can_be_resampled():
    random = np.random.default_rng(2)
    runs = [random.normal(3.0, 1.0, size=(200, 2)) for _ in range(3)]
    found = resampled_statistic(runs, lambda items: float(items.mean()))
    assert found.low < 3.0 < found.high
    assert found.high - found.low < 0.5
    as_mean = mean_over([run.mean(1) for run in runs])
    assert (found.value, found.low, found.high) == pytest.approx((as_mean.value, as_mean.low, as_mean.high), abs=0.01)
    assert found.df == pytest.approx(as_mean.df, rel=0.2)
    assert resampled_statistic([], np.mean) is None
    alone = resampled_statistic(runs[:1], lambda items: float(items.mean()))
    assert (alone.num_seeds, alone.df) == (1, None)  # of one seed: over items alone
    assert alone.high - alone.low == pytest.approx(2 * 1.96 / 400**0.5, rel=0.15)


def test_holm_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_p_value_of_few_seeds_is_student_s():
    values = [1.0, 2.0, 4.0]
    for threshold in (0.0, 2.0, 30.0):
        assert p_value_of(over_seeds(values), threshold) == pytest.approx(stats.ttest_1samp(values, threshold).pvalue)
    x, y = range(6), [0.0, 1.1, 1.9, 3.2, 3.9, 5.3]
    assert p_value_of(slope(x, y, num_seeds=1), 0.0) == pytest.approx(stats.linregress(x, y).pvalue)


def test_a_baseline_is_no_seed():
    ours = [[1.0, 2.0, 3.0], [1.5, 2.0, 3.5], [1.0, 2.5, 3.0]]
    assert difference_of(ours, [[0.0, 1.0, 0.5]]).num_seeds == 3
    assert difference_of(ours[:2], ours).num_seeds == 2


def test_a_p_value_is_that_of_a_normal_error():
    at_the_edge = Estimate(2.0, 1.0, 3.0, 100, 1, None)  # 95 % interval: 1 is reached with p = 0.05
    assert p_value_of(at_the_edge, 1.0) == pytest.approx(0.05)
    assert p_value_of(at_the_edge, 2.0) == 1.0
    assert np.isnan(p_value_of(Estimate(2.0, 2.0, 2.0, 100, 1, None), 1.0))
    assert p_value_of(Estimate(2.0, -np.inf, np.inf, 1, 1, None), 1.0) == 1.0
