"""Scores: nats per token, BLEU and chrF2 as the literature counts them, exact match, by length."""

import math
import re
from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np
import sacrebleu

from pipeline.data.corpus import BANDS_AND_BEYOND
from pipeline.statistics import SumScore

# force: no advice on tokenised text. B-tok is the literature's BLEU of tokenised, lower-cased corpora.
METRICS = {
    "bleu": sacrebleu.BLEU(force=True),
    "chrf": sacrebleu.CHRF(),
    "bleu_tok": sacrebleu.BLEU(tokenize="none", force=True),
}


class SentenceScore(NamedTuple):
    """What one sentence of a split gave, under teacher forcing and translated freely.

    Attributes:
        index: Position in its split.
        nats: −log p of the reference, summed over its tokens (teacher-forced).
        tokens: Reference tokens, EOS included.
        correct: Tokens for which the most probable token was the reference's (teacher-forced).
        hypothesis: The translation; None where none was made.
    """

    index: int
    nats: float
    tokens: int
    correct: int
    hypothesis: str | None


class TeacherForced(NamedTuple):
    """Scores under teacher forcing: nats per token, its exponential, and the share of tokens right."""

    nats_per_token: float
    perplexity: float
    token_accuracy: float


class Translated(NamedTuple):
    """Scores of free-running translation; the signatures are sacreBLEU's."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    exact_match: float


class BandScore(NamedTuple):
    """Scores of the sentences whose source has `low` to `high` words; None where there are none."""

    low: int
    high: int | None
    n: int
    nats_per_token: float | None
    token_accuracy: float | None
    exact_match: float | None
    bleu: float | None


def signatures(measures: Container[str]) -> dict[str, str]:
    """Of those of `measures` that are sacreBLEU's; ask after they have been computed."""
    return {name: str(metric.get_signature()) for name, metric in METRICS.items() if name in measures}


def teacher_forced(scores: Sequence[SentenceScore]) -> TeacherForced:
    """Over all tokens of all sentences: sums first, then the ratio."""
    tokens = sum(score.tokens for score in scores)
    nats = sum(score.nats for score in scores) / tokens
    return TeacherForced(nats, perplexity(nats), sum(score.correct for score in scores) / tokens)


def perplexity(nats_per_token: float) -> float:
    """e to the nats per token; infinite where a float cannot hold it."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf


def translated(hypotheses: Sequence[str], references: Sequence[str]) -> Translated:
    """BLEU (13a, cased) and chrF2 by sacreBLEU, and the share of hypotheses equal to their reference."""
    bleu, chrf = (corpus_score(name, hypotheses, references) for name in ("bleu", "chrf"))
    bleu_signature, chrf_signature = (str(METRICS[name].get_signature()) for name in ("bleu", "chrf"))
    return Translated(bleu, bleu_signature, chrf, chrf_signature, exact_match(hypotheses, references))


def corpus_score(name: str, hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """One of `METRICS`, by sacreBLEU."""
    return METRICS[name].corpus_score(list(hypotheses), [list(references)]).score


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The share of hypotheses equal to their reference."""
    equal = sum(hypothesis == reference for hypothesis, reference in zip(hypotheses, references, strict=True))
    return equal / len(references)


def by_length(scores: Sequence[SentenceScore], sources: Sequence[str], references: Sequence[str]) -> list[BandScore]:
    """Scores per band of source length in words; `sources` and `references` are the whole split."""
    bands = []
    for low, high in BANDS_AND_BEYOND:
        inside = [s for s in scores if low <= len(sources[s.index].split()) <= (high or math.inf)]
        if not inside:
            bands.append(BandScore(low, high, 0, None, None, None, None))
            continue
        forced = teacher_forced(inside)
        free = [s.hypothesis for s in inside], [references[s.index] for s in inside]
        nats, accuracy = forced.nats_per_token, forced.token_accuracy
        bands.append(BandScore(low, high, len(inside), nats, accuracy, exact_match(*free), corpus_score("bleu", *free)))
    return bands


def sum_scores(
    scores: Sequence[SentenceScore], references: Sequence[str], *, is_synthetic: bool
) -> dict[str, SumScore]:
    """Every measure of one run as sums over sentences, for intervals and differences.

    `nats_per_token` and `token_accuracy` are teacher-forced. The others are of the hypotheses: `bleu` (13a, cased),
    `chrf` (chrF2); `exact_match` of a synthetic corpus; `bleu_tok` (tokenize=none) of any other whose references are
    tokenised.

    Args:
        references: Of the same sentences, in the same order.
    """
    hypotheses = [score.hypothesis for score in scores]
    forced = np.array([[s.nats, s.correct, s.tokens] for s in scores], dtype=float).reshape(-1, 3)
    found = {
        "nats_per_token": SumScore(forced[:, [0, 2]], _ratio),
        "token_accuracy": SumScore(forced[:, [1, 2]], _ratio),
        "bleu": sacrebleu_score("bleu", hypotheses, references),
        "chrf": sacrebleu_score("chrf", hypotheses, references),
    }
    if not is_synthetic and is_tokenised(references):
        found["bleu_tok"] = sacrebleu_score("bleu_tok", hypotheses, references)
    if is_synthetic:
        equal = [[h == r, 1] for h, r in zip(hypotheses, references, strict=True)]
        found["exact_match"] = SumScore(np.array(equal, dtype=float).reshape(-1, 2), _ratio)
    return found


def _ratio(sums: np.ndarray) -> float:
    return sums[0] / sums[1]


def sacrebleu_score(name: str, hypotheses: Sequence[str], references: Sequence[str]) -> SumScore:
    """One of `METRICS` as sacreBLEU's counts of each sentence and its own formula: what its significance tests are made
    of, which take one run of each system only. That they give sacreBLEU's own score is tested."""
    found = METRICS[name]._extract_corpus_statistics(list(hypotheses), [list(references)]) if hypotheses else []
    return score_of_counts(name, found)


def score_of_counts(name: str, counts: Sequence[Sequence[float]]) -> SumScore:
    """One of `METRICS` from counts of sentences that `sacrebleu_score` has made: its `sums`."""
    if name != "chrf":
        return SumScore(np.array(counts, dtype=float), _bleu)
    formula = lambda sums: METRICS[name]._compute_score_from_stats(list(sums)).score  # noqa: E731
    return SumScore(np.array(counts, dtype=float), lambda sums: np.apply_along_axis(formula, 0, sums))


def _bleu(sums: np.ndarray) -> np.ndarray:
    """sacreBLEU's formula, with its smoothing "exp", for many sums at once; that it is the same is tested.

    Args:
        sums: (10, …): length of translation and reference, right n-grams of n = 1 to 4, all n-grams of n = 1 to 4.
    """
    ours, reference, right, total = sums[0], sums[1], sums[2:6], sums[6:10]
    halvings = np.cumsum(right == 0, axis=0)  # the first order without a right n-gram counts ½ of one, the next ¼, …
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = np.where(right == 0, 0.5**halvings, right) / total
        brevity = np.where(ours < reference, np.exp(1 - reference / ours), 1.0)
        scores = 100 * brevity * np.exp(np.log(precisions).mean(0))
    return np.where((right.sum(0) == 0) | (total == 0).any(0), 0.0, scores)


def is_tokenised(sentences: Sequence[str]) -> bool:
    """Whether punctuation stands apart from words ("schläft ."): in 99 of 100 sentences none ends a word."""
    attached = sum(re.search(r"\w[.,!?](\s|$)", sentence) is not None for sentence in sentences)
    return bool(sentences) and attached <= len(sentences) / 100
