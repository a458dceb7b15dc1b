"""What is evaluated: the sentences of a corpus or of two files, with gold links where they are known."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.alignment import parse_pharaoh
from pipeline.data.batching import encode_pairs, fits
from pipeline.data.corpus import Corpus, SentencePair
from pipeline.data.files import read_lines
from pipeline.data.tokenizer import Tokenizer
from pipeline.errors import UserError


class Sentences(NamedTuple):
    """What is evaluated.

    Attributes:
        test: The sentences that are scored.
        val: Those that a layer and a head are chosen on; may be empty.
        train: Those that the corpus has for training; may be empty.
        is_synthetic: True where exact match is a fair score.
        longest_trained: Words of the longest training source; None if unknown.
        content_hash: Of the whole corpus; None where the sentences are of files.
    """

    name: str
    split: str
    test: Sequence[SentencePair]
    val: Sequence[SentencePair]
    train: Sequence[SentencePair]
    is_synthetic: bool
    longest_trained: int | None
    content_hash: str | None

    @property
    def has_links(self) -> bool:
        return any(pair.links for pair in self.test)


def sentences_of(corpus: Corpus, split: str, longest: int | None) -> Sentences:
    """A split of `corpus`, for models whose longest training source had `longest` words."""
    hashed = corpus.content_hash()
    of_split, synthetic = corpus.split(split), corpus.is_synthetic
    return Sentences(corpus.name, split, of_split, corpus.val, corpus.train, synthetic, longest, hashed)


def longest_source(corpus: Corpus, tokenizer: Tokenizer, max_len: float = math.inf) -> int:
    """Words of the longest training source, of those that are not left out for more than `max_len` pieces."""
    encoded = encode_pairs(corpus.train, tokenizer)
    kept = (pair for pair, pieces in zip(corpus.train, encoded, strict=True) if fits(pieces, max_len))
    return max((len(pair.src.split()) for pair in kept), default=0)


def with_links(sentences: Sentences, links: Path, val_links: Path | None) -> Sentences:
    """The sentences with the gold links of Pharaoh files; without `val_links` nothing is chosen on validation.

    Raises:
        UserError: A file is not of these sentences.
    """
    val = _linked(sentences.val, val_links) if val_links else ()
    return sentences._replace(test=_linked(sentences.test, links), val=val)


def _linked(pairs: Sequence[SentencePair], path: Path) -> list[SentencePair]:
    lines = read_lines(path)
    if len(lines) != len(pairs):
        raise UserError(f"{path} has {len(lines)} lines for {len(pairs)} sentences; expected one line each")
    linked = []
    for number, (pair, line) in enumerate(zip(pairs, lines, strict=True), 1):
        links = parse_pharaoh(line, f"{path}, line {number}")
        src_words, tgt_words = len(pair.src.split()), len(pair.tgt.split())
        for link in links:
            if link.src >= src_words or link.tgt >= tgt_words:
                raise UserError(
                    f"{path}, line {number}: link {link.src}-{link.tgt} is outside a pair of {src_words} and "
                    f"{tgt_words} words; links count words from 0, source first"
                )
        linked.append(pair._replace(links=links))
    return linked
