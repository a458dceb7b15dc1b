"""C3: the mechanism HS, H, A, C, Y.

The article: the similarity of the decoder's states H and the encoder's states HS, their dot product, gives A, which
tells which words correspond; A times HS is the context C; C joined with H gives the output Y; Y is the next input.

Literature: this is Luong et al. 2015 with the score "dot", where the article leaves out the softmax, W_c and tanh (and
a dot product is no normalised similarity: long vectors score high). That A is an alignment is contested: Koehn &
Knowles 2017 see attention that "may in fact dramatically diverge" from it, with one language pair off by one word;
Ghader & Monz 2017 see agreement for nouns and not for verbs; Kobayashi et al. 2020 find that the weight alone is not
what a word contributes, its vector's size counts too.

Set-up: three parts. *Exact*: A, C and Y of fixed tensors against loops over numbers. *Function*: in a trained GRU with
attention one part is replaced at test time: A by equal weights, by its own weights at other words, by its strongest
word, by the diagonal; C, H or the fed-back Y by zeros. *Correspondence*: the strongest word of A against the gold links
of the toy grammar (alignment error rate, AER), read where a word is predicted, as the article says, and one step later.
Held equal: the weights, the sentences (none of them trained on), the search (greedy). A second encoder, which reads
both ways, is measured beside the first and decides nothing.

Criterion: the exact part to 1e-6; C and H cost more than 1 BLEU each, a shuffled A more than 10 (primary). The fed-back
Y costs more than 1 BLEU; AER is below 0.10, at least 0.15 below that of the diagonal, and above 0.70 before training.

What this does not show: anything about natural text, on which nothing is tested here. Short sentences of a grammar with
one translation each, word by word: no synonyms, no free translation, no subwords. What is replaced at test time meets a
model that never saw it, zeros above all, so that 1 BLEU is a low bar: the cost says what the trained model relies on,
not what could be learnt without. AER scores one link per target word, to words only (weight on EOS is left out), under
teacher forcing, so a perfect reader still has the error shown as "one link per word", and the article's own words
without softmax are not tested. A weight is not what a word contributes (Kobayashi et al. 2020), and a state of the GRU
knows its neighbours, so a weight on it is not a weight on a word alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.alignment import AlignmentCounts
from pipeline.claims import verdict
from pipeline.claims.inference import by_end, change_in, difference_in, ends_of, ratio_score
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.mechanism_jobs import OFFSETS, baselines, exactness, trained_run
from pipeline.claims.verdict import Claim, Finding
from pipeline.data.phrases import PHENOMENA
from pipeline.evaluation.maps import Counts, error_rate_score
from pipeline.metrics import score_of_counts
from pipeline.panels import BarPanel, Line, LinePanel, MatrixPanel, Panel
from pipeline.statistics import Estimate, SumScore, estimate

CLAIM = Claim(
    "C3",
    "HS, H, A, C, Y",
    "A = similarity of H and HS says which words correspond; C = A·HS joined with H gives Y, the next input.",
)

# How the figure calls what is replaced.
REPLACED = {
    "uniform": "A: equal",
    "shuffled": "A: shuffled",
    "argmax": "A: strongest",
    "diagonal": "A: diagonal",
    "no C": "C = 0",
    "no H": "H = 0",
    "no Y": "fed-back Y = 0",
}
# At most `longest` source words: one clause or two in full. `test`: sentences of the test. The second encoder decides
# nothing, so it has one seed in the quick profile.
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "seeds": {"one way": (1, 2, 3, 4, 5), "both ways": (1,)},
        "d_model": 64,
        "steps": 1000,
        "lr": 5e-3,
        "train": 20_000,
        "test": 500,
        "longest": 12,
    },
    "full": {
        "seeds": {"one way": (1, 2, 3, 4, 5), "both ways": (1, 2, 3, 4, 5)},
        "d_model": 256,
        "steps": 10_000,
        "lr": 1e-3,
        "train": 80_000,
        "test": 1000,
        "longest": 30,
    },
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    grid = _grid(profile)
    return [job(exactness), _baselines(profile), *grid["one way"], *grid["both ways"]]


def _settings(profile: str) -> dict[str, int]:
    p = PROFILES[profile]
    return {"num_train": p["train"], "num_test": p["test"], "longest": p["longest"]}


def _baselines(profile: str) -> Job:
    return job(baselines, **_settings(profile))


def _grid(profile: str) -> dict[str, list[Job]]:
    """Encoder → one job per seed."""
    p = PROFILES[profile]
    common = {"d_model": p["d_model"], "steps": p["steps"], "lr": p["lr"], **_settings(profile)}
    return {
        encoder: [job(trained_run, encoder=encoder, seed=seed, **common) for seed in seeds]
        for encoder, seeds in p["seeds"].items()
    }


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    exactly = results.of(job(exactness)) or {}
    runs, both_ways = (results.seeds(of_encoder) for of_encoder in _grid(profile).values())
    base = results.of(_baselines(profile))
    largest = lambda *names: max((exactly[name] for name in names), default=None) if exactly else None  # noqa: E731
    bleu = {ablation: _change(runs, ablation, "bleu", sign=-1) for ablation in REPLACED}
    of_runs = {"one way": runs, "one way, next step": runs, "untrained": runs, "both ways": both_ways}
    of_runs |= {name: [base] if base else [] for name in ("diagonal", "one link per word")}
    links = _of_maps(of_runs, "links")
    findings = [
        verdict.exact(
            "A, C, Y: largest deviation from a computation by hand", largest("A", "C", "Y"), 1e-6, is_primary=True
        ),
        verdict.exact(
            "rows of A: deviation from 1, weight on padding", largest("row sums", "padding"), 1e-6, is_primary=True
        ),
        verdict.above("BLEU lost without C", bleu["no C"], 1.0, is_primary=True),
        verdict.above("BLEU lost without H", bleu["no H"], 1.0, is_primary=True),
        verdict.above("BLEU lost where A is shuffled", bleu["shuffled"], 10.0, is_primary=True),
        verdict.exact("Y fed back word by word: deviation from the whole target at once", largest("one by one"), 1e-6),
        verdict.exact("HS in another order: deviation of Y", largest("order of HS"), 1e-6),
        verdict.above("BLEU lost without the fed-back Y", bleu["no Y"], 1.0),
        verdict.below("alignment error rate of A", estimate(_rates(links["one way"])), 0.10),
        verdict.below(
            "its error rate minus the diagonal's",
            difference_in(*map(_rates, (links["one way"], links["diagonal"]))),
            -0.15,
        ),
        verdict.above("alignment error rate before training", estimate(_rates(links["untrained"])), 0.70),
    ]
    return findings, _numbers(exactly, bleu, of_runs)


def _numbers(
    exactly: dict[str, float], bleu: dict[str, Estimate | None], of_runs: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    runs = of_runs["one way"]
    nats = {ablation: _change(runs, ablation, "nats_per_token") for ablation in REPLACED}
    return {
        "exact": exactly,
        "bleu": _bleu(runs),
        "bleu_lost": {name: found and ends_of(found) for name, found in bleu.items()},
        "nats_added": {name: found and ends_of(found) for name, found in nats.items()},
        "sentences": len(runs[0]["tokens"]) if runs else 0,
        "error_rates": {name: _by_phenomenon(of_map) for name, of_map in _of_maps(of_runs, "links").items()},
        "offsets": {
            name: np.mean(of_map, axis=0).tolist()
            for name, of_map in _of_maps(of_runs, "offsets").items()
            if of_map and name != "one link per word"
        },
        "example": runs[0]["example"] if runs else None,
    }


def _of_maps(of_runs: dict[str, list[dict[str, Any]]], what: str) -> dict[str, list[Any]]:
    """`links` or `offsets` of every kind of map that the figure names, of each run."""
    keys = {"one way": "predicting", "one way, next step": "input", "both ways": "predicting"}
    return {name: [run[what][keys.get(name, name)] for run in runs] for name, runs in of_runs.items()}


def _scores(run: dict[str, Any], ablation: str, measure: str) -> SumScore:
    measured = run["replaced"][ablation]
    if measure == "bleu":
        return score_of_counts("bleu", measured["bleu"])
    return ratio_score(measured["nats"], run["tokens"])


def _change(runs: Sequence[dict[str, Any]], ablation: str, measure: str, sign: int = 1) -> Estimate | None:
    """How much more (`sign` 1) or less (-1) a measure is with a part replaced, paired over sentences and models."""
    pair = [[_scores(run, which, measure) for run in runs] for which in (ablation, "none")]
    return change_in(*pair[::sign])


def _rates(of_runs: Sequence[list[dict]], phenomenon: str | None = None) -> list[SumScore]:
    counts: list[Counts] = [
        [{name: AlignmentCounts(*values) for name, values in sentence.items()} for sentence in run] for run in of_runs
    ]
    return [error_rate_score(of_run, phenomenon) for of_run in counts]


def _by_phenomenon(of_runs: Sequence[list[dict]]) -> dict[str, float]:
    """The mean error rate over runs, of everything and of each phenomenon."""
    return {
        name or "all": float(np.mean([score.value for score in _rates(of_runs, name)]))
        for name in (None, *PHENOMENA)
        if of_runs
    }


def _bleu(runs: Sequence[dict[str, Any]]) -> float | None:
    """With nothing replaced, the mean over runs."""
    return float(np.mean([_scores(run, "none", "bleu").value for run in runs])) if runs else None


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """One sentence's A beside its gold links; what each part is worth; who aligns what; how far A is off."""
    panels: list[Panel] = []
    if example := numbers["example"]:
        gold = np.zeros(np.shape(example["weights"]))
        for src, tgt, is_sure, _ in example["gold"]:
            gold[tgt][src] = max(gold[tgt][src], 1.0 if is_sure else 0.5)
        words = {"columns": example["src"], "rows": example["tgt"], "numbers": True}
        panels += [
            MatrixPanel(
                "A of a test sentence (first seed)",
                np.round(example["weights"], 2).tolist(),
                "source HS",
                "predicted Y",
                **words,
                scale_label="attention weight",
            ),
            MatrixPanel(
                "Its gold links", gold.tolist(), "source", "target", **words, scale_label="1: sure link; 0.5: possible"
            ),
        ]
    with_all = f" (with all: {numbers['bleu']:.0f} BLEU)" if numbers["bleu"] is not None else ""
    for key, title, label in (
        ("bleu_lost", f"What a part is worth{with_all}", "BLEU lost without it"),
        ("nats_added", "The same, teacher-forced", "nats per token more without it"),
    ):
        shown = {name: numbers[key][name] for name in REPLACED if numbers[key].get(name)}
        labels = [REPLACED[name] for name in shown]
        panels.append(BarPanel(title, label, labels, *by_end(shown.values()), models=["gru_attention"] * len(shown)))
    rates = {name: of_map for name, of_map in numbers["error_rates"].items() if of_map}
    if rates:
        matrix = [[of_map[name] for of_map in rates.values()] for name in ("all", *PHENOMENA)]
        panels.append(
            MatrixPanel(
                f"Alignment error rate, {numbers['sentences']} sentences (0 is perfect)",
                matrix,
                "what is read",
                "",
                columns=list(rates),
                rows=["all", *PHENOMENA],
                numbers=True,
                scale_label="alignment error rate",
            )
        )
    models = {"one way": "gru_attention", "both ways": "gru_attention_both"}
    lines = [
        Line(name, OFFSETS, [100 * share for share in shares], model=models.get(name))
        for name, shares in numbers["offsets"].items()
    ]
    panels.append(
        LinePanel("How far the strongest word is off", "source words from the sure link", "target words (%)", lines)
    )
    return panels
