"""Natural text: made-up results on both sides of every criterion, and real small runs on sentences of our own."""

import json

import numpy as np
import pytest

from pipeline.claims import natural_text as page
from pipeline.claims import natural_text_findings
from pipeline.claims.matched_models import num_parameters
from pipeline.data.grammar import ToyGrammar
from pipeline.data.loading import load_corpus
from pipeline.data.probes.concatenated import plain
from pipeline.errors import UserError
from pipeline.metrics import sacrebleu_score
from tests.claims.synthetic import results_of

BLOCKS = 12
TEXT = page.Text("nowhere", "captions", "0" * 64)
REFERENCES = [" ".join(f"w{(7 * n + place) % 90}" for place in range(9)) for n in range(BLOCKS)]
NATS = {"last": 4.0, "mean": 4.1, "uniform": 4.2, "all": 3.0, "bigru": 2.8, "causal": 2.9, "transformer": 2.5}
NATS["transformer_mean"] = 4.0
WRONG = {"last": 0.2, "mean": 0.2, "uniform": 0.25, "all": 0.05, "bigru": 0.1, "causal": 0.1, "transformer": 0.01}
WRONG["transformer_mean"] = 0.3


def answer(nats=None, wrong=None, growth=None, missing=()):
    """Results with so many nats per token, share of words wrong, and nats more for every sentence joined."""
    nats, wrong, growth = NATS | (nats or {}), WRONG | (wrong or {}), {"last": 0.2, "mean": 0.2} | (growth or {})

    def of(name, options):
        model = options["model"]
        if model in missing:
            return None
        rng = np.random.default_rng([options["seed"], len(model)])
        texts = [" ".join("x" if rng.random() < wrong[model] else word for word in ref.split()) for ref in REFERENCES]
        bleu = sacrebleu_score("bleu", texts, REFERENCES).sums.tolist()
        per_token = {k: nats[model] + (k - 1) * growth.get(model, 0.0) for k in page.JOINED}
        return {
            "nats": {str(k): (100 * value + rng.normal(0, 0.1, BLOCKS)).tolist() for k, value in per_token.items()},
            "tokens": {str(k): [100] * BLOCKS for k in page.JOINED},
            "bleu": {str(k): bleu for k in page.JOINED},
            "parameters": 7,
            "history": [3.0, 2.0],
        }

    return of


def outcomes(claim, results):
    found = results_of(page.jobs(claim, "quick", TEXT), results)
    findings, numbers = natural_text_findings.judge(claim, found, "quick", TEXT)
    natural_text_findings.draw(numbers)  # whatever the numbers are, they can be drawn
    assert not any(finding.is_primary for finding in findings)
    return [finding.outcome for finding in findings]


@pytest.mark.parametrize("claim", page.MODELS_OF)
def test_everything_can_pass(claim):
    assert set(outcomes(claim, answer())) == {"passes"}


@pytest.mark.parametrize("claim", page.MODELS_OF)
def test_a_missing_training_is_seen(claim):
    assert "missing" in outcomes(claim, answer(missing=["all"]))
    assert set(outcomes(claim, lambda name, options: None)) == {"missing"}


@pytest.mark.parametrize(
    ("claim", "results", "failing"),
    [
        ("C0", answer(wrong={"mean": 0.02}), [0]),
        ("C0", answer(wrong={"all": 0.0, "transformer": 0.2}), [1]),
        ("C0", answer(wrong={"transformer_mean": 0.0}), [2]),
        ("C0", answer(nats={"uniform": 2.9}), [3]),
        ("C0", answer(nats={"transformer": 3.1}), [4]),
        ("C1", answer(nats={"mean": 2.5}), [0]),
        ("C1", answer(growth={"last": 0.1, "mean": 0.1, "all": 0.3}), [1]),
        ("C1", answer(wrong={"last": 0.0}), [2]),
        ("C1", answer(nats={"mean": 3.9}, wrong={"last": 0.95, "mean": 0.9}), [4]),
        ("C7", answer(nats={"bigru": 3.1}), [0]),
        ("C7", answer(nats={"causal": 2.4}), [1]),
        ("C7", answer(wrong={"all": 0.9}), [3]),
    ],
)
def test_every_finding_can_fail(claim, results, failing):
    assert [place for place, outcome in enumerate(outcomes(claim, results)) if outcome == "fails"] == failing


@pytest.mark.parametrize(
    ("claim", "results", "undecided"),
    [
        ("C0", answer(wrong={"last": 0.9, "mean": 0.9, "uniform": 0.9}), [0, 3]),
        ("C0", answer(wrong={"all": 0.9}), [0, 1, 3, 4]),
        ("C0", answer(wrong={"transformer_mean": 0.9}), [2]),
        ("C0", answer(wrong={"transformer": 0.9}), [1, 2, 4]),
        ("C1", answer(wrong={"last": 0.9, "mean": 0.9}), [0, 1, 2]),
        ("C1", answer(wrong={"all": 0.9}), [0, 1, 2]),
        ("C7", answer(wrong={"all": 0.9}), [0]),
        ("C7", answer(wrong={"causal": 0.9}), [1]),
    ],
)
def test_nothing_is_decided_of_a_model_that_has_hardly_learned(claim, results, undecided):
    found = outcomes(claim, results)
    assert [place for place, outcome in enumerate(found) if outcome == "undecided"] == undecided
    assert "fails" in found[max(undecided) + 1 :]  # its control


def test_every_model_that_is_compared_has_one_control():
    found = results_of(page.jobs("C0", "quick", TEXT), answer(nats={"mean": 3.9}, wrong={"last": 0.1}))
    findings, _ = natural_text_findings.judge("C0", found, "quick", TEXT)
    controls = [finding.what.partition("BLEU of ")[2] for finding in findings if finding.what.startswith("control")]
    models = ("all", "last", "transformer", "transformer_mean", "mean")  # in BLEU last is ahead, in nats mean
    assert controls == [natural_text_findings.MODELS[model].label for model in models]


def test_nats_are_held_against_the_strongest_model_where_they_are_compared():
    results = answer(nats={"mean": 3.9}, growth={"mean": 0.5})  # ahead on single captions, behind on three joined
    for claim, label in (("C0", "mean of states"), ("C1", "last state")):
        found = results_of(page.jobs(claim, "quick", TEXT), results)
        findings, _ = natural_text_findings.judge(claim, found, "quick", TEXT)
        (in_nats,) = (finding.what for finding in findings if "nats per token saved by attention" in finding.what)
        assert label in in_nats


@pytest.mark.parametrize("profile", page.PROFILES)
def test_all_models_have_one_size(profile):
    sizes = {name: page.PROFILES[profile][name] for name in ("d_model", "layers", "heads", "dropout")}
    numbers = [num_parameters(page.network_of(model, 50, **sizes)) for model in natural_text_findings.MODELS]
    assert max(numbers) / min(numbers) < 1.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sentences of the toy grammar as if they were natural."""
    path = tmp_path_factory.mktemp("captions")
    grammar = ToyGrammar(seed=3)
    for split, number in (("train", 300), ("val", 5), ("test", 40)):
        pairs = [grammar.sentence(1, 0.3) for _ in range(number)]
        rows = [json.dumps({"en": pair.src, "de": pair.tgt}) for pair in pairs]
        (path / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def small(monkeypatch):
    sizes = {"d_model": 8, "vocab_size": 400, "sentences": 6, "steps": 2, "blocks": 5, "heads": 2}
    monkeypatch.setitem(page.PROFILES, "quick", page.PROFILES["quick"] | sizes)


def job_of(model, folder):
    return page.grid("C7" if model == "causal" else "C0", "quick", page.find_text(str(folder), "quick"))[model][0]


@pytest.mark.parametrize("model", ["uniform", "bigru", "causal"])
def test_a_run_gives_what_is_read_and_no_text(model, folder, small):
    result = page.text_run(**job_of(model, folder).options)
    for k in page.JOINED:
        assert np.shape(result["nats"][str(k)]) == np.shape(result["tokens"][str(k)]) == (5,)
        assert np.shape(result["bleu"][str(k)]) == (5, 10)
    assert result["tokens"]["1"] > result["tokens"]["4"]  # four of six sentences are left
    assert not any(character.isalpha() for character in json.dumps(list(result["bleu"].values())))


def test_the_test_split_is_what_is_measured_and_the_training_split_what_is_trained_on(folder, small, monkeypatch):
    measured, trained_on, measure, join = [], [], page._measure, page.join
    monkeypatch.setattr(page, "_measure", lambda n, pairs, t: measured.append(pairs) or measure(n, pairs, t))
    monkeypatch.setattr(page, "join", lambda pairs, rng: trained_on.extend(pairs) or join(pairs, rng))
    page.text_run(**job_of("all", folder).options)
    corpus = load_corpus(str(folder), "en", "de", folder)
    assert set(measured[0]) <= set(plain(corpus.test))
    assert set(trained_on) <= set(plain(corpus.train))


def test_a_run_is_known_by_what_is_in_the_folder_not_by_where_it_lies(folder, small, tmp_path):
    here = job_of("all", folder)
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    for file in folder.iterdir():
        (elsewhere / file.name).write_text(file.read_text())
    assert job_of("all", elsewhere).key() == here.key()
    assert str(elsewhere) not in str(job_of("all", elsewhere))
    (elsewhere / "val.jsonl").write_text('{"en": "two cats", "de": "zwei Katzen"}\n')
    assert job_of("all", elsewhere).key() != here.key()
    with pytest.raises(UserError, match="has changed"):
        page.text_run(**here.at(corpus=str(elsewhere)).options)


def test_a_corpus_that_is_generated_or_too_small_is_refused(folder):
    with pytest.raises(UserError, match="generated"):
        page.find_text("toy", "quick")
    with pytest.raises(UserError, match="40 test sentences with words; profile quick needs 480"):
        page.find_text(str(folder), "quick")
