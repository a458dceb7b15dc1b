"""Intervals and p-values against textbook formulas and sacreBLEU's own tests."""

import numpy as np
import pytest
import sacrebleu
from sacrebleu.significance import PairedTest
from scipy import stats

from pipeline.metrics import SentenceScore, sum_scores
from pipeline.report import shown_p_value
from pipeline.statistics import SumScore, as_shown, difference, estimate, resampled, variance_over_seeds


def mean_of(values) -> SumScore:
    sums = np.column_stack([values, np.ones(len(values))]).astype(float)
    return SumScore(sums, lambda total: total[0] / total[1])


def noisy(size: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, size)


def test_the_interval_of_a_mean_is_that_of_the_textbook():
    values = noisy(400, seed=0)
    found = estimate([mean_of(values)], draws=10_000)
    error = 1.96 * values.std() / 20  # that of 90 % is 16 % smaller
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.06 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.06 * error)
    assert (found.num_sentences, found.num_seeds, found.sd) == (400, 1, None)


def test_of_no_runs_there_is_no_estimate():
    assert estimate([]) is None


def test_seeds_that_differ_widen_the_interval():
    values = noisy(400, seed=0)
    one = estimate([mean_of(values)])
    three = estimate([mean_of(values + shift) for shift in (-0.5, 0.0, 0.5)])
    assert three.value == pytest.approx(values.mean())
    assert three.sd == pytest.approx(0.5)
    assert estimate([mean_of(values + shift) for shift in (0.0, 1.0)]).sd == pytest.approx(np.sqrt(0.5))
    assert three.high - three.low > 2 * (one.high - one.low)


def test_seeds_that_agree_do_not():
    values = noisy(400, seed=0)
    one, three = estimate([mean_of(values)]), estimate([mean_of(values)] * 3)
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


def of_seeds(*values: float) -> list[SumScore]:
    """Runs whose sentences all have one score."""
    return [mean_of(np.full(10, value)) for value in values]


def test_seeds_that_are_alike_do_not_vary_by_a_rounding():
    assert np.var([0.1, 0.1, 0.1], ddof=1) > 0
    assert variance_over_seeds([0.1, 0.1, 0.1]) == (0.0, 2)


def test_where_only_seeds_vary_the_interval_is_student_s_and_the_p_value_welch_s():
    values, others = (1.0, 2.0, 4.0), (0.5, 0.0)
    found = estimate(of_seeds(*values))
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high, found.df) == pytest.approx((*expected, 2))
    found = difference(of_seeds(*values), of_seeds(*others))
    expected = stats.ttest_ind(values, others, equal_var=False)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.p_value, found.df) == pytest.approx((expected.pvalue, expected.df))


def test_a_single_seed_beside_several_is_compared_by_student_s_test():
    values, other = (1.0, 2.0, 4.0), (0.0,)
    expected = stats.ttest_ind(values, other)
    for ours, theirs, sign in ((values, other, 1), (other, values, -1)):
        found = difference(of_seeds(*ours), of_seeds(*theirs), both_have_seeds=True)
        assert (found.value, found.df) == pytest.approx((sign * 7 / 3, 2))
        ends = sorted(sign * end for end in (found.low, found.high))
        assert ends == pytest.approx(expected.confidence_interval())
        assert found.p_value == pytest.approx(expected.pvalue)


def test_a_baseline_has_no_seeds():
    found = difference(of_seeds(1.0, 2.0, 4.0), of_seeds(0.0))
    expected = stats.ttest_1samp((1.0, 2.0, 4.0), 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_two_single_seeds_are_compared_by_sentences_alone():
    one, other = ([mean_of(noisy(200, seed=seed))] for seed in (4, 5))
    assert difference(one, other, both_have_seeds=True) == difference(one, other)


# With one seed beside two, what is tolerated is an eighth: of two, seeds are often much alike by chance.
@pytest.mark.parametrize(
    ("num_ours", "num_theirs", "most"), [(1, 2, 0.15), (1, 3, 0.08), (5, 1, 0.08), (2, 2, 0.08), (3, 3, 0.08)]
)
def test_where_there_is_no_difference_one_is_seldom_found(num_ours, num_theirs, most):
    random = np.random.default_rng(2)
    found = 0
    for _ in range(400):
        sentences = random.normal(0, 1, 60)
        one, other = (
            [mean_of(sentences + random.normal(0, 0.3) + random.normal(0, 0.3, 60)) for _ in range(number)]
            for number in (num_ours, num_theirs)
        )
        difference_of_both = difference(one, other, draws=100, both_have_seeds=True)
        found += not difference_of_both.low <= 0 <= difference_of_both.high
    assert found / 400 < most


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize(("of_seed", "of_sentence", "of_both"), [(1, 0.1, 0.1), (0.05, 1, 0.1), (0.1, 1, 1)])
def test_intervals_hold_the_true_mean_in_95_percent_of_cases(num_seeds, of_seed, of_sentence, of_both):
    random = np.random.default_rng(1)
    within = []
    for _ in range(200):
        sentences = random.normal(0, of_sentence, 50)
        runs = [
            mean_of(random.normal(0, of_seed) + sentences + random.normal(0, of_both, 50)) for _ in range(num_seeds)
        ]
        found = estimate(runs, draws=100)
        within.append(found.low <= 0 <= found.high)
    assert 0.91 <= np.mean(within) <= 0.99


def test_pairing_sees_a_small_difference_that_single_intervals_hide():
    values = noisy(300, seed=1)
    ours, theirs = [mean_of(values + 0.1 + 0.1 * noisy(300, seed=2))], [mean_of(values)]
    found = difference(ours, theirs)
    assert estimate(ours).low < estimate(theirs).high
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.low > 0
    assert found.p_value < 0.01


def test_a_system_does_not_differ_from_itself():
    found = difference([mean_of(noisy(50, seed=3))], [mean_of(noisy(50, seed=3))])
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_a_handful_of_sentences_has_neither_interval_nor_p_value():
    one, other = ([mean_of(noisy(20, seed=seed))] for seed in (4, 5))
    found = difference(one, other)
    assert as_shown(found, 20) == found._asdict()
    nothing = {"low": None, "high": None, "p_value": None}
    assert as_shown(found, 19) == found._asdict() | nothing
    assert as_shown(estimate(one), 19) == estimate(one)._asdict() | {"low": None, "high": None}
    assert shown_p_value(None) == "p –"


def test_the_p_value_of_noise_is_not_small():
    found = difference([mean_of(noisy(200, seed=4))], [mean_of(noisy(200, seed=5))])
    assert found.p_value > 0.05


def test_no_sentences_give_no_estimate():
    assert estimate([mean_of([])]) is None
    assert difference([mean_of([])], [mean_of([])]) is None


def test_runs_on_different_sentences_are_refused():
    with pytest.raises(ValueError, match=r"the same sentences, not on \[3, 4\]"):
        resampled([mean_of([1, 2, 3]), mean_of([1, 2, 3, 4])])


def corrupted(references: list[str], share: float, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(w if random.random() > share else "x" for w in line.split()) for line in references]


def test_scores_intervals_and_p_values_of_bleu_and_chrf_are_sacrebleu_s():
    random = np.random.default_rng(6)
    words = [f"w{i}" for i in range(50)]
    references = [" ".join(random.choice(words, size=12)) for _ in range(150)]
    systems = {name: corrupted(references, share, seed) for name, share, seed in (("a", 0.2, 7), ("b", 0.22, 8))}
    ours = {
        name: sum_scores([SentenceScore(i, 1.0, 1, 1, h) for i, h in enumerate(lines)], references, is_synthetic=False)
        for name, lines in systems.items()
    }
    metrics = {"BLEU": sacrebleu.BLEU(force=True), "chrF2": sacrebleu.CHRF()}
    test = PairedTest(list(systems.items()), metrics, [references], test_type="bs", n_samples=2000)
    _, results = test()
    for key, measure in (("BLEU", "bleu"), ("chrF2", "chrf")):
        for name, result in zip(systems, results[key], strict=True):
            found = estimate([ours[name][measure]])
            assert found.value == pytest.approx(result.score)
            assert (found.high - found.low) / 2 == pytest.approx(result.ci, rel=0.15)
        # sacreBLEU counts how often the size of the difference grows, which is one side of the two that we count.
        b, a = [ours["b"][measure]], [ours["a"][measure]]
        sizes = np.abs(resampled(b) - resampled(a))
        found = difference(b, a)
        one_side = (sizes - sizes.mean() >= abs(found.value)).mean()
        assert one_side == pytest.approx(results[key][1].p_value, abs=0.04)
        assert found.p_value > one_side
