"""Recalling one symbol from afar: the plainest task with one source token that is known to matter, at a known distance.

Worked example with two answers, ids 4 and 5, and three noise symbols, ids 6, 7 and 8, at length 5 (3 is EOS):

    source  5 8 6 6 7 EOS      target  5

The answer stands first and noise follows, so a recurrent network must carry it through `length` steps to the end of the
source. It is one symbol only, so that a small state is large enough; and answers and noise have different ids, so that
what matters can be told by what it is, without counting. Guessing is right in 1 of `num_answers`.
"""

import numpy as np
import torch

from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE

FIRST_ANSWER = FIRST_PIECE


def vocab_size(num_answers: int, num_noise: int) -> int:
    """The vocabulary with the special tokens."""
    return FIRST_ANSWER + num_answers + num_noise


def draw(rng: np.random.Generator, length: int, num_answers: int, num_noise: int) -> EncodedPair:
    """One pair of `length` source symbols, the answer among them, and EOS."""
    first_noise = FIRST_ANSWER + num_answers
    answer = torch.from_numpy(rng.integers(FIRST_ANSWER, first_noise, size=1))
    noise = torch.from_numpy(rng.integers(first_noise, first_noise + num_noise, size=length - 1))
    return EncodedPair(torch.cat([answer, noise, torch.tensor([EOS])]), answer)
