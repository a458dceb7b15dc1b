"""Statistics that several claims share: means and their differences over seeds and items, slopes, Holm's correction."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from pipeline.statistics import (
    DRAWS,
    ENDS,
    Estimate,
    SumScore,
    Variance,
    difference,
    estimate,
    interval,
    resampled,
    variance_over_seeds,
)

ITEM_DRAWS = 2000  # where the items of a probe task are resampled


def mean_over(runs: Sequence[Sequence[float]]) -> Estimate | None:
    """The mean of items, with its interval over seeds and items; `runs` has one list per seed, items in one order."""
    return estimate(_mean_scores(runs), ITEM_DRAWS)


def difference_of(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Estimate | None:
    """The mean of ours minus that of theirs, paired over items: both were measured on the same ones."""
    return difference_in(*map(_mean_scores, (ours, theirs)), ITEM_DRAWS)


def difference_in(ours: Sequence[SumScore], theirs: Sequence[SumScore], draws: int = DRAWS) -> Estimate | None:
    """Our score minus theirs on the same sentences; None where runs of either are missing.

    Seeds are taken to be independent, also those of two trainings that begin alike.
    """
    if not (ours and theirs):
        return None
    found = difference(ours, theirs, draws)
    seeds = [len(runs) for runs in (ours, theirs) if len(runs) > 1]  # of one run: a baseline, which has no seeds
    return Estimate(found.value, found.low, found.high, len(ours[0].sums), min(seeds, default=1), None, found.df)


def change_of(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Estimate | None:
    """As `difference_of`, of networks that are measured twice; see `change_in`."""
    return change_in(*map(_mean_scores, (ours, theirs)), ITEM_DRAWS)


def change_in(ours: Sequence[SumScore], theirs: Sequence[SumScore], draws: int = DRAWS) -> Estimate | None:
    """Our score minus theirs, network by network; None where either are missing.

    Each network was trained once and is measured twice, with something changed, so that what its seed does to both is
    no part of the difference.

    Args:
        ours: One score per network.
        theirs: Of the same networks in the same order, on the same sentences.
    """
    if not (ours and theirs):
        return None
    return estimate([minus(*of_seed) for of_seed in zip(ours, theirs, strict=True)], draws)


def minus(ours: SumScore, theirs: SumScore) -> SumScore:
    """The difference of two scores on the same sentences, as one score."""
    split = ours.sums.shape[1]
    return SumScore(
        np.column_stack([ours.sums, theirs.sums]),
        lambda total: ours.formula(total[:split]) - theirs.formula(total[split:]),
    )


def ratio_score(sums: Sequence[float], counts: Sequence[float]) -> SumScore:
    """The sum of `sums` over that of `counts`, both of each sentence: nats per token, for one."""
    return SumScore(np.column_stack([sums, counts]).astype(float), lambda total: total[0] / total[1])


def ends_of(found: Estimate) -> dict[str, float]:
    """An estimate and its interval, as figures need them."""
    return {"value": found.value, "low": found.low, "high": found.high}


def by_end(found: Iterable[Mapping[str, float]], factor: float = 1) -> list[list[float]]:
    """Of several that `ends_of` gave: their values, lower ends and upper ends, `factor` times."""
    found = list(found)
    return [[factor * ends[end] for ends in found] for end in ENDS]


def ends_over_seeds(runs: Sequence[Sequence[float]]) -> list[list[float]]:
    """Of one list per seed: at each place the mean, the least and the most, as the `ENDS` of a line with a band."""
    return [end(runs, axis=0).tolist() for end in (np.mean, np.min, np.max)]


def middles(length: float, parts: int) -> list[float]:
    """The middle of each of equal parts of `length`: where a mean over a part is drawn."""
    return [length * (part + 0.5) / parts for part in range(parts)]


def strongest(runs: Mapping[str, Sequence[SumScore]], *, lowest: bool) -> str:
    """The model with the best mean over seeds; where one is missing, that one: it could be."""
    missing = [model for model, of_model in runs.items() if not of_model]
    if missing:
        return missing[0]
    best = min if lowest else max
    return best(runs, key=lambda model: np.mean([run.value for run in runs[model]]))


def over_seeds(values: Sequence[float]) -> Estimate | None:
    """The mean of one number per seed, with Student's interval; with one seed it is infinite."""
    if not len(values):
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, -np.inf, np.inf, 1, 1, None)
    found = interval(mean, np.array([mean]), [variance_over_seeds(values)])
    return Estimate(mean, found.low, found.high, 1, len(values), float(np.std(values, ddof=1)), found.df)


def slope(x: Sequence[float], y: Sequence[float], num_seeds: int) -> Estimate:
    """The least-squares slope of y on x with its 95 % interval, for points that are independent of each other, as many
    of each of `num_seeds` seeds."""
    fit, df = stats.linregress(x, y), len(x) - 2
    reach = float(stats.t.ppf(0.975, df)) * fit.stderr
    low, high = float(fit.slope - reach), float(fit.slope + reach)
    return Estimate(float(fit.slope), low, high, len(x) // num_seeds, num_seeds, None, df)


def slope_of_scores(x: Sequence[float], scores: Sequence[Sequence[SumScore]]) -> Estimate:
    """The least-squares slope through the mean score at each x, all on the same items.

    Args:
        scores: At each x, one per seed; the seeds at two places have nothing to do with each other.
    """
    centred = np.asarray(x, dtype=float) - np.mean(x)
    weights = centred / (centred**2).sum()  # the slope is a sum of means, each so many times
    values = [[run.value for run in runs] for runs in scores]
    value = float(weights @ [np.mean(of_x) for of_x in values])
    draws = weights @ [resampled(runs, ITEM_DRAWS) for runs in scores]
    over_seeds = [variance_over_seeds(of_x) for of_x in values]
    scaled = [
        Variance(weight**2 * of_mean.value, of_mean.df) for weight, of_mean in zip(weights, over_seeds, strict=True)
    ]
    found = interval(value, draws, scaled)
    return Estimate(value, found.low, found.high, len(scores[0][0].sums), min(map(len, scores)), None, found.df)


def resampled_statistic(runs: Sequence[np.ndarray], statistic: Callable[[np.ndarray], float]) -> Estimate | None:
    """Any statistic of the runs' mean, resampling items; what it varies by over seeds is by the jackknife: how it
    changes where one of them is left out.

    Args:
        runs: One array per seed, all of one shape, (items, …).
        statistic: Of the mean over seeds, (items, …).
    """
    if not len(runs):
        return None
    stacked = np.stack(runs)  # (seeds, items, …)
    rng = np.random.default_rng(0)
    num_seeds, num_items = stacked.shape[:2]
    mean = stacked.mean(0)
    draws = np.array([statistic(mean[rng.integers(num_items, size=num_items)]) for _ in range(ITEM_DRAWS)])
    between_seeds = Variance(0.0, 0)
    if num_seeds > 1:
        without = [statistic(np.delete(stacked, seed, axis=0).mean(0)) for seed in range(num_seeds)]
        between_seeds = Variance((num_seeds - 1) * float(np.var(without)), num_seeds - 1)
    value = float(statistic(mean))
    found = interval(value, draws, [between_seeds])
    return Estimate(value, found.low, found.high, num_items, num_seeds, None, found.df)


def p_value_of(measured: Estimate, threshold: float) -> float:
    """Two-sided p-value of the hypothesis that the true value is `threshold`, by an error as wide as the interval:
    Student's where the interval is, which with few seeds has long tails, else a normal one. Of an interval without
    width (seeds and items agreed) nothing can be said: it is not a number."""
    error = stats.norm if measured.df is None else stats.t(measured.df)
    width = (measured.high - measured.low) / (2 * error.ppf(0.975))
    if width == 0:
        return float("nan")
    return float(2 * error.sf(abs(measured.value - threshold) / width))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for looking at several at once (Holm 1979), in the order given."""
    order = np.argsort(p_values)
    corrected = np.empty(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected.tolist()


def _mean_scores(runs: Sequence[Sequence[float]]) -> list[SumScore]:
    return [ratio_score(values, np.ones(len(values))) for values in runs]
