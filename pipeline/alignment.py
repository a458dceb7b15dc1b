"""Alignment maps of words, made from attention weights of pieces."""

from collections.abc import Sequence

import numpy as np


def merge_to_words(weights: np.ndarray, src_word_of: Sequence[int], tgt_word_of: Sequence[int]) -> np.ndarray:
    """Weights of pieces → weights of words: the sum over a source word's pieces, the mean over a target word's.

    Rows that sum to 1 still do. Where one state is handed over, there is one column and it stays.

    Args:
        weights: (tgt_len, src_len), or (tgt_len, 1).
        src_word_of: (src_len,) index of each source piece's word, as `Tokenizer.words` gives it.
        tgt_word_of: (tgt_len,) likewise.

    Returns:
        (tgt_words, src_words), or (tgt_words, 1).
    """
    if weights.shape[1] > 1:
        weights = weights @ _membership(src_word_of)
    rows = _membership(tgt_word_of)
    return rows.T @ weights / rows.sum(0)[:, None]


def _membership(word_of: Sequence[int]) -> np.ndarray:
    """(pieces, words): 1 where the piece is part of the word."""
    return np.eye(max(word_of) + 1)[list(word_of)]
