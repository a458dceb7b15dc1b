"""C0 with made-up results on every side of its criterion, and one real run."""

import numpy as np
import pytest

from pipeline.claims import c0_order as page
from pipeline.claims.inference import strongest
from pipeline.metrics import sacrebleu_score
from tests.claims.synthetic import answer_without, assert_no_test_sentence_is_trained_on, ran, shrunk, verdict_of

REFERENCES = [" ".join(f"w{(7 * n + place) % 90}" for place in range(8)) for n in range(60)]


def answer(**errors):
    """Runs that get a share of the words wrong: `errors` by model, and `nats` where they differ from it."""

    def of(name, options):
        rng = np.random.default_rng([options["seed"], 5])
        share = errors[options["model"]]
        share, nats = share if isinstance(share, tuple) else (share, share)
        texts = [" ".join("x" if rng.random() < share else word for word in text.split()) for text in REFERENCES]
        return {
            "nats": (9 * nats + rng.normal(0, 0.01, len(REFERENCES))).tolist(),
            "tokens": [9] * len(REFERENCES),
            "bleu": sacrebleu_score("bleu", texts, REFERENCES).sums.tolist(),
            "exact": [int(ours == right) for ours, right in zip(texts, REFERENCES, strict=True)],
            "src_words": [8 + n % 3 for n in range(len(REFERENCES))],
            "parameters": 1000,
            "history": [2.0, 1.0],
        }

    return of


NONE = {"last": 0.5, "mean": 0.6, "uniform": 0.5, "bigru": 0.2, "transformer_mean": 0.5}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(**NONE, all=0.2, transformer=0.05), "holds"),
        (answer(**NONE, all=(0.2, 0.1), transformer=(0.05, 0.2)), "holds in part"),
        (answer(**NONE | {"bigru": 0.01}, all=0.2, transformer=0.05), "holds in part"),
        (answer(**NONE | {"transformer_mean": 0.05}, all=0.2, transformer=0.05), "holds in part"),
        (answer(**NONE, all=0.05, transformer=0.2), "fails"),
        (answer(**NONE | {"uniform": 0.1}, all=0.3, transformer=0.05), "fails"),
        (answer(**NONE, all=0.2, transformer=0.2), "undecided"),
        (lambda name, options: None, "undecided"),
        (answer_without("model", "uniform", answer(**NONE, all=0.2, transformer=0.05)), "undecided"),
        (
            lambda name, options: (
                None if options["seed"] == 2 else answer(**NONE, all=0.2, transformer=0.0)(name, options)
            ),
            "undecided",
        ),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def test_the_strongest_model_without_attention_is_the_one_to_beat():
    answers = answer(last=0.5, mean=0.2, uniform=0.6)
    scores = {model: page.sums_of(answers("", {"model": model, "seed": 1})) for model in page.WITHOUT}
    bleu, nats = (
        {model: [of_model[measure]] for model, of_model in scores.items()} for measure in ("bleu", "nats_per_token")
    )
    assert strongest(bleu, lowest=False) == "mean"
    assert strongest(nats, lowest=True) == "mean"
    assert strongest(nats | {"uniform": []}, lowest=True) == "uniform"  # nobody knows


@pytest.mark.parametrize("profile", page.PROFILES)
def test_the_models_have_as_many_parameters(profile):
    numbers = page.check_parameters(950, page.PROFILES[profile]["d_model"])
    assert len({numbers[model] for model in ("last", "mean", "uniform", "all")}) == 1


def test_models_of_other_sizes_are_refused(monkeypatch):
    real = page.network_of
    monkeypatch.setattr(page, "network_of", lambda m, v, d: real(m, v, d * 2 if m == "transformer" else d))
    with pytest.raises(ValueError, match="as many parameters"):
        page.check_parameters(950, 16)


def small(job):
    return shrunk(job, steps=2, sentences=4, d_model=8, longest=8)


@pytest.mark.parametrize("model", ["uniform", "bigru", "transformer"])
def test_a_run_gives_what_the_page_reads(model):
    job = next(job for job in page.jobs("quick") if job.options["model"] == model)
    result = ran(small(job))
    assert len(result["nats"]) == len(result["bleu"]) == len(result["exact"]) == 4
    assert page.sums_of(result)["bleu"].value >= 0


def test_no_test_sentence_is_trained_on(monkeypatch):
    assert_no_test_sentence_is_trained_on(lambda: ran(small(page.jobs("quick")[0])), monkeypatch)
