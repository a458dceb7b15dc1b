"""The evaluation of models on one set of sentences: every score with its interval, every two models compared.

Models may have several runs, one per seed. All are scored on the same sentences, teacher-forced and translated freely.
"""

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from pipeline.data.batching import encode_pairs
from pipeline.data.corpus import BANDS_AND_BEYOND, SentencePair
from pipeline.errors import UserError
from pipeline.evaluation.kept import KeptRun
from pipeline.evaluation.sentences import Sentences
from pipeline.measures import PER_TOKEN
from pipeline.metrics import SentenceScore, perplexity, sum_scores
from pipeline.scoring import Search, score_batch, search_batches
from pipeline.statistics import SumScore, as_shown, difference, estimate
from pipeline.translator import Translator

# By length, nats per token have the power to tell lengths apart; BLEU and exact match are what people ask for.
_BY_LENGTH = ("nats_per_token", "bleu", "exact_match")


class Run(NamedTuple):
    """A trained model of a seed."""

    translator: Translator
    seed: int

    @property
    def network(self) -> dict[str, Any]:
        """Its `class_path` and `init_args`, as JSON has them: a tuple is a list."""
        origin = self.translator.origin
        return json.loads(json.dumps({"class_path": origin.class_path, "init_args": origin.init_args}))


def score_pairs(translator: Translator, pairs: Sequence[SentencePair], search: Search) -> list[SentenceScore]:
    """Scores of every pair, teacher-forced and translated, in the order of `pairs`."""
    scores: list[SentenceScore] = []
    for batch in search_batches(encode_pairs(pairs, translator.tokenizer), search):
        scores += score_batch(translator.network, batch.on(translator.device), translator.tokenizer, search)
    return sorted(scores, key=lambda score: score.index)


class ScoredRun(NamedTuple):
    """What a run gave on a set of sentences: `scores`, in their order."""

    seed: int
    scores: list[SentenceScore]


def refuse_other_networks(models: dict[str, list[Run]], kept: Sequence[KeptRun]) -> None:
    """Raises UserError where runs of one model, to be scored or `kept`, have not the same network."""
    for name in dict.fromkeys([*models, *(run.model for run in kept)]):
        networks = [(run.seed, run.network) for run in models.get(name, [])]
        networks += [(run.seed, run.network) for run in kept if run.model == name and run.network is not None]
        for seed, network in networks[1:]:
            first_seed, first = networks[0]
            if network != first:
                raise UserError(
                    f"the runs of {name}, seeds {first_seed} and {seed}, have different networks "
                    f"({', '.join(_differing(first, network))}), so that a mean of them says nothing; evaluate those "
                    "of one recipe at a time, or each by a name of its own: other=RUN"
                )


def _differing(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of the settings that are not the same in two networks."""
    if first["class_path"] != other["class_path"]:
        return ["class_path"]
    ours, theirs = first["init_args"], other["init_args"]
    return [key for key in ours | theirs if (key in ours, ours.get(key)) != (key in theirs, theirs.get(key))]


def refuse_other_tokenizers(
    models: dict[str, list[Run]], kept: Sequence[KeptRun], pairs: Sequence[SentencePair]
) -> None:
    """Raises UserError where runs of one model, to be scored or `kept`, cut `pairs` into other tokens."""
    for name in dict.fromkeys([*models, *(run.model for run in kept)]):
        runs = models.get(name, [])
        of_tokenizer = {run.translator.tokenizer.proto: run.translator.tokenizer for run in runs}
        before = [run for run in kept if run.model == name]
        if len(of_tokenizer) + len(before) < 2:
            continue
        tokens = [[score.tokens for score in run.scores] for run in before]
        for tokenizer in of_tokenizer.values():
            tokens.append([len(pair.tgt) + 1 for pair in encode_pairs(pairs, tokenizer)])  # with EOS
        if any(of_one != tokens[0] for of_one in tokens):
            seeds = ", ".join(str(run.seed) for run in (*runs, *before))
            raise UserError(
                f"the runs of {name} (seeds {seeds}) have different tokenizers, so that a mean of them says nothing; "
                "evaluate those of one recipe at a time, or each by a name of its own: other=RUN"
            )


def score_models(
    models: dict[str, list[Run]],
    pairs: Sequence[SentencePair],
    search: Search,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, list[ScoredRun]]:
    """Scores all runs of all models."""
    scored: dict[str, list[ScoredRun]] = {}
    for name, runs in models.items():
        for run in runs:
            progress(f"{name}, seed {run.seed}: {len(pairs)} sentences")
            scored.setdefault(name, []).append(ScoredRun(run.seed, score_pairs(run.translator, pairs, search)))
    return scored


def compare_models(models: dict[str, list[ScoredRun]], sentences: Sentences) -> dict[str, Any]:
    """Every score of `models` on `sentences` with its interval, and every two of them compared, for the JSON. The runs
    of one model have the same tokens (`refuse_other_tokenizers`).

    Returns:
        `models`: for each model, `seeds`, and each measure as `statistics.Estimate` with `per_seed`, the values of its
        runs; `perplexity` is e to the nats per token of `nats_per_token.value`. `by_length`: for each band of source
        words, with `beyond_training` true where it lies beyond every training sentence, the number of sentences `n` and
        the estimates of each model, null where n is 0. `differences`: for every two models, `ours` minus `theirs` as
        `statistics.Difference` of each measure; of a measure per token, null where the two have different tokens. Of
        fewer than `statistics.ENOUGH_SENTENCES`, `low`, `high` and `p_value` are null.
    """
    # How many tokens each sentence has for a model: another tokenizer shows in them.
    tokens = {name: [score.tokens for score in runs[0].scores] for name, runs in models.items()}
    references = [pair.tgt for pair in sentences.test]
    measures = {
        name: [sum_scores(run.scores, references, is_synthetic=sentences.is_synthetic) for run in runs]
        for name, runs in models.items()
    }
    content = {
        "models": {
            name: {"seeds": [run.seed for run in runs], **_estimates(measures[name], per_seed=True)}
            for name, runs in models.items()
        },
        "by_length": _by_length(measures, sentences),
        "differences": _differences(measures, tokens),
    }
    for values in content["models"].values():
        values["perplexity"] = perplexity(values["nats_per_token"]["value"])
    return content


def _estimates(runs: list[dict[str, SumScore]], *, per_seed: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for measure in runs[0]:
        of_runs = [run[measure] for run in runs]
        result = estimate(of_runs)
        found[measure] = None if result is None else as_shown(result, result.num_sentences)
        if per_seed and result is not None:
            found[measure]["per_seed"] = [score.value for score in of_runs]
    return found


def _differences(measures: dict[str, list[dict[str, SumScore]]], tokens: dict[str, list[int]]) -> list[dict[str, Any]]:
    """Every model against every one before it."""
    differences = []
    for theirs, ours in combinations(measures, 2):
        pair: dict[str, Any] = {"ours": ours, "theirs": theirs}
        for measure in measures[ours][0]:
            if measure in PER_TOKEN and tokens[ours] != tokens[theirs]:
                pair[measure] = None
                continue
            of_both = ([run[measure] for run in measures[name]] for name in (ours, theirs))
            pair[measure] = as_shown(difference(*of_both, both_have_seeds=True), len(tokens[ours]))
        differences.append(pair)
    return differences


def _by_length(measures: dict[str, list[dict[str, SumScore]]], sentences: Sentences) -> list[dict[str, Any]]:
    lengths = np.array([len(pair.src.split()) for pair in sentences.test])
    bands = []
    for low, high, beyond in bands_of(int(lengths.max()), sentences.longest_trained):
        rows = (lengths >= low) & (lengths <= (high or np.inf))
        of_models = {}
        for name, runs in measures.items():
            chosen = [{m: _only(run[m], rows) for m in _BY_LENGTH if m in run} for run in runs]
            of_models[name] = _estimates(chosen)
        bands.append({"low": low, "high": high, "beyond_training": beyond, "n": int(rows.sum()), "models": of_models})
    return bands


def _only(score: SumScore, rows: np.ndarray) -> SumScore:
    return score._replace(sums=score.sums[rows])


class Band(NamedTuple):
    """Source lengths in words, both ends included; `high` None is open."""

    low: int
    high: int | None
    is_beyond_training: bool


def bands_of(longest: int, longest_trained: int | None) -> list[Band]:
    """The bands of `corpus.BANDS_AND_BEYOND`, up to the one that holds `longest`; the band that holds both
    lengths within and beyond training is cut in two, so that extrapolation is never mixed with the rest."""
    bands = []
    for low, high in BANDS_AND_BEYOND:
        if low > longest and low > (longest_trained or 0):
            break
        if longest_trained is not None and low <= longest_trained < (high or longest):
            bands.append(Band(low, longest_trained, False))
            if longest > longest_trained:
                bands.append(Band(longest_trained + 1, high, True))
        else:
            bands.append(Band(low, high, longest_trained is not None and low > longest_trained))
    return bands


def concatenated(pairs: Sequence[SentencePair], k: int) -> list[SentencePair]:
    """Every k neighbouring pairs as one, without word links; what is left over at the end is dropped.

    Natural corpora have few long sentences; this makes long ones of the same words. The end of a sentence in the middle
    is a cue that a long sentence would not give.
    """
    groups = [pairs[start : start + k] for start in range(0, len(pairs) - k + 1, k)]
    return [
        SentencePair(" ".join(pair.src for pair in group), " ".join(pair.tgt for pair in group)) for group in groups
    ]
