"""Text to ids and back: one SentencePiece model for both languages of a corpus."""

import io
from collections.abc import Iterable, Sequence

import sentencepiece as spm

from pipeline.errors import UserError

PAD, UNK, BOS, EOS = range(4)
FIRST_PIECE = EOS + 1  # the first id that is no special one
NUM_BYTES = 256
MAX_VOCAB_SIZE = 1_000_000
_WORD_START = "▁"
_UNK_SIGN = "▅"
_NORMALISATION = "nmt_nfkc"
# A translation is one line of plain text, whatever a model spells with byte pieces.
_NOT_IN_TEXT = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")


class Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) by SentencePiece, with byte fallback.

    Any script survives a round trip. What does not is what SentencePiece's usual normalisation (NFKC) makes equal:
    no-break and double spaces, ½ and 1⁄2, full-width letters.

    Worked example (the pieces depend on the corpus):

        "der Hund schläft ."  ⇄  ▁der ▁Hund ▁schläf t ▁.  ⇄  [7, 112, 340, 21, 5]

    Attributes:
        proto: The serialised model: everything needed to rebuild this tokenizer.
        size: How many pieces there are, with PAD, UNK, BOS, EOS and the 256 bytes.
    """

    def __init__(self, proto: bytes) -> None:
        self.proto = proto
        self._processor = spm.SentencePieceProcessor(model_proto=proto)
        self.size: int = self._processor.get_piece_size()

    @classmethod
    def train(cls, sentences: Iterable[str], vocab_size: int) -> "Tokenizer":
        """Learns at most `vocab_size` pieces; fewer where the sentences do not hold that many.

        Raises:
            UserError: `vocab_size` is too small for the letters of the sentences, or absurdly large; or the sentences
                hold nothing but spaces and characters without a meaning of their own.
        """
        # SentencePiece leaves out whole sentences with its own sign for UNK in them, without a word.
        sentences = [sentence.replace(_UNK_SIGN, " ") for sentence in sentences]
        normaliser = spm.SentencePieceNormalizer(rule_name=_NORMALISATION)
        # Between words it writes a space before SentencePiece 0.2.3, and the mark of a word's start since.
        letters = len(set("".join(normaliser.normalize(sentences))) - {_WORD_START, " "})
        if not letters:
            raise UserError(
                "the training sentences hold nothing that can be read: only spaces and invisible characters"
            )
        needed = NUM_BYTES + 5 + letters  # 4 special pieces, the bytes, every letter, "▁"
        if vocab_size < needed:
            raise UserError(
                f"vocab_size is {vocab_size}, but this corpus needs at least {needed} "
                f"({letters} different letters, {NUM_BYTES} bytes, 5 more); set --data.vocab_size {needed} or more"
            )
        if vocab_size > MAX_VOCAB_SIZE:
            raise UserError(f"vocab_size is {vocab_size}; set --data.vocab_size {MAX_VOCAB_SIZE} or less")
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
            normalization_rule_name=_NORMALISATION,
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            num_threads=1,  # unigram gives other pieces with other numbers of threads
            max_sentence_length=1_000_000,  # bytes; longer sentences would be left out without a word
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=2,
        )
        return cls(model.getvalue())

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Ids of each sentence, without BOS and EOS.

        Raises:
            UserError: A sentence holds half of a surrogate pair, as text from a command line that is not UTF-8 does.
        """
        try:
            return self._processor.encode(list(sentences))
        except TypeError as error:
            bad = next(sentence for sentence in sentences if any(0xD800 <= ord(letter) < 0xE000 for letter in sentence))
            raise UserError(f"{bad[:60]!r} is not UTF-8; convert it to UTF-8") from error

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each id sequence; PAD, BOS and EOS leave no trace. A sentence is one line: line ends and control
        characters, which byte pieces can spell, become spaces."""
        return [self._text([int(i) for i in row if i not in (PAD, BOS, EOS)]) for row in ids]

    def _text(self, ids: list[int]) -> str:
        return self._processor.decode(ids).translate(_NOT_IN_TEXT)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece behind each id: "▁Hund", "</s>"."""
        return [self._processor.id_to_piece(int(i)) for i in ids]

    def words(self, ids: Sequence[int]) -> tuple[list[str], list[int]]:
        """The words of an id sequence and, for each id, the index of its word. EOS is a word of its own.

        For `▁schläf t ▁. </s>` that is (["schläft", ".", "</s>"], [0, 0, 1, 2]).
        """
        groups: list[list[int]] = []
        word_of = []
        for id_, piece in zip(ids, self.pieces(ids), strict=True):
            if not groups or piece.startswith(_WORD_START) or id_ == EOS:
                groups.append([])
            groups[-1].append(int(id_))
            word_of.append(len(groups) - 1)
        words = ["</s>" if group == [EOS] else self._text(group) for group in groups]
        return words, word_of
