import numpy as np
import pytest

from pipeline.alignment import AlignmentCounts, Link, Sharpness, sharpness
from pipeline.data.corpus import SentencePair
from pipeline.evaluation import alignments
from pipeline.evaluation.alignments import _summary, align_models, mean_shape, shapes_of_models
from pipeline.evaluation.ibm1 import Ibm1
from pipeline.evaluation.maps import (
    MapChoice,
    WordWeights,
    align,
    attention_words,
    error_rate_score,
    error_rates,
    saliency_words,
)
from pipeline.evaluation.scores import Run
from pipeline.statistics import estimate
from pipeline.translator import Translator


def test_every_layer_and_head_is_read_in_both_ways(translators, pairs):
    words = list(attention_words(translators["transformer"], pairs))
    assert sorted(word.index for word in words) == list(range(len(pairs)))
    names = list(dict.fromkeys(choice.name for choice in words[0].maps))
    assert names == [
        "mean of all layers and heads",
        "layer 1, mean of heads",
        "layer 1, head 1",
        "layer 1, head 2",
        "layer 2, mean of heads",
        "layer 2, head 1",
        "layer 2, head 2",
    ]
    for index, maps in words:
        for weights in maps.values():
            assert weights.shape == (len(pairs[index].tgt.split()), len(pairs[index].src.split()) + 1)
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_maps_are_those_that_the_translator_draws(translators, pairs):
    """Batched and cropped here, one sentence at a time there."""
    for name in ("gru_attention", "transformer"):
        for index, maps in attention_words(translators[name], pairs):
            drawn = translators[name].word_maps(pairs[index].src, pairs[index].tgt)
            mean = np.concatenate([m.weights for m in drawn if m.kind == "cross"]).mean(0)
            first = next(iter(maps.values()))
            np.testing.assert_allclose(first, mean[:-1], atol=1e-5)
    for cross in (m for m in drawn if m.kind == "cross"):  # of the Transformer, the last sentence: head by head
        for head, weights in enumerate(cross.weights, 1):
            name = f"{cross.name.removeprefix('cross-attention, ')}, head {head}"
            np.testing.assert_allclose(maps[MapChoice(name, "predicting")], weights[:-1], atol=1e-5)


def test_one_vector_has_nothing_to_align_but_its_saliency(translators, pairs):
    assert list(attention_words(translators["gru"], pairs)) == []
    (words, *_) = saliency_words(translators["gru"], pairs[:2])
    assert list(words.maps) == [MapChoice("saliency", "predicting")]


def test_a_sentence_whose_words_the_tokenizer_splits_otherwise_is_left_out(translators):
    odd = SentencePair("the dog\u2581sleeps .", "der Hund .")
    assert list(attention_words(translators["gru_attention"], [odd])) == []


def perfect(pairs):
    """Maps that follow the gold links where each word is predicted, and say nothing where it is the input.

    EOS has the largest weight of all; it is no word, so no link is read from it.
    """
    for index, pair in enumerate(pairs):
        weights = np.full((len(pair.tgt.split()), len(pair.src.split()) + 1), 0.001)
        weights[:, -1] = 9.0
        for link in pair.links:
            weights[link.tgt, link.src] = 1.0 + link.is_sure
        yield index, {MapChoice("a", "input"): weights[::-1], MapChoice("a", "predicting"): weights}


def test_gold_maps_have_only_the_error_of_one_link_per_word(pairs):
    aligned = align(perfect(pairs), pairs)
    rates = error_rates(aligned)
    assert next(iter(rates)) == MapChoice("a", "predicting")
    assert rates[MapChoice("a", "predicting")] < 0.05 < rates[MapChoice("a", "input")]


def test_models_stand_beside_baselines_and_untrained_models(translators, pairs):
    models = {name: [Run(translator, 1)] for name, translator in translators.items()}
    found = align_models(models, pairs, pairs[:4], pairs[4:])
    assert list(found["baselines"]) == [
        "diagonal",
        "chance",
        "one link per word",
        "IBM 1, diagonal prior",
        "gru_attention, untrained",
        "transformer, untrained",
    ]
    assert found["models"]["gru"]["attention"] is None
    attention = found["models"]["transformer"]["attention"]
    assert len(attention["on_validation"]) == 14
    best = min(attention["on_validation"], key=lambda choice: choice["error_rate"])
    assert attention["chosen"][0]["name"] == best["name"]
    assert found["baselines"]["one link per word"]["error_rate"]["value"] < 0.05
    words = sum(values["n"] for values in attention["per_phenomenon"].values())
    assert words == sum(len(pair.tgt.split()) for pair in pairs[4:])


def test_the_baselines_are_what_they_are_called(monkeypatch):
    pair = SentencePair("a b", "x y", (Link(0, 0, is_sure=False, phenomenon="w"), Link(0, 1, True, "w")))
    trained_on = []
    monkeypatch.setattr(alignments, "Ibm1", lambda train: trained_on.append(train) or Ibm1(train))
    baselines = align_models({}, [pair._replace(src="c")], (), [pair])["baselines"]
    found = {name: (of["error_rate"]["value"], of["precision"], of["recall"]) for name, of in baselines.items()}
    assert found["diagonal"] == (pytest.approx(2 / 3), 0.5, 0)
    assert found["chance"] == (0.5, 0.5, 0.5)
    assert found["one link per word"] == (0, 1, 1)
    assert trained_on == [[pair._replace(src="c")]]


def test_without_validation_links_the_mean_is_read(translators, pairs):
    found = align_models({"transformer": [Run(translators["transformer"], 1)]}, (), (), pairs)
    attention = found["models"]["transformer"]["attention"]
    assert attention["chosen"] == [{"name": "mean of all layers and heads", "reading": "predicting"}]
    assert attention["on_validation"] == []


def test_without_links_maps_still_have_a_shape(translators, pairs):
    plain = [pair._replace(links=()) for pair in pairs]
    shapes = shapes_of_models({name: [Run(t, 1)] for name, t in translators.items()}, plain)
    assert shapes["gru"] == [None]
    _, maps = next(attention_words(translators["gru_attention"], plain[:1]))
    (alone,) = shapes_of_models({"gru_attention": [Run(translators["gru_attention"], 1)]}, plain[:1])["gru_attention"]
    assert alone.entropy == pytest.approx(sharpness(next(iter(maps.values()))).entropy)


def test_the_shape_of_a_model_is_the_mean_of_its_runs_and_keeps_theirs():
    one, other = Sharpness(1.0, 0.5, 0.25), Sharpness(3.0, 0.0, 0.75)
    assert mean_shape([one, other]) == {
        **Sharpness(2.0, 0.25, 0.5)._asdict(),
        "per_seed": [one._asdict(), other._asdict()],
    }
    assert mean_shape([None]) is None


def test_each_run_is_read_as_it_was_chosen_on_validation(translators, pairs, monkeypatch):
    """On validation one map of each run follows the links; on the test set it is the other one."""
    val, test = pairs[:4], pairs[4:]
    one, other = translators["transformer"], translators["transformer"].untrained(2)

    def words(translator, of):
        for index, pair in enumerate(of):
            right = np.full((len(pair.tgt.split()), len(pair.src.split()) + 1), 0.001)
            for link in pair.links:
                right[link.tgt, link.src] = 1.0 + link.is_sure
            good = "a" if (translator is one) == (of is val) else "b"
            yield WordWeights(index, {MapChoice(n, "input"): right if n == good else right[::-1] for n in "ab"})

    monkeypatch.setattr(alignments, "attention_words", words)
    models = {"transformer": [Run(one, 1), Run(other, 2)]}
    attention = align_models(models, (), val, test)["models"]["transformer"]["attention"]
    assert [choice["name"] for choice in attention["chosen"]] == ["a", "b"]
    alone = [align_models({"transformer": [run]}, (), val, test) for run in models["transformer"]]
    rates = [found["models"]["transformer"]["attention"]["error_rate"]["value"] for found in alone]
    assert min(rates) > 0.05
    assert attention["error_rate"]["value"] == pytest.approx(np.mean(rates))


def test_the_untrained_baseline_is_untrained(translators, pairs, monkeypatch):
    untrained, seeds = Translator.untrained, []
    monkeypatch.setattr(Translator, "untrained", lambda self, seed: seeds.append(seed) or untrained(self, seed))
    align_models({"gru_attention": [Run(translators["gru_attention"], 3)]}, (), (), pairs[:2])
    assert seeds == [3]


def test_a_phenomenon_of_a_handful_of_sentences_has_no_interval():
    both = {"often": AlignmentCounts(2, 2, 1, 1), "rare": AlignmentCounts(1, 1, 0, 0)}
    counts = [both] * 5 + [{"often": AlignmentCounts(2, 2, 2, 2)}] * 20
    found = _summary([counts], {"often": 25, "rare": 5})["per_phenomenon"]
    assert found["often"]["low"] < found["often"]["value"] < found["often"]["high"]
    assert found["rare"]["value"] == 1.0
    assert (found["rare"]["low"], found["rare"]["high"]) == (None, None)


def test_the_error_rate_of_a_phenomenon_is_of_its_words_alone():
    counts = [
        {"article": AlignmentCounts(2, 2, 0, 0), "word": AlignmentCounts(4, 4, 3, 3)},
        {"word": AlignmentCounts(4, 4, 4, 4)},
    ]
    assert error_rate_score(counts, "word").value == pytest.approx(1 - 14 / 16)
    assert error_rate_score(counts).value == pytest.approx(1 - 14 / 20)


@pytest.mark.parametrize("seeds", [1, 3])
def test_draws_without_a_word_of_a_rare_phenomenon_are_left_out_of_its_interval(seeds):
    runs = []
    for right in range(seeds):
        rare = [{"rare": AlignmentCounts(2, 2, right / 2, 1)}, {"rare": AlignmentCounts(1, 1, 1, 1)}]
        runs.append(error_rate_score([*rare, *[{}] * 28], "rare"))
    found = estimate(runs)
    assert found.low < found.value < found.high
