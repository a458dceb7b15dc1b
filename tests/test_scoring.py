"""What a batch of sentences gives, computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from pipeline.data.batching import Batch
from pipeline.scoring import score_batch


def test_a_token_is_right_where_it_is_the_most_probable_and_padding_never_is():
    tgt_out = torch.tensor([[5, 6, 3], [7, 3, 0]])
    predicted = torch.tensor([[5, 4, 3], [7, 3, 0]])
    logits = F.one_hot(predicted, 11).float()  # so that the predicted token has e / (e + 10), each other 1 / (e + 10)
    batch = Batch(tgt_out, tgt_out != 0, tgt_out, tgt_out, torch.tensor([4, 0]), 5)
    found = score_batch(lambda *_: logits, batch, tokenizer=None)
    assert [(score.index, score.tokens, score.correct) for score in found] == [(4, 3, 2), (0, 2, 2)]
    each = math.log(math.e + 10)
    assert [score.nats for score in found] == pytest.approx([3 * each - 2, 2 * each - 2])
