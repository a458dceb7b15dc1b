"""This project beside other toolkits, on the same sentences, in turns.

Machines are shared, so speeds of different minutes cannot be compared: the project and each toolkit take turns, a
window each, round after round, and what counts is the ratio within a round. Translations have the same number of pieces
for all, the mean of the references: so models need no training, and nobody gains by ending early.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.bench.peers import TOOLKITS, PeerError, Workload, find_toolkits, search, train, write_sentences
from pipeline.bench.reference import TRANSFORMER_SIZES, spread, training_batches
from pipeline.bench.training import WARM_UP, Way, through_pipeline
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import EOS
from pipeline.decoding import SearchLimits
from pipeline.fast.search import beam_search
from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq
from pipeline.scoring import Search, search_batches, symbols_of

BEAM = 5
_OURS = (Way("this project, readable"), Way("this project, fast", fast=True))
# The toolkits tie the output with the embedding only where states are as wide as token vectors, so ours has that too.
_GRU_SIZES = {"d_model": 256, "dropout": 0.3}
_SIZES = {"transformer": TRANSFORMER_SIZES, "gru_attention": _GRU_SIZES}
_MODELS: dict[str, Callable[[int], Seq2Seq]] = {
    "transformer": lambda vocab_size: TransformerSeq2Seq(vocab_size, "all", **TRANSFORMER_SIZES),
    "gru_attention": lambda vocab_size: GRUSeq2Seq(vocab_size, "all", d_embed=256, **_GRU_SIZES),
}


def compare(data: TranslationData, python: Path, rounds: int, steps: int, threads: int) -> dict[str, Any]:
    """Speeds of this project and of each toolkit.

    Args:
        data: Set up.
        python: The interpreter of the environment with the toolkits.
        rounds: How often each is measured.
        steps: Optimiser steps of a window.
        threads: CPU threads, for all.

    Returns:
        `versions`, package → version; `pieces_per_sentence`; `training` and `search`, model → name →
        {"per_second": spread of target tokens or sentences, "ours_times_this": spread of the speed of this project,
        fast, over this one, within a round}; `failures`, "toolkit, model" → why it could not be measured.

    Raises:
        UserError: There are no toolkits at `python`.
    """
    versions = find_toolkits(python)
    train_pairs, test_pairs = data.train_dataloader().pairs, data.test_dataloader()[0].pairs
    length = round(statistics.mean(len(pair.tgt) + 1 for pair in test_pairs))
    found: dict[str, Any] = {"versions": versions, "pieces_per_sentence": length, "failures": {}}
    found |= {"training": {}, "search": {}}
    with tempfile.TemporaryDirectory() as name:
        write_sentences(Path(name), data.tokenizer, train_pairs, test_pairs)
        for model, sizes in _SIZES.items():
            work = Workload(model, sizes, data.batch_tokens, steps, length, BEAM, threads)
            speeds = _Speeds()
            networks = {way: _MODELS[model](data.vocab_size) for way in _OURS}
            for _ in range(rounds):
                _measure_ours(networks, data, work, speeds)
                _measure_peers(python, list(versions), Path(name), work, speeds)
            found["training"][model] = _summary(speeds.training)
            found["search"][model] = _summary(speeds.search)
            found["failures"] |= {f"{toolkit}, {model}": why for toolkit, why in speeds.failures.items()}
    return found


class _Speeds:
    """Name → speed in each round, and toolkit → why it has none."""

    def __init__(self) -> None:
        self.training: dict[str, list[float]] = defaultdict(list)
        self.search: dict[str, list[float]] = defaultdict(list)
        self.failures: dict[str, str] = {}


def _measure_ours(networks: dict[Way, Seq2Seq], data: TranslationData, work: Workload, speeds: _Speeds) -> None:
    batches = training_batches(data, WARM_UP + work.steps)
    tokens = sum(batch.num_tokens for batch in batches[WARM_UP:])
    for way, network in networks.items():
        network.train()  # the trainer leaves the mode as the search of the round before set it
        speeds.training[way.name] += [tokens / s for s in through_pipeline(way, network, data, work.steps)]
    speeds.search[_OURS[-1].name].append(search_speed(networks[_OURS[-1]], data, work))


def search_speed(network: Seq2Seq, data: TranslationData, work: Workload) -> float:
    """Sentences per second of this project's fast beam search, up to their text; each has `work.length` pieces."""
    network.eval()
    symbols = symbols_of(data.tokenizer.size, network.vocab_size, torch.device("cpu"))
    forbidden = symbols.forbidden.clone()
    forbidden[EOS] = True
    symbols = symbols._replace(forbidden=forbidden)
    limits = SearchLimits(factor=0.0, extra=work.length, cap=work.length)
    pairs = data.test_dataloader()[0].pairs
    start = time.perf_counter()
    for batch in search_batches(pairs, Search(work.beam, fast=True)):
        found = beam_search(network, batch.src, batch.src_mask, symbols, limits, beam=work.beam)
        data.tokenizer.decode(found.ids[:, 0].tolist())
    return len(pairs) / (time.perf_counter() - start)


def _measure_peers(python: Path, installed: list[str], folder: Path, work: Workload, speeds: _Speeds) -> None:
    for toolkit in TOOLKITS:
        name = toolkit.package
        if name not in installed or work.model not in toolkit.models or name in speeds.failures:
            continue
        try:
            if toolkit.train:
                speed = train(python, toolkit, folder, work)  # which may fail: then there is no list of speeds
                speeds.training[name].append(speed)
            speed = search(python, toolkit, folder, work)
            speeds.search[name].append(speed)
        except PeerError as failure:
            speeds.failures[name] = str(failure)


def _summary(speeds: dict[str, list[float]]) -> dict[str, Any]:
    ours = speeds[_OURS[-1].name]
    return {
        name: {
            "per_second": spread(values)._asdict(),
            "ours_times_this": spread([a / b for a, b in zip(ours, values, strict=False)])._asdict(),
        }
        for name, values in speeds.items()
    }
