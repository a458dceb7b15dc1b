import math

import numpy as np
import pytest
import sacrebleu

from pipeline.metrics import (
    METRICS,
    SentenceScore,
    by_length,
    is_tokenised,
    perplexity,
    score_of_counts,
    sum_scores,
    teacher_forced,
    translated,
)


def score(index, nats=1.0, tokens=2, correct=1, hypothesis="ein Hund"):
    return SentenceScore(index, nats, tokens, correct, hypothesis)


def test_nats_per_token_is_a_ratio_of_sums_not_a_mean_of_ratios():
    forced = teacher_forced([score(0, nats=6.0, tokens=2, correct=0), score(1, nats=2.0, tokens=6, correct=6)])
    assert forced.nats_per_token == pytest.approx(1.0)  # the mean of ratios would be 5/3
    assert forced.perplexity == pytest.approx(math.e)
    assert forced.token_accuracy == pytest.approx(0.75)


def test_a_hopeless_model_has_infinite_perplexity_and_no_overflow():
    assert perplexity(10_000.0) == math.inf


def test_bleu_and_chrf_are_sacrebleu_s_own():
    hypotheses, references = ["der Hund schläft heute ."], ["der Hund schläft jetzt ."]
    free = translated(hypotheses, references)
    assert free.bleu == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score)
    assert free.chrf == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score)
    assert "tok:13a" in free.bleu_signature
    assert free.exact_match == 0


def test_a_known_pair_has_the_bleu_of_a_hand_computation():
    # 5 words, 4 matches; 2-grams 3 of 4, 3-grams 2 of 3, 4-grams 1 of 2; equal lengths, so no brevity penalty.
    free = translated(["a b c d x"], ["a b c d e"])
    assert free.bleu == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_exact_match_counts_whole_sentences():
    assert translated(["a b", "c"], ["a b", "d"]).exact_match == 0.5


def test_bands_are_by_source_words_and_an_empty_band_is_shown_as_empty():
    sources = ["w " * 3, "w " * 10, "w " * 11, "w " * 70]
    references = ["ein Hund"] * 4
    bands = by_length([score(i) for i in range(4)], sources, references)
    assert [band.n for band in bands] == [2, 1, 0, 0, 0, 0, 1]
    assert (bands[0].low, bands[0].high) == (1, 10)
    assert bands[0].exact_match == 1.0
    assert bands[2].nats_per_token is None
    assert (bands[-1].low, bands[-1].high) == (61, None)


def test_every_sum_score_gives_the_score_of_the_whole_corpus():
    hypotheses, references = ["der Hund schläft heute .", "a b"], ["der Hund schläft jetzt .", "a b"]
    scores = [score(i, nats=3.0, tokens=2, hypothesis=h) for i, h in enumerate(hypotheses)]
    found = sum_scores(scores, references, is_synthetic=False)
    assert found["nats_per_token"].value == pytest.approx(1.5)
    assert found["token_accuracy"].value == pytest.approx(0.5)
    assert found["bleu"].value == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references], force=True).score)
    assert found["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score)
    plain = sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none", force=True)
    assert found["bleu_tok"].value == pytest.approx(plain.score)
    assert "exact_match" not in found
    assert sum_scores(scores, references, is_synthetic=True)["exact_match"].value == 0.5


def test_many_bleus_at_once_are_those_of_sacrebleu():
    rng = np.random.default_rng(0)
    total = rng.integers(1, 40, size=(300, 4))
    total[:20, 3] = 0  # translations of three words
    right = rng.integers(0, 1 + total // rng.integers(1, 30, size=(300, 1)))  # often none of some order
    right[20:40] = 0
    lengths = rng.integers(1, 60, size=(300, 2))
    lengths[40, 0], total[40], right[40] = 0, 0, 0  # nothing at all
    counts = np.column_stack([lengths, right, total]).astype(float)
    expected = [METRICS["bleu"]._compute_score_from_stats(row.tolist()).score for row in counts]
    assert len({score > 0 for score in expected}) == 2
    np.testing.assert_allclose(score_of_counts("bleu", counts).formula(counts.T), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [(["ein Hund schläft ."], True), (["Ein Hund schläft."], False), (["ein Hund , der schläft"], True), ([], False)],
)
def test_tokenised_text_has_its_punctuation_apart(sentences, expected):
    assert is_tokenised(sentences) is expected


def test_a_band_has_the_scores_of_its_own_sentences():
    sources = ["w " * 3, "w " * 11, "w " * 12]
    references = ["a b c d e", "a b c d x", "f g h i j"]
    scores = [score(i, hypothesis=h) for i, h in enumerate(["a b c d e", "a b c d e", "f g h i j"])]
    short, long, *_ = by_length(scores, sources, references)
    assert (short.exact_match, long.exact_match) == (1.0, 0.5)
    assert long.bleu == pytest.approx(sacrebleu.corpus_bleu(["a b c d e", "f g h i j"], [references[1:]]).score)


def test_bleu_counts_the_case_of_letters():
    assert translated(["ein hund schläft hier"], ["ein Hund schläft hier"]).bleu < 50


@pytest.mark.parametrize(("attached", "expected"), [(1, True), (2, False)])
def test_one_attached_mark_in_a_hundred_sentences_is_no_rule(attached, expected):
    assert is_tokenised(["Ein Hund."] * attached + ["ein Hund ."] * (100 - attached)) is expected
