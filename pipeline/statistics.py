"""How sure a number is: the bootstrap over seeds and sentences, for every score that is a function of sums.

BLEU, chrF2, nats per token, exact match and the alignment error rate all are: counts of each sentence, added up, then
one formula. So one resampling serves them all (Koehn 2004), and two systems are compared on the same sentences, draw
by draw.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 1000
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
    width, which does not mean that the score is certain. Of two or three seeds it is too narrow: where seeds are all
    that varies, it holds the true mean in 54 and 78 % of cases.

    Attributes:
        value: The score; with several seeds, their mean.
        low: 2.5 % of the resampled scores are below.
        high: 2.5 % are above.
        num_sentences: How many sentences there are.
        num_seeds: How many runs; with one, the interval says nothing about other seeds.
        sd: Standard deviation over seeds (n − 1); None with one.
        df: Degrees of freedom where the interval is Student's; None where it is of resampling.
    """

    value: float
    low: float
    high: float
    num_sentences: int
    num_seeds: int
    sd: float | None
    df: int | None = None


class Difference(NamedTuple):
    """One system's score minus another's on the same sentences, with its 95 % interval.

    Attributes:
        p_value: Two-sided, of the hypothesis that there is no difference: how often the resampled difference is further
            from its mean than the real one from 0, (1 + k) / (1 + draws). sacreBLEU's counts one of the two sides, so
            that it is about half of this one.
    """

    value: float
    low: float
    high: float
    p_value: float


def estimate(runs: Sequence[SumScore], draws: int = DRAWS) -> Estimate | None:
    """The mean score of `runs`, one per seed, all on the same sentences; None where there are no sentences."""
    if not len(runs[0].sums):
        return None
    values = [run.value for run in runs]
    low, high = np.nanpercentile(resampled(runs, draws), [2.5, 97.5])
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Estimate(float(np.mean(values)), float(low), float(high), len(runs[0].sums), len(runs), sd)


def difference(ours: Sequence[SumScore], theirs: Sequence[SumScore], draws: int = DRAWS) -> Difference | None:
    """How much more `ours` score than `theirs`; each is one run per seed, all on the same sentences."""
    if not len(ours[0].sums):
        return None
    value = float(np.mean([run.value for run in ours]) - np.mean([run.value for run in theirs]))
    # The sentences are the same, draw by draw, but the seeds of two systems have nothing to do with each other.
    deltas = resampled(ours, draws) - resampled(theirs, draws, seeds_stream=1)
    low, high = np.percentile(deltas, [2.5, 97.5])
    further = int((np.abs(deltas - deltas.mean()) >= abs(value)).sum())
    return Difference(value, float(low), float(high), (1 + further) / (1 + draws))


def resampled(runs: Sequence[SumScore], draws: int = DRAWS, seeds_stream: int = 0) -> np.ndarray:
    """(draws,) mean scores of resampled runs on resampled sentences: both levels, with replacement.

    Draw d has the same sentences in every call with as many sentences, which is what pairs two systems.
    """
    n = len(runs[0].sums)
    if any(len(run.sums) != n for run in runs):
        raise ValueError(f"runs must be scored on the same sentences, not on {[len(run.sums) for run in runs]}")
    weights = _resampled_sentences(n, draws)
    scores = np.array([run.formula((weights @ run.sums).T) for run in runs])  # (runs, draws)
    seeds = np.random.default_rng([_SEED, 1 + seeds_stream]).integers(len(runs), size=(len(runs), draws))
    return np.take_along_axis(scores, seeds, axis=0).mean(0)


@functools.lru_cache(maxsize=8)
def _resampled_sentences(n: int, draws: int) -> np.ndarray:
    """(draws, n): how often each sentence is in each draw; the same in every call."""
    return np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), size=draws)
