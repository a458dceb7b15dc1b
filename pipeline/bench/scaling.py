"""How time grows with the length of sentences and with the size of the corpus."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.bench.reference import MODELS, make_model, spread
from pipeline.bench.training import bare_step, task_optimizer
from pipeline.data.batching import Batch
from pipeline.data.corpus import Corpus
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import FIRST_PIECE
from pipeline.json_files import write_json_lines

LENGTHS = (8, 16, 32, 64, 128, 256, 512)


def by_length(vocab_size: int, batch_tokens: int, lengths: Sequence[int], rounds: int) -> dict[str, dict[str, Any]]:
    """Model → length → target tokens per second of the readable step, on random sentences of one length."""
    return {
        model: {str(length): _at_length(model, length, vocab_size, batch_tokens, rounds) for length in lengths}
        for model in MODELS
    }


def _at_length(model: str, length: int, vocab_size: int, batch_tokens: int, rounds: int) -> dict[str, float]:
    network = make_model(model, vocab_size)
    optimizer = task_optimizer(network)
    shape = (max(1, batch_tokens // length), length)
    src, tgt = (torch.randint(FIRST_PIECE, vocab_size, shape) for _ in range(2))
    batch = Batch(src, torch.ones_like(src, dtype=torch.bool), tgt, tgt, torch.arange(shape[0]), tgt.numel())
    rates = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        bare_step(network, optimizer, batch)
        if number:  # the first one warms up
            rates.append(batch.num_tokens / (time.perf_counter() - start))
    return spread(rates)._asdict()


def by_corpus_size(corpus: Corpus, languages: tuple[str, str], vocab_size: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Training pairs → seconds to read, learn the tokenizer, encode, and plan an epoch, all from nothing."""
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "part"
            for split, pairs in (("train", corpus.train[:size]), ("val", corpus.val), ("test", corpus.test)):
                rows = [dict(zip(languages, pair[:2], strict=True)) for pair in pairs]
                write_json_lines(source / f"{split}.jsonl", rows)
            start = time.perf_counter()
            data = TranslationData(str(source), *languages, vocab_size=vocab_size, cache_dir=f"{folder}/cache")
            data.setup()
            prepared = time.perf_counter()
            batches = data.train_dataloader()
            found[str(size)] = {
                "prepare_seconds": prepared - start,
                "plan_epoch_seconds": time.perf_counter() - prepared,
                "batches": len(batches),
            }
    return found
