"""What a model's words were made from: attention and saliency of one sentence pair, merged from pieces to words."""

from typing import NamedTuple

import numpy as np
import torch

from pipeline.alignment import merge_to_words
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.tokenizer import EOS, Tokenizer
from pipeline.models import Seq2Seq
from pipeline.saliency import saliency

SALIENCY = "saliency"
_ONE_VECTOR = "one vector"  # stands in the place of the source's words, none of which has a space


class WordMap(NamedTuple):
    """A map of words: `weights` (heads, queries, keys), and what stands on its axes.

    `kind` is that of an `AttentionMap`, or `SALIENCY`.
    """

    name: str
    kind: str
    weights: np.ndarray
    queries: list[str]
    keys: list[str]

    @property
    def is_one_vector(self) -> bool:
        """Whether one vector is read in the place of the source's words: there is nothing to choose from."""
        return self.keys == [_ONE_VECTOR]


@torch.inference_mode()
def word_maps(network: Seq2Seq, tokenizer: Tokenizer, pair: EncodedPair) -> list[WordMap]:
    """All attention weights of a network in evaluation mode for one sentence pair, pieces merged to words.

    Row t of a cross-attention map is the step that predicts word t of the target; the last row predicts its end.
    """
    batch = make_batch([pair]).on(next(network.parameters()).device)
    (src_words, src_word_of), (tgt_words, tgt_word_of) = _words(tokenizer, pair)
    maps = []
    for name, weights, kind in network.attention_maps(batch.src, batch.src_mask, batch.tgt_in):
        queries, query_word_of = (tgt_words, tgt_word_of) if kind == "cross" else (src_words, src_word_of)
        merged = np.stack(
            [merge_to_words(head, src_word_of, query_word_of) for head in weights[0].float().cpu().numpy()]
        )
        keys = src_words if weights.size(-1) > 1 or len(src_words) == 1 else [_ONE_VECTOR]
        maps.append(WordMap(name, kind, merged, queries, keys))
    return maps


def saliency_map(network: Seq2Seq, tokenizer: Tokenizer, pair: EncodedPair) -> WordMap:
    """The saliency of a target: the map that a model without attention has too."""
    (src_words, src_word_of), (tgt_words, tgt_word_of) = _words(tokenizer, pair)
    weights = merge_to_words(piece_saliency(network, pair), src_word_of, tgt_word_of)
    return WordMap(SALIENCY, SALIENCY, weights[None], tgt_words, src_words)


def piece_saliency(network: Seq2Seq, pair: EncodedPair) -> np.ndarray:
    """`saliency` of one pair: (tgt_len + 1, src_len), the last row being that of EOS."""
    batch = make_batch([pair]).on(next(network.parameters()).device)
    return saliency(network, batch.src[0], batch.tgt_in[0], batch.tgt_out[0]).cpu().numpy()


def _words(tokenizer: Tokenizer, pair: EncodedPair) -> tuple[tuple[list[str], list[int]], ...]:
    """Of the source and of the target, both with their end: the words, and which word each piece belongs to."""
    return tokenizer.words(pair.src.tolist()), tokenizer.words([*pair.tgt.tolist(), EOS])


def mean_cross_map(maps: list[WordMap]) -> WordMap:
    """The mean over all layers and heads of the cross-attention: the map that every model has."""
    cross = [m for m in maps if m.kind == "cross"]
    weights = np.concatenate([m.weights for m in cross]).mean(0, keepdims=True)
    return cross[0]._replace(name="cross-attention, mean", weights=weights)
