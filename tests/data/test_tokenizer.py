import itertools
import unicodedata

import pytest

from pipeline.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from pipeline.errors import UserError

SENTENCES = [
    "a dog sleeps .",
    "the cat sees the dog .",
    "der Hund schläft .",
    "die Katze sieht den Hund .",
    "viele Hunde schlafen hier",
]
NUM_LETTERS = len(set("".join(SENTENCES))) - 1  # without the space


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(SENTENCES, 310)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_known_sentence_survives_a_round_trip(tokenizer, sentence):
    assert tokenizer.decode(tokenizer.encode([sentence])) == [sentence]


@pytest.mark.parametrize(
    "sentence", ["안녕 하세요 .", "der Hund 🐕 schläft", "👩‍🚀", "Ω ≠ ω", "漢字 und kana かな", "don’t"]
)
def test_letters_never_seen_survive_a_round_trip_by_their_bytes(tokenizer, sentence):
    ids = tokenizer.encode([sentence])[0]
    assert UNK not in ids
    assert tokenizer.decode([ids]) == [sentence]


@pytest.mark.parametrize("sentence", ["½ ①", "Ｈund …", "ﬁn", "e\u0301", "m²"])
def test_what_looks_alike_becomes_equal_as_unicode_s_nfkc_has_it(tokenizer, sentence):
    assert tokenizer.decode(tokenizer.encode([sentence])) == [unicodedata.normalize("NFKC", sentence)]


@pytest.mark.parametrize("sentence", ["\u200b", "\ufeff", ""])
def test_a_sentence_with_nothing_to_see_has_no_pieces(tokenizer, sentence):
    assert tokenizer.encode([sentence]) == [[]]


def test_training_twice_gives_the_same_model(tokenizer):
    assert Tokenizer.train(SENTENCES, 310).proto == tokenizer.proto


def test_the_model_alone_rebuilds_the_tokenizer(tokenizer):
    rebuilt = Tokenizer(bytes(tokenizer.proto))
    assert rebuilt.size == tokenizer.size
    assert rebuilt.encode(SENTENCES) == tokenizer.encode(SENTENCES)


def test_the_four_special_pieces_come_first(tokenizer):
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert tokenizer.pieces([EOS, BOS]) == ["</s>", "<s>"]
    assert not {PAD, UNK, BOS, EOS} & {i for ids in tokenizer.encode(SENTENCES) for i in ids}


def test_special_pieces_leave_no_trace_in_the_text(tokenizer):
    ids = tokenizer.encode(["der Hund ."])[0]
    assert tokenizer.decode([[BOS, *ids, EOS, PAD, PAD], [EOS, PAD]]) == ["der Hund .", ""]


def test_the_size_is_at_most_what_was_asked_for(tokenizer):
    assert tokenizer.size == 310
    assert max(i for ids in tokenizer.encode(SENTENCES) for i in ids) < tokenizer.size
    few = Tokenizer.train(SENTENCES, 5000)
    assert 310 < few.size < 5000


def test_frequent_words_become_one_piece():
    tokenizer = Tokenizer.train(["der Hund"] * 20, 300)
    assert tokenizer.pieces(tokenizer.encode(["der Hund"])[0]) == ["▁der", "▁Hund"]


def test_a_vocabulary_too_small_for_the_letters_is_the_user_s_error():
    smallest = 4 + 256 + 1 + NUM_LETTERS  # special pieces, bytes, the mark of a word's start, letters
    assert Tokenizer.train(SENTENCES, smallest).size == smallest
    with pytest.raises(UserError, match=rf"vocab_size is {smallest - 1}.*at least {smallest}.*--data.vocab_size"):
        Tokenizer.train(SENTENCES, smallest - 1)


def test_words_groups_the_pieces_of_a_word_and_ends_with_eos(tokenizer):
    ids = tokenizer.encode(["der schlaf ist da ."])[0]
    words, word_of = tokenizer.words([*ids, EOS])
    assert words == ["der", "schlaf", "ist", "da", ".", "</s>"]
    assert len(word_of) == len(ids) + 1
    assert word_of[0] == 0
    assert all(after - before in (0, 1) for before, after in itertools.pairwise(word_of))
    assert word_of.count(5) == 1
    pieces = tokenizer.pieces(ids)
    spelled = ["".join(p for p, w in zip(pieces, word_of, strict=False) if w == n).strip("▁") for n in range(5)]
    assert spelled == words[:5]


def test_words_puts_the_bytes_of_a_letter_into_one_word(tokenizer):
    ids = tokenizer.encode(["der 한국 Hund"])[0]
    words, word_of = tokenizer.words(ids)
    assert words == ["der", "한국", "Hund"]
    assert word_of.count(1) >= 6  # three bytes for each of two letters


def test_words_of_nothing_is_nothing(tokenizer):
    assert tokenizer.words([]) == ([], [])
    assert tokenizer.words([EOS]) == (["</s>"], [0])


def test_text_of_any_ids_is_one_line():
    tokenizer = Tokenizer.train(["a b c"], 300)
    newline = tokenizer.encode(["a"])[0] + [4 + ord("\n"), 4 + ord("\r")] + tokenizer.encode(["b"])[0]
    assert [tokenizer.pieces(newline)[1], tokenizer.pieces(newline)[2]] == ["<0x0A>", "<0x0D>"]
    (text,) = tokenizer.decode([newline])
    assert text.split() == ["a", "b"]
    assert not set("\n\r") & set(text)
