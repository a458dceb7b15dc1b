"""How sure a number is: the bootstrap over sentences, and Student's t over seeds, for every score that is a function of
sums.

BLEU, chrF2, nats per token, exact match and the alignment error rate all are: counts of each sentence, added up, then
one formula. So one resampling serves them all (Koehn 2004), and two systems are compared on the same sentences, draw
by draw. Seeds are too few to be resampled: with three, such intervals would hold the true mean in 78 % of cases where
seeds are all that varies. What they vary by is added to what sentences vary by, and few of them lengthen the tails
(Welch 1947, Satterthwaite 1946).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

DRAWS = 1000
ENDS = ("value", "low", "high")  # of an estimate; of a point in a figure, and of the interval or band around it
ENOUGH_SENTENCES = 20  # for resampling: among a handful, differences are found far too often, and intervals too narrow
_SEED = 12345


class SumScore(NamedTuple):
    """A score of one run on a set of sentences.

    Attributes:
        sums: (n, k), what each sentence adds.
        formula: From sums over sentences, (k, …), to scores (…): of one set of sentences, or of many at once.
    """

    sums: np.ndarray
    formula: Callable[[np.ndarray], np.ndarray]

    @property
    def value(self) -> float:
        return float(self.formula(self.sums.sum(0)))


class Estimate(NamedTuple):
    """A score with its 95 % interval.

    Where every sentence has the same score (none of 200 is right), resampling cannot vary it: the interval has no
    width, which does not mean that the score is certain.

    Attributes:
        value: The score; with several seeds, their mean.
        low: The lower end.
        high: The upper end.
        num_sentences: How many sentences there are, or items of a probe, or points of each seed; 1 where each seed gave
            one number.
        num_seeds: How many runs; with one, the interval says nothing about other seeds.
        sd: Standard deviation over seeds (n − 1); None with one, and of what is no mean over seeds.
        df: Degrees of freedom where the interval is Student's; None where it is of resampling alone.
    """

    value: float
    low: float
    high: float
    num_sentences: int
    num_seeds: int
    sd: float | None
    df: float | None = None


class Difference(NamedTuple):
    """One system's score minus another's on the same sentences, with its 95 % interval.

    Attributes:
        p_value: Two-sided, of the hypothesis that there is no difference. Of one run each: how often the resampled
            difference is further from its mean than the real one from 0, (1 + k) / (1 + draws); sacreBLEU's counts one
            of the two sides, so that it is about half of this one. Of several: Student's.
        df: As in `Estimate`.
    """

    value: float
    low: float
    high: float
    p_value: float
    df: float | None = None


class Variance(NamedTuple):
    """Of a mean, and the degrees of freedom that it was estimated with."""

    value: float
    df: int


class Interval(NamedTuple):
    """95 %; `df` as in `Estimate`, `error` the standard error where that is a number."""

    low: float
    high: float
    df: float | None
    error: float | None


def estimate(runs: Sequence[SumScore], draws: int = DRAWS) -> Estimate | None:
    """The mean score of `runs`, one per seed, all on the same sentences; None where there are no runs or no sentences.

    Raises:
        ValueError: They have different numbers of sentences.
    """
    if not runs or not len(runs[0].sums):
        return None
    values = [run.value for run in runs]
    value = float(np.mean(values))
    found = interval(value, resampled(runs, draws), [variance_over_seeds(values)])
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Estimate(value, found.low, found.high, len(runs[0].sums), len(runs), sd, found.df)


def difference(
    ours: Sequence[SumScore], theirs: Sequence[SumScore], draws: int = DRAWS, *, both_have_seeds: bool = False
) -> Difference | None:
    """How much more `ours` score than `theirs`; each is one run per seed, all on the same sentences.

    `both_have_seeds`: a single run is one seed of many too, and no baseline. Beside several of the other system it is
    taken to vary by its seed as those do (Crawford and Howell 1998); beside two, the interval is still too narrow (it
    holds the true difference in 88 % of cases where it should in 95).

    Raises:
        ValueError: Runs have different numbers of sentences.
    """
    if not len(ours[0].sums):
        return None
    our_values, their_values = ([run.value for run in runs] for runs in (ours, theirs))
    value = float(np.mean(our_values) - np.mean(their_values))
    # The sentences are the same, draw by draw; the seeds of two systems are taken to be independent.
    deltas = resampled(ours, draws) - resampled(theirs, draws)
    over_seeds = [variance_over_seeds(values) for values in (our_values, their_values)]
    if both_have_seeds and 1 in (len(ours), len(theirs)):
        several = max(our_values, their_values, key=len)
        over_seeds = [_with_a_single_one(variance_over_seeds(several), len(several))]
    low, high, df, error = interval(value, deltas, over_seeds)
    if df is not None:
        p_value = float(2 * special.stdtr(df, -abs(value) / error))
    else:
        p_value = (1 + int((np.abs(deltas - deltas.mean()) >= abs(value)).sum())) / (1 + draws)
    return Difference(value, low, high, p_value, df)


def as_shown(found: Estimate | Difference, num_sentences: int) -> dict[str, Any]:
    """For JSON: its fields, without interval and p-value where fewer than `ENOUGH_SENTENCES` bear on it."""
    shown = found._asdict()
    if num_sentences >= ENOUGH_SENTENCES:
        return shown
    return {name: None if name in ("low", "high", "p_value") else value for name, value in shown.items()}


def variance_over_seeds(values: Sequence[float]) -> Variance:
    """Of the mean of one value per seed; 0 of one seed, which tells nothing of others."""
    df = len(values) - 1
    are_alike = max(values) == min(values)  # whose mean may be off by a rounding
    return Variance(0.0 if are_alike else float(np.var(values, ddof=1)) / len(values), df)


def _with_a_single_one(of_mean: Variance, num_seeds: int) -> Variance:
    """Of the difference of a mean over `num_seeds` and one more value that varies as those do: s² · (1 / n + 1)."""
    return Variance(of_mean.value * (1 + num_seeds), of_mean.df)


def interval(value: float, draws: np.ndarray, over_seeds: Sequence[Variance]) -> Interval:
    """The interval of `value`, of which `draws` are what it is on resampled sentences, and which varies over seeds by
    the sum of `over_seeds`.

    What varies over both together is in both, so that it is a little too wide rather than too narrow.
    """
    from_seeds = sum(variance.value for variance in over_seeds)
    if from_seeds == 0:
        low, high = np.nanpercentile(draws, [2.5, 97.5])
        return Interval(float(low), float(high), None, None)
    total = float(np.nanvar(draws)) + from_seeds
    df = total**2 / sum(variance.value**2 / variance.df for variance in over_seeds if variance.df)
    error = total**0.5
    reach = float(special.stdtrit(df, 0.975)) * error
    return Interval(value - reach, value + reach, df, error)


def resampled(runs: Sequence[SumScore], draws: int = DRAWS) -> np.ndarray:
    """(draws,) mean scores of `runs` on sentences that are resampled with replacement.

    Draw d has the same sentences in every call with as many sentences, which is what pairs two systems.

    Raises:
        ValueError: They have different numbers of sentences.
    """
    n = len(runs[0].sums)
    if any(len(run.sums) != n for run in runs):
        raise ValueError(f"runs must be scored on the same sentences, not on {[len(run.sums) for run in runs]}")
    weights = _resampled_sentences(n, draws)
    return np.mean([run.formula((weights @ run.sums).T) for run in runs], axis=0)


@functools.lru_cache(maxsize=8)
def _resampled_sentences(n: int, draws: int) -> np.ndarray:
    """(draws, n): how often each sentence is in each draw; the same in every call."""
    return np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), size=draws)
