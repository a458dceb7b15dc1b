"""How fast the models translate a test set."""

import time
from typing import Any

from pipeline.bench.reference import MODELS, make_model, spread, training_batches
from pipeline.bench.training import bare_step, make_optimizer
from pipeline.data.datamodule import TranslationData
from pipeline.scoring import GREEDY, Search, translate_batch

SEARCHES = {"greedy": GREEDY, "beam 5": Search(beam=5)}


def measure_search(data: TranslationData, steps: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Model → search → sentences per second and pieces per sentence, on the test split.

    Args:
        data: Set up.
        steps: Of training before, so that translations end about where real ones do: an untrained model writes up to
            the length limit.
        rounds: How often each is measured, in turns.
    """
    networks = {}
    batches = training_batches(data, steps)
    for model in MODELS:
        network = networks[model] = make_model(model, data.vocab_size)
        optimizer = make_optimizer(network)
        for batch in batches:
            bare_step(network, optimizer, batch)
        network.eval()
    seconds = {(model, search): [] for model in MODELS for search in SEARCHES}
    lengths = {}
    test, _ = data.test_dataloader()
    for _ in range(rounds):
        for model, search in seconds:
            start, pieces = time.perf_counter(), 0
            for batch in test:
                found = translate_batch(networks[model], batch.src, batch.src_mask, data.tokenizer, SEARCHES[search])
                pieces += int((found.ids[:, 0] != 0).sum())
            seconds[model, search].append(time.perf_counter() - start)
            lengths[model, search] = pieces / len(data.corpus.test)
    return {
        model: {
            search: {
                "sentences_per_second": spread([len(data.corpus.test) / s for s in seconds[model, search]])._asdict(),
                "pieces_per_sentence": lengths[model, search],
            }
            for search in SEARCHES
        }
        for model in MODELS
    }
