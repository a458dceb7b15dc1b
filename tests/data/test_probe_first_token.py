"""The answer stands first, at the distance asked for, and cannot be guessed."""

import numpy as np
import pytest

from pipeline.data.probes import first_token
from pipeline.data.tokenizer import EOS


@pytest.mark.parametrize("length", [1, 2, 9])
def test_the_answer_is_first_and_only_noise_follows(length):
    src, tgt = first_token.draw(np.random.default_rng(1), length, num_answers=5, num_noise=3)
    assert len(src) == length + 1
    assert src[-1] == EOS
    assert tgt.tolist() == [src[0].item()]
    assert first_token.FIRST_ANSWER <= src[0] < first_token.FIRST_ANSWER + 5
    assert all(first_token.FIRST_ANSWER + 5 <= noise < first_token.vocab_size(5, 3) for noise in src[1:-1])


def test_every_answer_and_every_noise_symbol_is_drawn():
    rng = np.random.default_rng(2)
    pairs = [first_token.draw(rng, 6, num_answers=5, num_noise=3) for _ in range(200)]
    assert len({pair.tgt.item() for pair in pairs}) == 5
    assert len({id for pair in pairs for id in pair.src[1:-1].tolist()}) == 3
