"""What a batch of sentences gives, computed by hand, and what is asked of the search."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pipeline import decoding
from pipeline.data.batching import Batch, EncodedPair
from pipeline.data.tokenizer import BOS, PAD, UNK
from pipeline.fast import search as fast_search
from pipeline.scoring import GREEDY, Search, score_batch, search_batches, symbols_of, translate_batch
from tests.conftest import VOCAB_SIZE, make_network

TOKENIZER = SimpleNamespace(size=VOCAB_SIZE)


def batch_of(sentences) -> Batch:
    src, mask, tgt = sentences
    return Batch(src, mask, tgt, tgt, torch.arange(len(src)), 1)


def test_a_token_is_right_where_it_is_the_most_probable_and_padding_never_is():
    tgt_out = torch.tensor([[5, 6, 3], [7, 3, 0], [3, 0, 0]])  # the last stands in where a process has no sentence
    predicted = torch.tensor([[5, 4, 3], [7, 3, 0], [3, 0, 0]])
    logits = F.one_hot(predicted, 11).float()  # so that the predicted token has e / (e + 10), each other 1 / (e + 10)
    batch = Batch(tgt_out, tgt_out != 0, tgt_out, tgt_out, torch.tensor([4, 0, -1]), 5)
    found = score_batch(lambda *_: logits, batch, tokenizer=None)
    assert [(score.index, score.tokens, score.correct) for score in found] == [(4, 3, 2), (0, 2, 2)]
    each = math.log(math.e + 10)
    assert [score.nats for score in found] == pytest.approx([3 * each - 2, 2 * each - 2])


def test_special_tokens_and_rows_that_no_piece_uses_are_never_translated_to():
    symbols = symbols_of(num_pieces=9, vocab_size=11, device=torch.device("cpu"))
    assert symbols.forbidden.nonzero().flatten().tolist() == [PAD, UNK, BOS, 9, 10]


PAIRS = [EncodedPair(torch.arange(4, 6 + i % 3), torch.arange(4, 6)) for i in range(2500)]


@pytest.mark.parametrize(
    ("search", "tokens"),
    [
        (GREEDY, 8192),
        (Search(5), 1638),
        (Search(1000), 8),
        (GREEDY._replace(fast=True), 8192),
        (Search(5, fast=True), 3276),
        (Search(16_385, fast=True), 1),
    ],
)
def test_batches_of_a_search_are_as_large_as_its_hypotheses_allow(search, tokens):
    batches = list(search_batches(PAIRS, search))
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(len(PAIRS)))
    longest = max(batch.src.numel() for batch in batches)
    assert tokens - 4 < longest <= tokens or {len(batch.src) for batch in batches} == {1}


@pytest.mark.parametrize(("fast", "path"), [(False, decoding), (True, fast_search)])
def test_a_search_is_what_was_asked_for_and_takes_the_path_that_was(sentences, monkeypatch, fast, path):
    asked = []
    monkeypatch.setattr(path, "beam_search", lambda *_, **given: asked.append(given))
    translate_batch(make_network("gru"), batch_of(sentences), TOKENIZER, Search(7, 0.3, 2, fast))
    assert asked == [{"beam": 7, "alpha": 0.3, "num_best": 2}]


@pytest.mark.parametrize("beam", [1, 3])
def test_a_score_is_the_log_probability_over_the_length_to_the_alpha_that_was_asked_for(sentences, beam):
    found = translate_batch(make_network("gru"), batch_of(sentences), TOKENIZER, Search(beam, 0.3))
    length = (found.ids != PAD).sum(2)
    torch.testing.assert_close(found.score, found.log_prob / ((5 + length) / 6) ** 0.3)
