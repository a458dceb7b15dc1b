"""How fast the models translate a test set, by the readable and by the fast search, whether both find the same, and how
long a validation takes."""

import time
from functools import partial
from typing import Any

from pipeline.bench.ceilings import floating_point_operations, shares_of_time
from pipeline.bench.reference import MODELS, make_model, spread, training_batches
from pipeline.bench.training import fast_step, task_optimizer
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import PAD
from pipeline.decoding import Hypotheses
from pipeline.models import Seq2Seq
from pipeline.scoring import GREEDY, Search, score_batch, search_batches, translate_batch

SEARCHES = {"greedy": GREEDY, "beam 5": Search(beam=5)}
WAYS = {"readable": False, "fast": True}


def measure_search(data: TranslationData, rounds: int, steps: int) -> dict[str, dict[str, Any]]:
    """Of each model, what `_searches` and `_validation` measure.

    Args:
        data: Set up.
        rounds: How often each is measured, in turns.
        steps: Of training before, so that translations end about where real ones do: an untrained model writes up to
            the length limit.
    """
    found = {}
    for model in MODELS:
        network = _trained(data, model, steps)
        found[model] = {"searches": _searches(data, network, rounds), "validation": _validation(data, network, rounds)}
    return found


def _trained(data: TranslationData, model: str, steps: int) -> Seq2Seq:
    network = make_model(model, data.vocab_size)
    optimizer = task_optimizer(network)
    for batch in training_batches(data, steps):
        fast_step(network, optimizer, batch)
    return network.eval()


def _validation(data: TranslationData, network: Seq2Seq, rounds: int) -> dict[str, Any]:
    """Way → seconds for the validation split as in training: its loss, and a greedy translation of each sentence."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    batches = list(data.val_dataloader())
    for _ in range(rounds):
        for way, fast in WAYS.items():
            start = time.perf_counter()
            for batch in batches:
                score_batch(network, batch, data.tokenizer, GREEDY._replace(fast=fast))
            seconds[way].append(time.perf_counter() - start)
    return {way: spread(of_way)._asdict() for way, of_way in seconds.items()}


def _searches(data: TranslationData, network: Seq2Seq, rounds: int) -> dict[str, Any]:
    """Search → sentences per second of each way, pieces per sentence, and how many translations differ; and of the fast
    way, the operations per sentence and the operators that take most."""
    pairs = data.test_dataloader()[0].pairs

    def translate(wanted: Search) -> list[Hypotheses]:
        return [translate_batch(network, batch, data.tokenizer, wanted) for batch in search_batches(pairs, wanted)]

    found: dict[str, Any] = {}
    for name, search in SEARCHES.items():
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        ids: dict[str, list[list[int]]] = {}
        for _ in range(rounds):
            for way, fast in WAYS.items():
                start = time.perf_counter()
                batches = translate(search._replace(fast=fast))
                seconds[way].append(time.perf_counter() - start)
                rows = [row for batch in batches for row in batch.ids[:, 0].tolist()]
                ids[way] = [[token for token in row if token != PAD] for row in rows]
        quick = partial(translate, search._replace(fast=True))
        found[name] = {
            "sentences_per_second": {
                way: spread([len(ids[way]) / s for s in of_way])._asdict() for way, of_way in seconds.items()
            },
            "times_readable": spread([r / f for r, f in zip(*seconds.values(), strict=True)])._asdict(),
            "pieces_per_sentence": sum(map(len, ids["readable"])) / len(ids["readable"]),
            "sentences": len(ids["readable"]),
            "gflop_per_sentence": floating_point_operations(quick) / len(ids["fast"]) / 1e9,
            "share_of_time": shares_of_time(quick),
            "translations_that_differ": sum(a != b for a, b in zip(*ids.values(), strict=True)),
        }
    return found
