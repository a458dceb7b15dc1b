"""Copying and reversing: the plainest tasks on which a fixed-size memory can be too small.

Worked example with three symbols, ids 4, 5 and 6 (0 to 3 are PAD, UNK, BOS, EOS):

    copy       source  5 4 6 EOS      target  5 4 6
    reverse    source  5 4 6 EOS      target  6 4 5

Symbols are drawn evenly and independently, so nothing can be guessed from its neighbours: every symbol must be carried.
"""

from typing import Literal

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE

FIRST_SYMBOL = FIRST_PIECE


def vocab_size(num_symbols: int) -> int:
    """The vocabulary with the special tokens."""
    return FIRST_SYMBOL + num_symbols


def draw(
    rng: np.random.Generator, length: int, num_symbols: int, order: Literal["copy", "reverse"] = "copy"
) -> EncodedPair:
    """One pair of `length` symbols."""
    symbols = torch.from_numpy(rng.integers(FIRST_SYMBOL, FIRST_SYMBOL + num_symbols, size=length))
    target = symbols if order == "copy" else symbols.flip(0)
    return EncodedPair(torch.cat([symbols, torch.tensor([EOS])]), target)
