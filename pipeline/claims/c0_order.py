"""C0: the order of the three models.

The article never says it in one sentence, but it is what a reader takes away: attention is better than no attention,
and self-attention is better still.

Literature: Bahdanau et al. 2015 gain 7.6 BLEU by attention (test set with sentences up to 30 words in training: 13.9
against 21.5), Luong et al. 2015 gain 2.8, on news text. That a Transformer of the same size is better than a GRU with
attention on a small corpus is not established: what is published allows 0 ± 2 BLEU.

Set-up: sentences of the toy grammar, word by word, each drawn anew. GRU without attention, GRU with attention and
Transformer, with four controls: the mean of all states (one vector, but not the last), attention with equal weights
(all states, but no choice), a GRU with attention whose encoder reads both ways, as the Transformer's does, and a
Transformer that hands over the mean of its states, whose decoder has nothing to choose from. Held equal: batches,
steps, learning rate, parameters (the four GRU models of one direction have the same ones and the same initial weights;
the others' differ in number by less than 5 %). C enters every prediction in all of them, not the first alone, so that
"without attention" is the strong kind. With a Multi30k folder, the same on captions: natural_text.py.

Criterion: attention has 5 BLEU more, with its whole interval, than the *strongest* model without it, which is the one
of three with the highest BLEU on the sentences that decide (a choice in favour of the models without). And the
Transformer has more BLEU than the GRU with attention: interval above 0 (both primary). Others: it also has more than
the GRU that reads both ways; attention to all states is worth 5 BLEU to a Transformer, too; nats per token agree, and
so does exact match, where there is one right translation. The findings on captions stand in natural_text_findings.py;
without a folder they are not made, and decide nothing.

What this does not show: natural text, unless there is a folder; models trained to their end: a short training asks also
who learns faster (in trials with one seed the GRU with attention was ahead after 300 steps, the Transformer after 700;
500 were chosen for cost, knowing that), and as many steps are not as much time; the best learning rate of each model
(one rate is not one speed: a Transformer's token vectors start √d_model times smaller than a GRU's here; on captions
the GRUs' start is that of their recipe). Nor that it is *self-attention* that makes the second difference: the GRU has
one layer and one unscaled attention, the Transformer two layers, four heads, residuals and normalisation, and it reads
both ways, which may be most of it (the finding on the GRU that does so too). Scores on captions by models that were
trained to their end are in docs/results.md.
"""

from typing import Any

import numpy as np
import torch

from pipeline.claims import natural_text_findings, verdict
from pipeline.claims.inference import by_end, difference_in, ends_of, ends_over_seeds, middles, ratio_score, strongest
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.matched_models import gru, num_parameters, transformer
from pipeline.claims.natural_text import MODELS_OF
from pipeline.claims.training import Training, forced_nats, train
from pipeline.claims.variants import UniformGRU
from pipeline.claims.verdict import Claim, Finding
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import translation
from pipeline.data.tokenizer import PAD
from pipeline.decoding import greedy
from pipeline.measures import factor
from pipeline.metrics import sacrebleu_score, score_of_counts
from pipeline.models import GRUSeq2Seq, Seq2Seq
from pipeline.panels import BarPanel, LinePanel, Panel
from pipeline.scoring import symbols_of
from pipeline.statistics import Estimate, SumScore, estimate

CLAIM = Claim(
    "C0",
    "The order of the models",
    "Attention translates better than no attention, and self-attention better than attention.",
)

MODELS, WITHOUT = MODELS_OF["C0"], natural_text_findings.WITHOUT_OF["C0"]  # the same as on captions
MEASURES = ("bleu", "nats_per_token", "exact_match")
PARTS = 5  # of the test sentences, by their length, in the figure

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"d_model": 64, "steps": 500, "longest": 16, "sentences": 300, "seeds": (1, 2, 3)},
    "full": {"d_model": 128, "steps": 20_000, "longest": 40, "sentences": 1000, "seeds": (1, 2, 3, 4, 5)},
}


def network_of(model: str, vocab_size: int, d_model: int) -> Seq2Seq:
    """One of `MODELS` with token vectors of `d_model`; a GRU's state is twice as wide, which makes their parameters
    as many (with two directions: as wide as it takes)."""
    if model == "bigru":
        return gru(vocab_size, "all", True, d_model, layers=2)
    if model in ("transformer", "transformer_mean"):
        return transformer(vocab_size, d_model, heads=4, layers=2, memory="all" if model == "transformer" else "mean")
    network_class, memory = (UniformGRU, "all") if model == "uniform" else (GRUSeq2Seq, model)
    return network_class(vocab_size, memory, d_embed=d_model, d_model=2 * d_model, dropout=0.0)


def check_parameters(vocab_size: int, d_model: int) -> dict[str, int]:
    """The number of each model's parameters.

    Raises:
        ValueError: They differ by more than 5 %.
    """
    numbers = {model: num_parameters(network_of(model, vocab_size, d_model)) for model in MODELS}
    if max(numbers.values()) > 1.05 * min(numbers.values()):
        raise ValueError(f"the models must have as many parameters, within 5 %: {numbers}")
    return numbers


def translation_run(model: str, d_model: int, steps: int, longest: int, sentences: int, seed: int) -> dict[str, Any]:
    """Trains one model; what it makes of every test sentence, the same ones in every run.

    Returns:
        `nats`, `tokens`: of each sentence, teacher-forced. `bleu`, `exact`: sacreBLEU's counts of its greedy
        translation, and 1 where that is right. `parameters`: without token vectors. `history`: nats per token of
        training, the mean of each tenth.
    """
    words = translation.vocabulary(longest)
    check_parameters(words.size, d_model)
    tests = translation.test_sentences(sentences, longest, words)
    kept_apart = {pair.src for pair in tests}
    torch.manual_seed(seed)
    network = network_of(model, words.size, d_model)

    def draw(rng: np.random.Generator) -> EncodedPair:
        return words.encode(translation.unseen(rng, longest, kept_apart))

    history = train(network, draw, Training(steps), seed)
    batch = make_batch([words.encode(pair) for pair in tests])
    found = greedy(network, batch.src, batch.src_mask, symbols_of(words.size, words.size, batch.src.device))
    references, translations = [pair.tgt for pair in tests], [words.decode(ids) for ids in found.ids[:, 0].tolist()]
    return {
        "nats": forced_nats(network, batch).sum(1).tolist(),
        "tokens": (batch.tgt_out != PAD).sum(1).tolist(),
        "bleu": sacrebleu_score("bleu", translations, references).sums.tolist(),
        "exact": [int(ours == right) for ours, right in zip(translations, references, strict=True)],
        "src_words": [pair.src.count(" ") + 1 for pair in tests],
        "parameters": num_parameters(network),
        "history": [float(np.mean(part)) for part in np.array_split(history, 10) if len(part)],
    }


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    return [run for runs in _grid(profile).values() for run in runs]


def _grid(profile: str) -> dict[str, list[Job]]:
    """Model → one job per seed."""
    settings = {key: value for key, value in PROFILES[profile].items() if key != "seeds"}
    return {
        model: [job(translation_run, model=model, **settings, seed=seed) for seed in PROFILES[profile]["seeds"]]
        for model in MODELS
    }


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    runs = {model: results.seeds(of_model) for model, of_model in _grid(profile).items()}
    scores = {model: [sums_of(run) for run in of_model] for model, of_model in runs.items()}
    bleu_without, nats_without, exact_without = (
        strongest({model: _of(scores[model], measure) for model in WITHOUT}, lowest=measure == "nats_per_token")
        for measure in MEASURES
    )

    def label(model: str) -> str:
        return natural_text_findings.MODELS[model].label

    def gain(measure: str, ours: str, theirs: str) -> Estimate | None:
        return difference_in(_of(scores[ours], measure), _of(scores[theirs], measure))

    findings = [
        verdict.above(
            f"BLEU, attention minus the strongest without: {label(bleu_without)}",
            gain("bleu", "all", bleu_without),
            5.0,
            is_primary=True,
        ),
        verdict.above(
            "BLEU, Transformer minus GRU → + attention", gain("bleu", "transformer", "all"), 0.0, is_primary=True
        ),
        verdict.above(
            "BLEU, Transformer, attention minus mean of states", gain("bleu", "transformer", "transformer_mean"), 5.0
        ),
        verdict.above(
            f"nats per token saved by attention, against {label(nats_without)}",
            gain("nats_per_token", nats_without, "all"),
            0.0,
        ),
        verdict.above(
            f"BLEU, Transformer minus {label('bigru')}: reading both ways alone is not it",
            gain("bleu", "transformer", "bigru"),
            0.0,
        ),
        verdict.above(
            "nats per token saved by the Transformer, against GRU → + attention",
            gain("nats_per_token", "all", "transformer"),
            0.0,
        ),
        verdict.above(
            f"exact match, attention minus {label(exact_without)}", gain("exact_match", "all", exact_without), 0.0
        ),
        verdict.above(
            "exact match, Transformer minus GRU → + attention", gain("exact_match", "transformer", "all"), 0.0
        ),
    ]
    return findings, _numbers(runs, scores, PROFILES[profile])


def _numbers(
    runs: dict[str, list[dict[str, Any]]], scores: dict[str, list[dict[str, SumScore]]], p: dict[str, Any]
) -> dict[str, Any]:
    """By model; those whose runs are missing are left out."""
    there = {model: of_model for model, of_model in runs.items() if of_model}
    return {
        "scores": {
            model: {measure: ends_of(estimate(_of(scores[model], measure))) for measure in MEASURES} for model in there
        },
        "by_length": {model: _by_length(of_model) for model, of_model in there.items()},
        "history": {model: [run["history"] for run in of_model] for model, of_model in there.items()},
        "parameters": {model: of_model[0]["parameters"] for model, of_model in there.items()},
        "steps": p["steps"],
        "sentences": p["sentences"],
        "seeds": len(p["seeds"]),
    }


def sums_of(run: dict[str, Any]) -> dict[str, SumScore]:
    """`MEASURES` of one run, as sums over its sentences."""
    return {
        "bleu": score_of_counts("bleu", run["bleu"]),
        "nats_per_token": ratio_score(run["nats"], run["tokens"]),
        "exact_match": ratio_score(run["exact"], np.ones(len(run["exact"]))),
    }


def _of(runs: list[dict[str, SumScore]], measure: str) -> list[SumScore]:
    return [run[measure] for run in runs]


def _by_length(runs: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Nats per token of the test sentences in `PARTS` parts of equal number, from the shortest to the longest."""
    words = np.array(runs[0]["src_words"])
    scores = _of([sums_of(run) for run in runs], "nats_per_token")
    return [
        {
            "words": float(np.mean(words[rows])),
            **ends_of(estimate([SumScore(score.sums[rows], score.formula) for score in scores])),
        }
        for rows in np.array_split(np.argsort(words, kind="stable"), PARTS)
    ]


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """BLEU and exact match as bars, nats by length and in training as lines."""
    entries = {model: natural_text_findings.MODELS[model] for model in MODELS if model in numbers["scores"]}
    about = f"{numbers['sentences']} sentences, {numbers['seeds']} seeds"
    panels: list[Panel] = [
        BarPanel(
            f"{title} ({about})",
            label,
            [entry.label for entry in entries.values()],
            *by_end((numbers["scores"][model][measure] for model in entries), factor(measure)),
            models=[entry.model for entry in entries.values()],
            hatched=[entry.dashed for entry in entries.values()],
        )
        for measure, title, label in (
            ("bleu", "Greedy translation", "BLEU"),
            ("exact_match", "Right from the first word to the last", "exact match (%)"),
            ("nats_per_token", "Teacher-forced", "nats per token (lower is better)"),
        )
    ]
    panels.append(
        LinePanel(
            "By length (each point a fifth of the sentences)",
            "source length (words)",
            "nats per token, teacher-forced",
            [
                entry.line(
                    [part["words"] for part in numbers["by_length"][model]], *by_end(numbers["by_length"][model])
                )
                for model, entry in entries.items()
            ],
        )
    )
    curves = {model: ends_over_seeds(numbers["history"][model]) for model in entries}
    panels.append(
        LinePanel(
            "In training, sentences drawn anew (band: seeds)",
            "step",
            "nats per token",
            [entries[model].line(middles(numbers["steps"], len(curve[0])), *curve) for model, curve in curves.items()],
        )
    )
    return panels
