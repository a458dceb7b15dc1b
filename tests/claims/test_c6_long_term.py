"""C6 with made-up results on every side of its criterion, and real small ones."""

import numpy as np
import pytest
import torch

from pipeline.claims import c6_long_term as page
from pipeline.claims import long_term_jobs
from pipeline.claims.long_term_jobs import CONTROL_HALF, _margins
from pipeline.claims.long_term_models import build, layer_states, read_off
from pipeline.claims.matched_models import num_parameters
from pipeline.data.batching import make_batch
from pipeline.data.probes import agreement, recall
from tests.claims.synthetic import Oracle, ran, results_of, shrunk, verdict_of

LAYERS = {"transformer": 3}  # with the token vectors; a GRU has 2


def answer(
    transformer=1.0,
    recurrent=1.0,
    nearby=1.0,
    beyond=None,
    number_in_gru=1.0,
    half_in_gru=0.4,
    half_nearby=1.0,
    number_in_vector=0.4,
    hard=0.4,
    bigru=None,
    bigru_late=None,
    items=60,
    missing=None,
):
    """Results with these accuracies; `nearby` is that of recurrent ones with attention at distance 1, `beyond` the
    Transformer's outside its lengths of training, `bigru` that of the GRU of both directions if it is another than
    `recurrent`, `bigru_late` that where most words stand before the far one."""

    def of(name, options):
        if (options["task"], options["model"]) == missing:
            return None
        rng = np.random.default_rng([options["seed"], len(options["model"])])
        is_transformer = options["model"] == "transformer"
        share = transformer if is_transformer else hard if options["model"] == "last" else recurrent
        if options["model"] == "bigru" and bigru is not None:
            share = bigru
        late = bigru_late if options["model"] == "bigru" and bigru_late is not None else share
        far = share if beyond is None or not is_transformer else beyond

        def draws(p):
            return np.where(rng.random(items) < p, 1.0, -1.0).tolist()

        margin = {str(d): draws(far if d > options["longest"] else share) for d in options["distances"]}
        if options["model"] in ("gru", "bigru"):
            margin["1"] = [1.0 if item < nearby * items else -1.0 for item in range(items)]
        last = (
            {"number": number_in_gru, "control": half_in_gru} if not is_transformer else {"number": 0.5, "control": 0.5}
        )

        def read(what, distance):
            layers = LAYERS.get(options["model"], 2)
            of_last = half_nearby if (what, distance) == ("control", "1") else last[what]
            shares = [number_in_vector] * (layers - 1) + [
                of_last
            ]  # 0.4: below chance, so that the control surely passes
            return [(rng.random(items) < p).astype(int).tolist() for p in shares]

        distances = [str(d) for d in options["distances"] if d <= options["longest"]]
        return {
            "parameters": 1,
            "last_nats": 0.1,
            "margin": margin,
            "before": {str(before): draws(late if before == page.BEFORE[-1] else share) for before in page.BEFORE},
            "attractors": {str(count): draws(share) for count in range(agreement.MOST_BETWEEN + 1)},
            "probes": {d: {what: read(what, d) for what in last} for d in distances},
        }

    return of


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(recurrent=0.5, number_in_gru=0.4), "holds"),
        (answer(recurrent=0.5), "holds in part"),
        (answer(recurrent=0.5, hard=1.0, number_in_gru=0.4), "holds in part"),
        (answer(recurrent=0.5, beyond=0.1, number_in_gru=0.4), "holds in part"),
        (answer(recurrent=0.5, nearby=0.5, number_in_gru=0.4), "holds in part"),  # nothing learned fades
        (answer(), "fails"),
        (answer(hard=1.0), "undecided"),  # easy without attention too: that all are right says nothing of it
        (answer(transformer=0.5), "undecided"),  # trained too little
        (answer(recurrent=0.97, number_in_gru=0.4), "undecided"),
        (answer(recurrent=0.5, half_in_gru=1.0, number_in_gru=0.4), "holds in part"),
        (answer(recurrent=0.5, number_in_vector=1.0, number_in_gru=0.4), "holds in part"),  # nothing is carried
        (answer(recurrent=0.5, missing=("recall", "bigru")), "undecided"),
        (lambda name, options: None, "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def of_states(results):
    """Outcomes of what the state of a GRU holds: what is needed, and what is not."""
    findings, _ = page.judge(results_of(page.jobs("quick"), results), "quick")
    return [finding.outcome for finding in findings if "in the state of a GRU" in finding.what]


def outcomes_of_recall(results) -> dict[str, str]:
    findings, _ = page.judge(results_of(page.jobs("quick"), results), "quick")
    return {f.what: f.outcome for f in findings if "recall" in f.what and ("minus" in f.what or "loses" in f.what)}


def test_every_finding_is_of_the_gru_that_it_names():
    of_one_direction = outcomes_of_recall(answer(recurrent=0.5, bigru=1.0))
    assert {what: outcome for what, outcome in of_one_direction.items() if "GRU →" in what} == {
        "recall 20 words apart: accuracy, Transformer minus GRU → + attention": "passes",
        "as stated, recall: accuracy that GRU → + attention loses": "passes",
    }
    assert {outcome for what, outcome in of_one_direction.items() if "GRU ⇄" in what} == {"fails"}


def test_far_from_the_start_is_where_most_words_stand_before_the_far_one():
    late = outcomes_of_recall(answer(recurrent=1.0, bigru_late=0.5))
    assert [what for what, outcome in late.items() if outcome == "passes"] == [
        "recall 20 words apart: accuracy, 10 words from the start, Transformer minus GRU ⇄ + attention"
    ]


def test_the_numbers_of_the_figure_are_means_over_items_by_distance_and_model():
    _, numbers = page.judge(results_of(page.jobs("quick"), answer(recurrent=0.5, number_in_gru=0.4)), "quick")
    curves = numbers["curves"]["recall"]
    assert curves["transformer"]["accuracy"]["value"] == [100.0] * 8
    right, margins = (np.array(curves["gru"][what]["value"]) for what in ("accuracy", "margin"))
    np.testing.assert_allclose(margins, right / 50 - 1)  # they are 1 where it is right, and −1 elsewhere
    at_1, *further = curves["gru"]["accuracy"]["value"]
    assert at_1 == 100 > max(further)
    assert numbers["before"]["transformer"] == [1.0] * 3
    assert numbers["within_2_points"] == {"agreement": False, "recall": False}
    assert list(numbers["probes"])[-4:] == [
        "GRU ⇄ + attention: layer 1",
        *(f"Transformer: {layer}" for layer in ("token", "layer 1", "layer 2")),
    ]
    state, vector = numbers["probes"]["GRU → + attention: layer 1"], numbers["probes"]["GRU → + attention: token"]
    assert max(vector["number"]) < 60
    assert (state["control"][0], len(state["control"])) == (100, 6)


def test_what_a_state_holds_means_nothing_where_its_model_has_not_learned():
    assert of_states(answer(number_in_gru=0.4)) == ["passes", "passes"]
    assert of_states(answer(nearby=0.5, number_in_gru=0.4)) == ["undecided", "undecided"]


def test_what_fades_must_have_been_there():
    assert of_states(answer(half_in_gru=1.0)) == ["fails", "fails"]
    assert of_states(answer(half_nearby=0.4)) == ["fails", "undecided"]


def test_agreement_decides_nothing():
    of_task = {"recall": answer(recurrent=0.5, number_in_gru=0.4), "agreement": answer(hard=1.0, number_in_gru=0.4)}

    def too_easy(name, options):
        return of_task[options["task"]](name, options)

    assert verdict_of(page, too_easy) == "holds in part"


def test_the_full_profile_is_judged_and_drawn_with_all_its_heads():
    assert verdict_of(page, answer(items=5), "full") == "fails"


def small(task, model):
    job = next(j for j in page.jobs("quick") if (j.options["task"], j.options["model"]) == (task, model))
    return shrunk(job, d_model=16, layers=1, heads=min(2, job.options["heads"]), steps=2, items=4)


@pytest.mark.parametrize("task", page.TASKS)
@pytest.mark.parametrize("model", page.MODELS)
def test_a_run_gives_what_the_page_reads(task, model):
    job = small(task, model)
    result = ran(job)
    assert set(result["margin"]) == {str(distance) for distance in job.options["distances"]}
    assert all(len(margins) == 4 for margins in result["margin"].values())
    if task == "agreement":
        assert set(result["attractors"]) == {str(count) for count in range(agreement.MOST_BETWEEN + 1)}
        for probe in result["probes"].values():
            assert {np.shape(read) for read in probe.values()} == {(2, 4)}
            assert set(probe) == {"number", "control"}


def test_a_run_is_the_same_twice():
    job = small("agreement", "transformer")
    assert ran(job) == ran(job)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_all_models_have_one_size(profile):
    p = page.PROFILES[profile]
    sizes = [num_parameters(build(model, 50, p["heads"][0], p["d_model"], p["layers"])) for model in page.MODELS]
    assert max(sizes) / min(sizes) < 1.05


def test_a_probe_reads_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(400, 5))
    assert np.mean(read_off(states, states[:, 3] > 0, 300)) > 0.95
    assert abs(np.mean(read_off(states, rng.random(400) < 0.5, 300)) - 0.5) < 0.2


@pytest.mark.parametrize("model", page.MODELS)
def test_the_last_layer_is_what_the_decoder_reads(model):
    torch.manual_seed(0)
    network = build(model, agreement.VOCAB_SIZE, 2, 16, 2)
    rng = np.random.default_rng(0)
    batch = make_batch([agreement.draw(rng, distance).pair for distance in (2, 7, 4)])
    last = layer_states(network, model, batch)[-1]
    memory = network.encode(batch.src, batch.src_mask)
    if model == "transformer":
        last = network.encoder_norm(last)
    if model == "last":
        last = last[torch.arange(3), batch.src_mask.sum(1) - 1].unsqueeze(1)
    torch.testing.assert_close(last, memory.states)


def test_it_trains_on_no_longer_distance_than_it_says_and_asks_at_those_it_says(monkeypatch):
    drawn, asked = [], []

    def train(network, draw, training, seed):
        rng = np.random.default_rng(0)
        drawn.extend(draw(rng) for _ in range(300))
        return [0.0]

    monkeypatch.setattr(long_term_jobs, "train", train)
    monkeypatch.setattr(long_term_jobs, "_margins", lambda network, task, items: asked.append(items) or [])
    job = small("recall", "gru")
    ran(job)
    longest, distances = job.options["longest"], job.options["distances"]
    with_key_and_end = 2
    assert max(len(pair.src) for pair in drawn) == longest + recall.MOST_BEFORE + with_key_and_end
    for before, items in zip(page.BEFORE, asked[len(distances) :], strict=True):
        assert {len(item.pair.src) for item in items} == {before + longest + with_key_and_end}


def test_sentences_with_attractors_have_as_many_as_is_said(monkeypatch):
    asked = []
    monkeypatch.setattr(long_term_jobs, "_margins", lambda network, task, items: asked.append(items) or [])
    job = small("agreement", "gru")
    ran(job)
    longest = job.options["longest"]
    for count, items in enumerate(asked[-1 - agreement.MOST_BETWEEN :]):
        for item in items:
            between = item.pair.src[item.verb - longest + 1 : item.verb]
            nouns = (between >= agreement.FIRST_OBLIQUE) & (between < agreement.FIRST_ADVERB)
            assert int(nouns.sum()) == count


def test_a_probe_reads_the_state_of_the_verb_and_each_label_its_own(monkeypatch):
    """The states are the subject's number at the verb, and nothing elsewhere."""

    def states(network, model, batch):
        is_subject = (batch.src >= agreement.FIRST_NOUN) & (batch.src < agreement.FIRST_OBLIQUE)
        number = (batch.src[is_subject] - agreement.FIRST_NOUN) % 2
        is_verb = (batch.src >= agreement.FIRST_VERB) & (batch.src < agreement.FIRST_FORM)
        return [(is_verb * number[:, None]).unsqueeze(2).float()]

    monkeypatch.setattr(long_term_jobs, "layer_states", states)
    read = long_term_jobs._probe(None, "gru", 5, 60)
    assert np.mean(read["number"][0]) == 1
    assert np.mean(read["control"][0]) < 0.75


def test_half_of_the_nouns_are_in_the_control_half():
    assert len(set(CONTROL_HALF)) == agreement.NOUNS / 2


def test_one_wrong_value_that_is_ahead_is_enough(monkeypatch):
    oracle, favoured = Oracle(recall.VOCAB_SIZE), recall.FIRST_VALUE + 2
    monkeypatch.setattr("pipeline.claims.long_term_jobs.make_batch", oracle.make_batch)
    rng = np.random.default_rng(0)
    items = [recall.draw(rng, 4) for _ in range(20)]

    def favours_one(*given):
        logits = oracle(*given)
        logits[:, 0, favoured] += 2
        return logits

    assert _margins(favours_one, "recall", items) == [3.0 if item.right == favoured else -1.0 for item in items]


@pytest.mark.parametrize(("is_contrary", "margin"), [(False, 1.0), (True, -1.0)])
@pytest.mark.parametrize(("task", "probe"), [("agreement", agreement), ("recall", recall)])
def test_what_is_right_leads_by_a_margin_above_0(monkeypatch, task, probe, is_contrary, margin):
    oracle = Oracle(probe.VOCAB_SIZE, is_contrary=is_contrary)
    monkeypatch.setattr("pipeline.claims.long_term_jobs.make_batch", oracle.make_batch)
    rng = np.random.default_rng(0)
    assert _margins(oracle, task, [probe.draw(rng, 4) for _ in range(5)]) == [margin] * 5
