"""Text to ids and back: one SentencePiece model for both languages of a corpus."""

import io
from collections.abc import Iterable, Sequence

import sentencepiece as spm

from pipeline.errors import UserError

PAD, UNK, BOS, EOS = range(4)
NUM_BYTES = 256
_WORD_START = "▁"


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
            UserError: `vocab_size` is too small for the letters of the sentences.
        """
        sentences = list(sentences)
        letters = len(set("".join(sentences)) - {" "})
        needed = NUM_BYTES + 5 + letters  # 4 special pieces, the bytes, every letter, "▁"
        if vocab_size < needed:
            raise UserError(
                f"vocab_size is {vocab_size}, but this corpus needs at least {needed} "
                f"({letters} different letters, {NUM_BYTES} bytes, 5 more); set --data.vocab_size {needed} or more"
            )
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
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
        """Ids of each sentence, without BOS and EOS."""
        return self._processor.encode(list(sentences))

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each id sequence; PAD, BOS and EOS leave no trace. A sentence is one line: line ends become spaces,
        which only byte pieces could spell."""
        texts = (self._processor.decode([int(i) for i in row if i not in (PAD, BOS, EOS)]) for row in ids)
        return [text.replace("\n", " ").replace("\r", " ") for text in texts]

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
        words = ["</s>" if group == [EOS] else self._processor.decode(group) for group in groups]
        return words, word_of
