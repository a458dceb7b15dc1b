import numpy as np
import pytest
from scipy import stats

from pipeline import scoring
from pipeline.data.corpus import SentencePair
from pipeline.evaluation.scores import (
    Band,
    Run,
    ScoredRun,
    bands_of,
    compare_models,
    concatenated,
    score_models,
    score_pairs,
)
from pipeline.evaluation.sentences import Sentences
from pipeline.metrics import SentenceScore
from pipeline.scoring import Search


def little(pairs, *, is_synthetic: bool = True, longest_trained: int | None = 12) -> Sentences:
    return Sentences("little", "test", pairs, (), (), is_synthetic, longest_trained, None)


@pytest.mark.parametrize("batch_tokens", [8192, 20])
def test_scores_come_in_the_order_of_the_sentences_and_do_not_depend_on_it(
    translators, pairs, monkeypatch, batch_tokens
):
    """In one batch and in several."""
    monkeypatch.setattr(scoring, "_BATCH_TOKENS", batch_tokens)
    search = Search(beam=2)
    for translator in translators.values():
        forward = score_pairs(translator, pairs, search)
        backward = score_pairs(translator, pairs[::-1], search)[::-1]
        assert [score.index for score in forward] == list(range(len(pairs)))
        for one, other in zip(forward, backward, strict=True):
            assert one.hypothesis == other.hypothesis
            assert one.nats == pytest.approx(other.nats, rel=1e-4)


def test_every_model_and_every_two_are_scored_with_intervals(translators, pairs):
    pairs = pairs * 3  # enough for intervals
    models = {name: [Run(translator, 1)] for name, translator in translators.items()}
    models["gru"] = [Run(translators["gru"], 1), Run(translators["gru"].untrained(2), 2)]
    content = compare_models(score_models(models, pairs, Search(beam=1)), little(pairs))
    assert list(content["models"]) == ["gru", "gru_attention", "transformer"]
    assert content["models"]["gru"]["seeds"] == [1, 2]
    nats = content["models"]["gru"]["nats_per_token"]
    assert nats["value"] == pytest.approx(sum(nats["per_seed"]) / 2)
    assert nats["sd"] > 0
    assert content["models"]["gru"]["perplexity"] == pytest.approx(np.exp(nats["value"]))
    assert nats["low"] <= nats["value"] <= nats["high"]
    assert [(d["ours"], d["theirs"]) for d in content["differences"]] == [
        ("gru_attention", "gru"),
        ("transformer", "gru"),
        ("transformer", "gru_attention"),
    ]
    assert sum(band["n"] for band in content["by_length"]) == len(pairs)


def test_a_handful_of_sentences_has_values_without_intervals(translators, pairs):
    enough = (pairs * 3)[:20]
    models = {name: [Run(translators[name], 1)] for name in ("gru", "transformer")}
    scored = score_models(models, enough, Search(beam=1))
    few = {name: [run._replace(scores=run.scores[:19]) for run in runs] for name, runs in scored.items()}
    content = compare_models(few, little(enough[:19]))
    (difference,) = content["differences"]
    band = next(band for band in content["by_length"] if band["n"])
    for found in (content["models"]["gru"]["bleu"], difference["bleu"], band["models"]["gru"]["bleu"]):
        assert found["value"] is not None
        assert found["low"] is found["high"] is None
    assert difference["bleu"]["p_value"] is None
    (difference,) = compare_models(scored, little(enough))["differences"]
    assert difference["nats_per_token"]["low"] <= difference["nats_per_token"]["value"]
    assert difference["nats_per_token"]["p_value"] is not None


def test_a_single_seed_beside_several_is_compared_by_how_far_these_are_apart():
    def runs_of(*nats):
        return [ScoredRun(seed, [SentenceScore(i, n, 1, 1, "der") for i in range(20)]) for seed, n in enumerate(nats)]

    sentences = little([SentencePair("the", "der")] * 20)
    (difference,) = compare_models({"gru": runs_of(0), "transformer": runs_of(1, 2, 4)}, sentences)["differences"]
    expected = stats.ttest_ind((1, 2, 4), (0,)).pvalue
    assert difference["nats_per_token"]["p_value"] == pytest.approx(expected)


def test_models_with_other_tokens_are_not_compared_per_token(translators, pairs):
    scored = score_models({name: [Run(translators[name], 1)] for name in ("gru", "transformer")}, pairs, Search(beam=1))
    (gru,) = scored["gru"]
    finer = gru._replace(seed=2, scores=[score._replace(tokens=score.tokens + 1) for score in gru.scores])
    (difference,) = compare_models(scored | {"gru": [finer]}, little(pairs))["differences"]
    assert difference["nats_per_token"] is difference["token_accuracy"] is None
    assert difference["bleu"] is not None


def test_an_empty_band_is_there_and_has_no_scores(translators, pairs):
    long = SentencePair(" ".join(["the"] * 35), "der")
    sentences = little([pairs[0], long], is_synthetic=False, longest_trained=None)
    models = {"gru": [Run(translators["gru"], 1)]}
    bands = compare_models(score_models(models, sentences.test, Search(beam=1)), sentences)["by_length"]
    empty = next(band for band in bands if band["low"] == 21)
    assert empty["n"] == 0
    assert empty["models"]["gru"]["bleu"] is None
    assert bands[-1]["n"] == 1


@pytest.mark.parametrize(
    ("longest", "trained", "expected"),
    [
        (8, None, [Band(1, 10, False)]),
        (15, 20, [Band(1, 10, False), Band(11, 20, False)]),
        (18, 13, [Band(1, 10, False), Band(11, 13, False), Band(14, 20, True)]),
        (12, 13, [Band(1, 10, False), Band(11, 13, False)]),
        (25, 20, [Band(1, 10, False), Band(11, 20, False), Band(21, 30, True)]),
    ],
)
def test_lengths_within_and_beyond_training_are_never_mixed(longest, trained, expected):
    assert bands_of(longest, trained) == expected


def test_very_long_sentences_have_an_open_band():
    bands = bands_of(200, 60)
    assert bands[-1] == Band(61, None, True)
    assert not any(band.is_beyond_training for band in bands[:-1])


def test_neighbours_are_joined_and_the_rest_is_dropped():
    pairs = [SentencePair(f"s{i}", f"t{i}") for i in range(7)]
    assert concatenated(pairs, 3) == [SentencePair("s0 s1 s2", "t0 t1 t2"), SentencePair("s3 s4 s5", "t3 t4 t5")]


def test_differences_are_ours_minus_theirs_and_each_seed_has_its_scores(translators, pairs):
    models = {"gru": [Run(translators["gru"], 1), Run(translators["gru"].untrained(2), 2)]}
    models["transformer"] = [Run(translators["transformer"], 1)]
    content = compare_models(score_models(models, pairs, Search(beam=1)), little(pairs))
    (difference,) = content["differences"]
    values = content["models"]
    for measure in ("nats_per_token", "chrf"):
        expected = values[difference["ours"]][measure]["value"] - values[difference["theirs"]][measure]["value"]
        assert difference[measure]["value"] == pytest.approx(expected)
        assert expected != 0
        assert np.mean(values["gru"][measure]["per_seed"]) == pytest.approx(values["gru"][measure]["value"])
        assert len(set(values["gru"][measure]["per_seed"])) == 2
