"""The evaluation of word alignments: models beside baselines, overall and per phenomenon."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.alignment import Sharpness, best_single_links, count_links, diagonal_links, expected_by_chance
from pipeline.data.corpus import SentencePair
from pipeline.evaluation.ibm1 import Ibm1, num_words
from pipeline.evaluation.maps import (
    Aligned,
    Counts,
    MapChoice,
    align,
    attention_words,
    error_rate_score,
    error_rates,
    saliency_words,
    total,
)
from pipeline.evaluation.scores import Run
from pipeline.statistics import Estimate, SumScore, as_shown, estimate
from pipeline.translator import Translator

# A gradient per target token costs as much as training on it, so saliency is scored on the first pairs only.
SALIENCY_PAIRS = 120


def align_models(
    models: dict[str, list[Run]],
    train: Sequence[SentencePair],
    val: Sequence[SentencePair],
    test: Sequence[SentencePair],
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Scores the attention of all models against the gold links of `test`.

    Args:
        train: Pairs that a classical aligner learns from, without their links; where there are none, it is left out.
        val: Pairs with links on which each run's layer, head and reading are chosen; may be `test` itself, or empty:
            then the mean of all layers and heads is read where each word is predicted.

    Returns:
        `baselines`: `diagonal`, `chance` (a source word drawn evenly), `one link per word` (the best that one link per
        target word can be), `IBM 1, diagonal prior` (`ibm1.Ibm1`), and each model `untrained`, chosen on validation
        likewise. `models`: for each, `attention`, null where one vector is handed over, and `saliency` (of `num_pairs`
        pairs); both are null where no pair can be read. Each of all these has `error_rate` as `statistics.Estimate`,
        `precision`, null where nothing was proposed, `recall`, null where no link is sure, and `per_phenomenon`: the
        estimate, its values null where no pair with the phenomenon can be read and its ends null where it stands in
        fewer than `statistics.ENOUGH_SENTENCES`, and `n`, its target words. `attention` also has `chosen`, the map and
        reading of each seed, `on_validation`, the error rate there of every map and reading (first seed), and
        `entropy`, `on_end`, `coverage` (`alignment.Sharpness`).
    """
    words_of = _target_words(test)
    counts = {
        "diagonal": [count_links(diagonal_links(*num_words(pair)), pair.links) for pair in test],
        "chance": [expected_by_chance(*num_words(pair), pair.links) for pair in test],
        "one link per word": [
            count_links(best_single_links(num_words(pair)[1], pair.links), pair.links) for pair in test
        ],
    }
    if train:
        progress("IBM Model 1: alignment")
        learned = Ibm1(train)
        counts["IBM 1, diagonal prior"] = [count_links(learned.links(pair), pair.links) for pair in test]
    baselines = {name: _summary([of_pairs], words_of) for name, of_pairs in counts.items()}
    found: dict[str, Any] = {}
    for name, runs in models.items():
        progress(f"{name}: alignment")
        attention = _attention([run.translator for run in runs], val, test, words_of)
        salient = [align(saliency_words(run.translator, test[:SALIENCY_PAIRS]), test[:SALIENCY_PAIRS]) for run in runs]
        found[name] = {"attention": attention, "saliency": _saliency(salient, _target_words(test[:SALIENCY_PAIRS]))}
        if attention is not None:
            untrained = [run.translator.untrained(run.seed) for run in runs]
            baselines[f"{name}, untrained"] = _attention(untrained, val, test, words_of)
    return {"baselines": baselines, "models": found}


def _saliency(salient: list[Aligned], words_of: dict[str, int]) -> dict[str, Any] | None:
    if not salient[0].counts:
        return None
    return _summary([next(iter(a.counts.values())) for a in salient], words_of) | {"num_pairs": salient[0].num_pairs}


def _attention(
    translators: list[Translator], val: Sequence[SentencePair], test: Sequence[SentencePair], words_of: dict[str, int]
) -> dict[str, Any] | None:
    on_val = [align(attention_words(translator, val), val) for translator in translators] if val else None
    on_test = [align(attention_words(translator, test), test) for translator in translators]
    if not on_test[0].counts:
        return None
    can_choose = on_val and on_val[0].counts
    choices = [_choose(aligned) for aligned in on_val] if can_choose else [_first(a) for a in on_test]
    shapes = [aligned.sharpness[choice] for aligned, choice in zip(on_test, choices, strict=True)]
    rates = error_rates(on_val[0]) if on_val else {}
    return {
        **_summary([a.counts[choice] for a, choice in zip(on_test, choices, strict=True)], words_of),
        "num_pairs": on_test[0].num_pairs,
        "chosen": [choice._asdict() for choice in choices],
        "on_validation": [{**choice._asdict(), "error_rate": rate} for choice, rate in rates.items()],
        **dict(zip(shapes[0]._fields, np.mean(shapes, axis=0).tolist(), strict=True)),
    }


def _choose(aligned: Aligned) -> MapChoice:
    return next(iter(error_rates(aligned)))


def _first(aligned: Aligned) -> MapChoice:
    """The mean of everything, read where each word is predicted: what is read when nothing can be chosen."""
    return next(iter(aligned.counts))


def shapes_of_models(models: dict[str, list[Run]], test: Sequence[SentencePair]) -> dict[str, list[Sharpness | None]]:
    """How the mean attention of each run looks, where no gold links are known; None where there is nothing to read."""
    shapes: dict[str, list[Sharpness | None]] = {}
    for name, runs in models.items():
        of_runs = [align(attention_words(run.translator, test), test) for run in runs]
        shapes[name] = [aligned.sharpness[_first(aligned)] if aligned.counts else None for aligned in of_runs]
    return shapes


def mean_shape(of_runs: Sequence[Sharpness | None]) -> dict[str, Any] | None:
    """The means over the runs of a model, and each run's own in `per_seed`, for the JSON."""
    read = [shape for shape in of_runs if shape is not None]
    if not read:
        return None
    mean = Sharpness(*np.mean(read, axis=0).tolist())
    return {**mean._asdict(), "per_seed": [shape and shape._asdict() for shape in of_runs]}


def _summary(runs: list[Counts], words_of: dict[str, int]) -> dict[str, Any]:
    totals = [total(counts) for counts in runs]
    return {
        "error_rate": _estimate([error_rate_score(counts) for counts in runs]),
        "precision": _mean([t.precision for t in totals]),
        "recall": _mean([t.recall for t in totals]),
        "per_phenomenon": {
            phenomenon: _estimate([error_rate_score(counts, phenomenon) for counts in runs]) | {"n": n}
            for phenomenon, n in words_of.items()
        },
    }


def _estimate(runs: list[SumScore]) -> dict[str, Any]:
    if not all(np.isfinite(run.value) for run in runs):
        return dict.fromkeys(Estimate._fields)
    with_such_words = int(runs[0].sums.any(axis=1).sum())  # of a rare phenomenon there may be a handful
    return as_shown(estimate(runs), with_such_words)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _target_words(pairs: Sequence[SentencePair]) -> dict[str, int]:
    """Target words of each phenomenon, most frequent first."""
    words: dict[str, int] = {}
    for pair in pairs:
        phenomenon_of = {link.tgt: link.phenomenon for link in pair.links}
        for position in range(len(pair.tgt.split())):
            phenomenon = phenomenon_of.get(position, "unaligned")
            words[phenomenon] = words.get(phenomenon, 0) + 1
    return dict(sorted(words.items(), key=lambda item: -item[1]))
