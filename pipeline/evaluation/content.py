"""All that is found out about models on one set of sentences, as the JSON of an evaluation holds it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pipeline.alignment import Sharpness
from pipeline.data.corpus import SentencePair
from pipeline.evaluation.alignments import align_models, mean_shape, shapes_of_models
from pipeline.evaluation.kept import KeptRun, sentences_hash
from pipeline.evaluation.scores import Run, ScoredRun, compare_models, concatenated, score_models
from pipeline.evaluation.sentences import Sentences
from pipeline.metrics import is_tokenised, signatures
from pipeline.plots import model_order
from pipeline.scoring import Search
from pipeline.statistics import DRAWS


class Evaluation(NamedTuple):
    """`content` for the JSON, without its provenance, and what it sums up: for each model its runs, seeds rising."""

    content: dict[str, Any]
    scored: dict[str, list[ScoredRun]]


def evaluate_models(
    models: dict[str, list[Run]],
    kept: Sequence[KeptRun],
    sentences: Sentences,
    search: Search,
    concatenate: int = 1,
    progress: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Scores `models` on `sentences` and puts the scores of runs that an earlier evaluation `kept` beside theirs.

    Args:
        concatenate: Up to how many neighbouring sentences are joined into one, for more scores; 1 joins none. Nothing
            kept can stand beside those, nor beside word links.

    Returns:
        Content with `corpus`, `search`, `intervals`, `signatures` (of sacreBLEU), `networks` (class and arguments of
        each model's runs; null of one whose kept scores came without), `earlier` (where the kept scores come from),
        `scores` as `compare_models` gives them, `concatenated` (the same with k sentences joined, where asked for), and
        `alignment` as `align_models` gives it where word links are known, else `attention` (`alignments.mean_shape`).
        Estimates and differences are those of `statistics`.
    """
    models = {name: models[name] for name in sorted(models, key=model_order)}
    scored = _together(score_models(models, sentences.test, search, progress), kept)
    scores = compare_models(scored, sentences)
    measures = next(iter(scores["models"].values()))
    networks = {(run.model, run.seed): run.network for run in kept}
    networks |= {(name, run.seed): run.network for name, runs in models.items() for run in runs}
    content: dict[str, Any] = {
        "corpus": _corpus_content(sentences),
        "search": {"beam": search.beam, "alpha": search.alpha},
        "intervals": f"Bootstrap over sentences, {DRAWS} draws; of several seeds their variance, with Student's tails; "
        "of one seed, how another would differ is not in it. A single seed beside several of another model is taken to "
        "vary as those do. Without width: all sentences came out alike; among n, a share of 3 / n may not.",
        "signatures": signatures(measures),
        "networks": {name: [networks[name, run.seed] for run in runs] for name, runs in scored.items()},
        "earlier": [{"model": run.model, "seed": run.seed, **run.origin} for run in kept],
        "scores": scores,
    }
    if concatenate > 1:
        content["concatenated"] = _concatenated(models, sentences, search, concatenate, progress)
    if sentences.has_links:
        content["alignment"] = align_models(models, sentences.train, sentences.val, sentences.test, progress)
    else:
        shapes = _shapes(models, kept, sentences.test)
        content["attention"] = {name: mean_shape([shapes[name, r.seed] for r in rs]) for name, rs in scored.items()}
    return Evaluation(content, scored)


def _corpus_content(sentences: Sentences) -> dict[str, Any]:
    return {
        "name": sentences.name,
        "split": sentences.split,
        "n": len(sentences.test),
        "is_synthetic": sentences.is_synthetic,
        "is_tokenised": is_tokenised([pair.tgt for pair in sentences.test]),
        "longest_training_source_words": sentences.longest_trained,
        "content_hash": sentences.content_hash,
        "sentences_hash": sentences_hash(sentences.test),
    }


def _concatenated(
    models: dict[str, list[Run]], sentences: Sentences, search: Search, most: int, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The scores on k sentences joined, for each k from 2 to `most` that there are sentences enough for."""
    return [
        {
            "k": k,
            "n": len(joined),
            "scores": compare_models(score_models(models, joined, search, progress), sentences._replace(test=joined)),
        }
        for k in range(2, most + 1)
        if (joined := concatenated(sentences.test, k))
    ]


def _shapes(
    models: dict[str, list[Run]], kept: Sequence[KeptRun], pairs: Sequence[SentencePair]
) -> dict[tuple[str, int], Sharpness | None]:
    """How the mean attention of each run looks, by model and seed; None where it has none."""
    shapes = {(run.model, run.seed): run.shape for run in kept}
    for name, of_runs in shapes_of_models(models, pairs).items():
        shapes |= {(name, run.seed): shape for run, shape in zip(models[name], of_runs, strict=True)}
    return shapes


def _together(scored: dict[str, list[ScoredRun]], kept: Sequence[KeptRun]) -> dict[str, list[ScoredRun]]:
    """The runs of both, models in their usual order, seeds rising."""
    for run in kept:
        scored.setdefault(run.model, []).append(ScoredRun(run.seed, run.scores))
    in_order = sorted(scored, key=model_order)
    return {name: sorted(scored[name], key=lambda run: run.seed) for name in in_order}
