"""How well a model's maps align words: every layer and head, both readings, the choice made on validation alone."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.alignment import (
    READINGS,
    AlignmentCounts,
    Reading,
    Sharpness,
    count_links,
    merge_to_words,
    read_at,
    sharpness,
    strongest_links,
)
from pipeline.data.batching import EncodedPair, TokenBudgetBatches, encode_pairs
from pipeline.data.corpus import SentencePair
from pipeline.statistics import SumScore
from pipeline.translator import LONGEST_SOURCE, Translator
from pipeline.word_maps import SALIENCY, piece_saliency

_BATCH_TOKENS = 2048

Counts = list[dict[str, AlignmentCounts]]  # per sentence, per phenomenon


class MapChoice(NamedTuple):
    """One way to read an alignment off a model: which map, and at which step."""

    name: str
    reading: Reading


class WordWeights(NamedTuple):
    """The word maps of one sentence pair: name → (tgt_words, src_words + 1), the last column being EOS."""

    index: int
    maps: dict[MapChoice, np.ndarray]


def attention_words(translator: Translator, pairs: Sequence[SentencePair]) -> Iterator[WordWeights]:
    """The attention of each pair under teacher forcing, pieces merged to words, in no particular order.

    Left out are models that hand over one vector, which have nothing to align, sentences that the tokenizer splits
    into other words than their spaces do, and those of more than `LONGEST_SOURCE` pieces, whose maps would fill the
    memory.
    """
    encoded = encode_pairs(pairs, translator.tokenizer)
    short = [index for index, pair in enumerate(encoded) if _is_short(pair)]
    for batch in TokenBudgetBatches([encoded[index] for index in short], _BATCH_TOKENS, None) if short else ():
        with torch.inference_mode():
            on_device = batch.on(translator.device)
            maps = translator.network.attention_maps(on_device.src, on_device.src_mask, on_device.tgt_in)
        named = _named_maps([m for m in maps if m.kind == "cross"])
        if batch.src.size(1) > 1 and next(iter(named.values())).shape[-1] == 1:
            return
        for row, place in enumerate(batch.index.tolist()):
            index = short[place]
            src, tgt = encoded[index].src.tolist(), encoded[index].tgt.tolist()
            weights = {name: w[row, : len(tgt) + 1, : len(src)] for name, w in named.items()}
            merged = _merge(translator, pairs[index], src, tgt, weights, READINGS)
            if merged:
                yield WordWeights(index, merged)


def saliency_words(translator: Translator, pairs: Sequence[SentencePair]) -> Iterator[WordWeights]:
    """The saliency of each pair, which every model has, in the same form. Only the predicting step can be read."""
    encoded = encode_pairs(pairs, translator.tokenizer)
    for index, ids in enumerate(encoded):
        if not _is_short(ids):
            continue
        weights = {SALIENCY: piece_saliency(translator.network, ids)}
        merged = _merge(translator, pairs[index], ids.src.tolist(), ids.tgt.tolist(), weights, READINGS[:1])
        if merged:
            yield WordWeights(index, merged)


def _is_short(pair: EncodedPair) -> bool:
    return max(len(pair.src), len(pair.tgt)) <= LONGEST_SOURCE


def _named_maps(cross: Sequence) -> dict[str, np.ndarray]:
    """(batch, tgt_len, src_len) each: every head, the mean of every layer, the mean of all."""
    weights = {m.name.removeprefix("cross-attention").lstrip(", "): m.weights.float().cpu().numpy() for m in cross}
    if all(w.shape[1] == 1 for w in weights.values()) and len(weights) == 1:
        return {"attention": next(iter(weights.values()))[:, 0]}
    named = {"mean of all layers and heads": np.concatenate(list(weights.values()), axis=1).mean(1)}
    for layer, w in weights.items():
        named[f"{layer}, mean of heads"] = w.mean(1)
        named |= {f"{layer}, head {head + 1}": w[:, head] for head in range(w.shape[1])}
    return named


def _merge(
    translator: Translator,
    pair: SentencePair,
    src: list[int],
    tgt: list[int],
    weights: dict[str, np.ndarray],
    readings: Sequence[Reading],
) -> dict[MapChoice, np.ndarray]:
    """Word maps of one pair; none where the tokenizer's words are not those between the spaces."""
    src_words, src_word_of = translator.tokenizer.words(src)
    tgt_words, tgt_word_of = translator.tokenizer.words(tgt)
    if len(src_words) - 1 != len(pair.src.split()) or len(tgt_words) != len(pair.tgt.split()):
        return {}
    return {
        MapChoice(name, reading): merge_to_words(read_at(w, reading), src_word_of, tgt_word_of)
        for name, w in weights.items()
        for reading in readings
    }


class Aligned(NamedTuple):
    """What the maps of one model gave on a set of pairs.

    Attributes:
        counts: For each way to read them, the counts of every pair, in the order of the pairs.
        sharpness: For each way, the mean over pairs.
        num_pairs: How many pairs could be read.
    """

    counts: dict[MapChoice, Counts]
    sharpness: dict[MapChoice, Sharpness]
    num_pairs: int


def align(words: Iterator[WordWeights], pairs: Sequence[SentencePair]) -> Aligned:
    """Counts links of all ways to read the maps in `words` against the gold links of `pairs`."""
    counts: dict[MapChoice, Counts] = defaultdict(lambda: [{} for _ in pairs])
    shapes: dict[MapChoice, list[Sharpness]] = defaultdict(list)
    num_pairs = 0
    for index, maps in words:
        num_pairs += 1
        for choice, weights in maps.items():
            counts[choice][index] = count_links(strongest_links(weights[:, :-1]), pairs[index].links)
            shapes[choice].append(sharpness(weights))
    means = {choice: Sharpness(*np.mean(of_choice, axis=0).tolist()) for choice, of_choice in shapes.items()}
    return Aligned(dict(counts), means, num_pairs)


def total(counts: Counts) -> AlignmentCounts:
    """The sum over sentences and phenomena."""
    return AlignmentCounts(*np.sum([AlignmentCounts(), *(c for by in counts for c in by.values())], axis=0).tolist())


def error_rates(aligned: Aligned) -> dict[MapChoice, float]:
    """The alignment error rate of every way to read the maps, best first."""
    rates = {choice: total(counts).error_rate for choice, counts in aligned.counts.items()}
    return dict(sorted(rates.items(), key=lambda item: item[1]))


def error_rate_score(counts: Counts, phenomenon: str | None = None) -> SumScore:
    """The alignment error rate as sums over sentences: of everything, or of one phenomenon."""
    rows = []
    for by_phenomenon in counts:
        chosen = [c for name, c in by_phenomenon.items() if phenomenon in (None, name)]
        rows.append(np.sum([AlignmentCounts(), *chosen], axis=0))
    return SumScore(np.array(rows, dtype=float), _error_rate)


def _error_rate(sums: np.ndarray) -> np.ndarray:
    """Not a number where a resampled set happens to hold no word of a rare phenomenon."""
    with np.errstate(invalid="ignore"):
        return AlignmentCounts(*sums).error_rate
