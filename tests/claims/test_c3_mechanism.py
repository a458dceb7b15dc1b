"""C3: made-up results on every side of its criterion, the exact part, what is replaced, and one real run."""

import numpy as np
import pytest
import torch

from pipeline.claims import c3_mechanism as page
from pipeline.claims.mechanism_jobs import ABLATIONS, AblatedGRU, baselines, exactness, replaced, trained_run
from pipeline.decoding import beam_search
from pipeline.metrics import sacrebleu_score
from pipeline.models import GRUSeq2Seq
from pipeline.scoring import symbols_of
from tests.claims.synthetic import findings_of, results_of, verdict_of

SENTENCES = 30
REFERENCES = [f"der Hund {index} schläft im Garten ." for index in range(SENTENCES)]
MASK = torch.arange(7) < torch.tensor([[7], [4], [1]])


def answer(deviation=1e-9, harmless=(), in_seeds=(1, 2, 3, 4, 5), error=lambda seed: 0.05, diagonal=0.4, missing=()):
    """Runs that translate all right, and nothing where a part is replaced that is not `harmless`, which it is in some
    seeds; one link in `error(seed)` of them is wrong."""

    def counts(wrong):
        return [{"word": [100, 100, 100 * (1 - wrong), 100 * (1 - wrong)]}] * SENTENCES

    def counts_of(translations):
        return sacrebleu_score("bleu", translations, REFERENCES).sums.tolist()

    def of(name, options):
        if name in missing:
            return None
        if name == "exactness":
            return dict.fromkeys(("A", "C", "Y", "row sums", "padding", "order of HS", "one by one"), deviation)
        if name == "baselines":
            links = {"diagonal": counts(diagonal), "one link per word": counts(0.0)}
            return {"links": links, "offsets": {key: [0, 0, 1, 0, 0] for key in links}}
        links = {"predicting": counts(error(options["seed"])), "input": counts(0.9), "untrained": counts(0.9)}
        return {
            "tokens": [8] * SENTENCES,
            "replaced": {
                ablation: {"nats": [8.0 * options["seed"]] * SENTENCES, "bleu": counts_of(REFERENCES)}
                if ablation == "none" or (ablation in harmless and options["seed"] in in_seeds)
                else {"nats": [8.0 * options["seed"] + 8] * SENTENCES, "bleu": counts_of(["?"] * SENTENCES)}
                for ablation in ABLATIONS
            },
            "links": links,
            "offsets": {key: [0, 0, 1, 0, 0] for key in links},
            "example": {"src": ["a", "EOS"], "tgt": ["b"], "weights": [[0.9, 0.1]], "gold": [[0, 0, True, "word"]]},
        }

    return of


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (answer(), "holds"),
        (answer(error=lambda seed: 0.2), "holds in part"),
        (answer(harmless=["no Y"]), "holds in part"),
        (answer(harmless=["no C"]), "fails"),
        (answer(harmless=["shuffled"]), "fails"),
        (answer(harmless=["no C"], in_seeds=[1, 3, 5]), "undecided"),
        (answer(deviation=1e-3), "fails"),
        (answer(error=lambda seed: 0.08 * seed - 0.06), "holds in part"),
        (answer(missing=["trained_run"]), "undecided"),
        (answer(missing=["exactness", "baselines"]), "undecided"),
    ],
)
def test_every_verdict_can_come_out(results, expected):
    assert verdict_of(page, results) == expected


def test_what_a_part_is_worth_is_measured_network_by_network():
    """Seeds lie 1 nat per token apart, and every one loses 1."""
    _, numbers = page.judge(results_of(page.jobs("quick"), answer()), "quick")
    assert numbers["nats_added"]["no C"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_the_model_computes_what_the_formulas_say():
    assert max(exactness().values()) <= 1e-12


def network(ablation=None):
    torch.manual_seed(1)
    settings = {"d_embed": 5, "d_model": 8, "dropout": 0.0}
    made = GRUSeq2Seq(11, "all", **settings) if ablation is None else AblatedGRU(ablation, 11, "all", **settings)
    return made.double().eval()


SRC = torch.randint(4, 11, (3, 7), generator=torch.Generator().manual_seed(0)).where(MASK, 0)
TGT = torch.randint(4, 11, (3, 5), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("ablation", "unused"), [("no C", slice(0, 8)), ("no H", slice(8, 16))])
def test_what_is_left_out_is_what_it_says(ablation, unused):
    """Of the weights that combine C and H, in this order."""
    made = network(ablation)
    before = made(SRC, MASK, TGT)
    made.combine.weight.data[:, unused] = 0
    assert torch.allclose(made(SRC, MASK, TGT), before, atol=1e-12)
    made.combine.weight.data.zero_()
    assert not torch.allclose(made(SRC, MASK, TGT), before, atol=1e-3)


def test_with_nothing_replaced_it_is_the_model():
    ours, theirs = (made(SRC, MASK, TGT) for made in (network("none"), network()))
    assert torch.allclose(ours, theirs, atol=1e-12)
    symbols = symbols_of(11, 11, SRC.device)
    ours, theirs = (beam_search(made, SRC, MASK, symbols, beam=3) for made in (network("none"), network()))
    assert torch.equal(ours.ids, theirs.ids)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_whatever_is_replaced_words_one_by_one_give_the_same(ablation):
    made = network(ablation)
    memory = made.encode(SRC, MASK)
    at_once, state, one_by_one = made.decode(TGT, memory).logits, None, []
    for step in range(5):
        output = made.decode(TGT[:, step : step + 1], memory, state)
        state = output.state
        one_by_one.append(output.logits)
    assert torch.allclose(torch.cat(one_by_one, 1), at_once, atol=1e-12)
    if ablation != "none":
        assert not torch.allclose(at_once, network("none")(SRC, MASK, TGT), atol=1e-3)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_what_stands_for_a_is_still_weights_of_real_words(ablation):
    scores = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(2))
    weights = scores.masked_fill(~MASK.unsqueeze(1), float("-inf")).softmax(-1)
    other = replaced(weights, MASK, 0, ablation)
    assert torch.allclose(other.sum(-1), torch.ones(3, 5))
    assert not other.masked_select(~MASK.unsqueeze(1)).any()
    if ablation == "shuffled":
        assert torch.equal(other.sort(-1).values, weights.sort(-1).values)
        assert not torch.equal(other[:, 0], other[:, 1])
    if ablation == "diagonal":
        assert other[1].argmax(-1).tolist() == [0, 1, 2, 3, 3]
    if ablation == "argmax":
        assert torch.equal(other.argmax(-1), weights.argmax(-1))


def test_runs_give_what_the_page_reads():
    size = {"num_train": 2500, "num_test": 6, "longest": 8}
    run = trained_run("both ways", d_model=8, steps=2, lr=1e-3, seed=1, **size)
    base = baselines(**size)
    answers = {"exactness": exactness(), "baselines": base, "trained_run": run}
    findings = findings_of(page, lambda name, options: answers[name])
    assert "missing" not in {finding.outcome for finding in findings}
    assert len(run["tokens"]) == len(run["replaced"]["no C"]["bleu"]) == len(run["links"]["input"]) == 6
    assert np.shape(run["example"]["weights"]) == (len(run["example"]["tgt"]), len(run["example"]["src"]))
    wrong = {name: sum(c[0] - c[3] for by in of for c in by.values()) for name, of in base["links"].items()}
    assert wrong["one link per word"] < wrong["diagonal"]
    assert base["offsets"]["one link per word"] == [0, 0, 1, 0, 0]
