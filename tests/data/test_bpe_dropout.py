"""BPE-dropout: byte-pair encoding itself where nothing is left out, the same text where something is."""

import random
from collections.abc import Iterable

import numpy as np
import pytest

from pipeline.data.batching import Batch, TokenBudgetBatches, encode_pairs
from pipeline.data.bpe_dropout import NUM_SEGMENTATIONS, BPEDropout
from pipeline.data.corpus import SentencePair
from pipeline.data.tokenizer import EOS, FIRST_LEARNED, PAD, Tokenizer

WORDS = [
    "schläfst",
    "schlafen",
    "schlaf",
    "ein",
    "eine",
    "einer",
    "Hund",
    "Hunde",
    "Hündin",
    "läuft",
    "laufen",
    "rennt",
]


@pytest.fixture(scope="module")
def pairs() -> list[SentencePair]:
    chance = random.Random(5)
    sides = [" ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for _ in range(120)]
    return [SentencePair(src, tgt) for src, tgt in zip(sides[::2], sides[1::2], strict=True)]


@pytest.fixture(scope="module")
def tokenizer(pairs) -> Tokenizer:
    return Tokenizer.train([side for pair in pairs for side in (pair.src, pair.tgt)], 330)


def resegment(tokenizer, pairs, p: float, seed: int = 1, chance: int = 1):
    encoded = encode_pairs(pairs, tokenizer)
    return encoded, BPEDropout(tokenizer, p, seed)(encoded, np.random.default_rng(chance))


def ids(pairs) -> list[tuple[list[int], list[int]]]:
    return [(pair.src.tolist(), pair.tgt.tolist()) for pair in pairs]


def test_without_dropout_the_pieces_are_those_of_sentencepiece(tokenizer, pairs):
    hostile = [
        *pairs,
        SentencePair("", "Hund"),
        SentencePair("北京 Hund  ein", "Hund北京"),  # letters that are spelled in bytes, a double space
        SentencePair("Hundschläfst▁ein", "xyz"),
    ]
    encoded, same = resegment(tokenizer, hostile, p=0.0)
    assert ids(same) == ids(encoded)


def test_without_dropout_the_pieces_of_the_toy_corpus_are_those_of_sentencepiece(corpus):
    sentences = corpus.train[:2000]
    tokenizer = Tokenizer.train([side for pair in sentences for side in (pair.src, pair.tgt)], 900)
    encoded, same = resegment(tokenizer, sentences, p=0.0)
    assert ids(same) == ids(encoded)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.99])
def test_other_pieces_spell_the_same_text(tokenizer, pairs, p):
    encoded, other = resegment(tokenizer, pairs, p)
    assert ids(other) != ids(encoded)
    assert all(pair.src[-1] == EOS for pair in other)
    for side in ("src", "tgt"):
        texts = [tokenizer.decode([getattr(pair, side).tolist() for pair in cut]) for cut in (encoded, other)]
        assert texts[0] == texts[1]


def test_more_dropout_gives_more_pieces_up_to_single_letters(tokenizer, pairs):
    def total(p: float) -> int:
        return sum(len(pair.tgt) for pair in resegment(tokenizer, pairs, p)[1])

    letters = sum(len(word) + 1 for pair in pairs for word in pair.tgt.split())
    assert total(0.0) < total(0.1) < total(0.5) < total(0.99) <= letters


def test_a_merge_is_left_out_as_often_as_p_says(tokenizer):
    """A word of two letters, "▁" and one more, has one possible merge, tried once."""
    merged = next(
        piece for piece in tokenizer.pieces(range(FIRST_LEARNED, tokenizer.size)) if len(piece) == 2 and piece[0] == "▁"
    )
    dropout, chance = BPEDropout(tokenizer, 0.3, seed=1), random.Random(2)
    whole = sum(len(dropout.segment(merged, chance)) == 1 for _ in range(4000))
    assert whole / 4000 == pytest.approx(0.7, abs=0.03)  # four standard deviations


def test_a_words_cuts_do_not_depend_on_what_was_read_before_it(tokenizer, pairs):
    """So that a run that goes on after a stop, in a new process, reads what it would have read."""
    encoded = encode_pairs(pairs, tokenizer)
    one, other = BPEDropout(tokenizer, 0.3, seed=1), BPEDropout(tokenizer, 0.3, seed=1)
    one(encoded, np.random.default_rng(1))
    assert ids(one(encoded[5:9], np.random.default_rng(2))) == ids(other(encoded[5:9], np.random.default_rng(2)))


def test_the_cuts_follow_from_the_seed(tokenizer, pairs):
    assert ids(resegment(tokenizer, pairs, 0.3, seed=1)[1]) == ids(resegment(tokenizer, pairs, 0.3, seed=1)[1])
    assert ids(resegment(tokenizer, pairs, 0.3, seed=1)[1]) != ids(resegment(tokenizer, pairs, 0.3, seed=2)[1])


def test_a_word_is_cut_in_many_ways(tokenizer):
    pair = encode_pairs([SentencePair("schläfst", "schläfst")], tokenizer)
    dropout, chance = BPEDropout(tokenizer, 0.3, seed=1), np.random.default_rng(1)
    cuts = {tuple(dropout(pair, chance)[0].tgt.tolist()) for _ in range(400)}
    assert 4 < len(cuts) <= NUM_SEGMENTATIONS


def batches(tokenizer, pairs, rank: int = 0, world_size: int = 1, consumed: int = 0) -> TokenBudgetBatches:
    resegment = BPEDropout(tokenizer, 0.3, seed=1)
    return TokenBudgetBatches(encode_pairs(pairs, tokenizer), 60, 7, rank, world_size, consumed, resegment)


def targets(stream: Iterable[Batch]) -> dict[int, list[int]]:
    """The ids of each target, by its place in the split."""
    return {i: row for batch in stream for i, row in zip(batch.index.tolist(), batch.tgt_out.tolist(), strict=True)}


def trimmed(row: list[int]) -> list[int]:
    return [id_ for id_ in row if id_ != PAD]


def test_epochs_differ_in_pieces_but_not_in_their_number_of_batches(tokenizer, pairs):
    stream = batches(tokenizer, pairs)
    first = targets(stream)
    stream.consumed = len(stream)
    second = targets(stream)
    texts = [tokenizer.decode([epoch[index] for index in range(len(pairs))]) for epoch in (first, second)]
    assert first != second
    assert texts[0] == texts[1] == [pair.tgt for pair in pairs]


def test_a_run_that_goes_on_reads_the_same_pieces(tokenizer, pairs):
    whole = list(batches(tokenizer, pairs))
    resumed = list(batches(tokenizer, pairs, consumed=3))
    assert [batch.src.tolist() for batch in resumed] == [batch.src.tolist() for batch in whole[3:]]


def test_the_shares_of_two_processes_are_together_the_global_batch(tokenizer, pairs):
    for whole, *shares in zip(*(batches(tokenizer, pairs, *place) for place in ((0, 1), (0, 2), (1, 2))), strict=True):
        assert {share.num_tokens for share in shares} == {whole.num_tokens}
        together = {index: row for share in shares for index, row in targets([share]).items()}
        for index, row in targets([whole]).items():
            assert trimmed(together[index]) == trimmed(row)
