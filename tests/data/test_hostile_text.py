"""Text that nobody meant to train on: as ids, in batches, as a corpus of its own."""

import re
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.batching import EncodedPair, TokenBudgetBatches
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import BOS, EOS, PAD, Tokenizer
from pipeline.errors import UserError
from tests.commands import refusal_of
from tests.nasty import BLANK, INVISIBLE, LINES, READABLE, SENTENCES, TEN_THOUSAND_WORDS


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["a dog sleeps .", "der Hund schläft ."], 400)


@given(st.lists(LINES, max_size=4), st.integers(-5, 500) | st.just(10**12))
def test_any_sentences_make_a_tokenizer_or_are_refused(sentences, vocab_size):
    refusal = refusal_of(lambda: Tokenizer.train(sentences, vocab_size))
    if not re.search("vocab_size is|nothing that can be read", refusal):
        assert Tokenizer.train(sentences, vocab_size).size <= vocab_size


@given(LINES)
def test_any_sentence_comes_back_as_one_line_of_the_same_text(tokenizer, sentence):
    (back,) = tokenizer.decode(tokenizer.encode([sentence]))
    assert not set("\n\r\x1b\u2028") & set(back)
    kept = [unicodedata.normalize("NFKC", text).split() for text in (sentence, back)]
    if sentence.isascii() and sentence.isprintable():
        assert kept[0] == kept[1]


@given(st.lists(st.integers(0, 259), max_size=30))
def test_any_ids_decode_to_one_line_without_control_characters(tokenizer, ids):
    (text,) = tokenizer.decode([ids])
    words, word_of = tokenizer.words([*ids, EOS])
    for shown in (text, *words):
        assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert len(word_of) == len(ids) + 1
    assert sorted(set(word_of)) == list(range(len(words)))


@pytest.mark.parametrize("sentence", INVISIBLE.values(), ids=INVISIBLE)
def test_a_corpus_of_nothing_visible_is_refused(sentence):
    with pytest.raises(UserError, match="the training sentences hold nothing that can be read"):
        Tokenizer.train([sentence, sentence], 300)


def test_letters_are_counted_as_the_tokenizer_sees_them():
    """㌀ is four letters to it, and a vocabulary for one is too small."""
    with pytest.raises(UserError, match=r"needs at least 265 \(4 different letters"):
        Tokenizer.train(["㌀"], 262)
    assert Tokenizer.train(["㌀"], 265).size == 265


def test_sentences_with_sentencepiece_s_own_sign_count_like_all_others():
    tokenizer = Tokenizer.train(["Hund ▅"] * 9, 300)
    assert tokenizer.pieces(tokenizer.encode(["Hund"])[0]) == ["▁Hund"]


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(UserError, match=r"'a \\ud800' is not UTF-8"):
        tokenizer.encode(["fine", "a \ud800"])


# Batches and corpora


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=9), st.integers(-3, 99))
def test_every_pair_is_in_one_batch_whatever_the_budget(lengths, batch_tokens):
    pairs = [EncodedPair(torch.tensor([5] * src + [EOS]), torch.full((tgt,), 6)) for src, tgt in lengths]
    seen = []
    for batch in TokenBudgetBatches(pairs, batch_tokens, seed=1):
        assert len(batch.index) == 1 or max(batch.src.numel(), batch.tgt_in.numel()) <= batch_tokens
        assert batch.num_tokens == sum(lengths[row][1] + 1 for row in batch.index)
        seen += batch.index.tolist()
    assert sorted(seen) == list(range(len(pairs)))


@pytest.mark.parametrize("rows", [["a"], ["a", "a", "a"], READABLE], ids=["one word", "identical pairs", "everything"])
def test_a_strange_corpus_is_batched_as_it_is(tmp_path, rows):
    """Source and target are the same."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for split in ("train", "val", "test"):
        for side in ("en", "de"):
            (folder / f"{split}.{side}").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="")
    data = TranslationData(str(folder), vocab_size=700, cache_dir=str(tmp_path / "cache"))
    data.setup()
    for batches, count in (
        (data.train_dataloader(), len(rows) - rows.count(TEN_THOUSAND_WORDS)),
        (data.val_dataloader(), len(rows)),
    ):
        found = list(batches)
        assert sum(len(batch.index) for batch in found) == count
        for batch in found:
            for src, tgt in zip(batch.src.tolist(), batch.tgt_out.tolist(), strict=True):
                assert [i for i in src if i != PAD] == [i for i in tgt if i != PAD]
                assert BOS not in src


def test_batches_of_absurd_lengths_have_finite_plans():
    pairs = [EncodedPair(torch.full((n,), 5), torch.full((n,), 5)) for n in (1, 20_000, 1)]
    assert [len(rows) for rows in TokenBudgetBatches(pairs, 100, None).plan(0)] == [2, 1]
    assert np.concatenate(TokenBudgetBatches(pairs, 100, None).plan(0)).tolist() == [0, 2, 1]


def test_the_sentences_are_what_they_are_meant_to_be(tokenizer):
    assert not any(tokenizer.encode([*INVISIBLE.values(), *BLANK.values()])[n] for n in range(len(INVISIBLE)))
    assert all(tokenizer.encode(list(SENTENCES.values())))
    assert len(TEN_THOUSAND_WORDS.split()) > 10_000
