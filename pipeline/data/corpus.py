"""What a parallel corpus is: sentence pairs in three splits, with word links where the corpus knows them."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

SPLITS = ("train", "val", "test")

# Source lengths in words, both ends included, by which scores are reported and the toy corpus is balanced.
LENGTH_BANDS = ((1, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60))
BANDS_AND_BEYOND = (*LENGTH_BANDS, (LENGTH_BANDS[-1][1] + 1, None))


class Link(NamedTuple):
    """One word of the source translates one word of the target: positions count words from 0.

    A sure link is one that every annotator would draw; a possible link is one that may be drawn (Och & Ney 2003, §5).
    `phenomenon` names the rule of grammar that made it (see `phrases.PHENOMENA`).
    """

    src: int
    tgt: int
    is_sure: bool
    phenomenon: str


class SentencePair(NamedTuple):
    """A sentence and its translation; `links` is empty where the corpus does not know the word alignment."""

    src: str
    tgt: str
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Sentence pairs in the splits train, val and test, from language `src` to language `tgt`.

    Attributes:
        name: What the run folders are called: `toy`, `multi30k`, a folder's name.
        source: Where it came from, in words, for the log and the results.
        is_synthetic: True where every sentence has exactly one right translation, so that exact match is a fair score.
    """

    name: str
    source: str
    src: str
    tgt: str
    train: list[SentencePair]
    val: list[SentencePair]
    test: list[SentencePair]
    is_synthetic: bool = False

    def split(self, name: str) -> list[SentencePair]:
        """The pairs of one of `SPLITS`."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def content_hash(self) -> str:
        """SHA-256 (hex) over all text: the same for one corpus from the Hub and from a local folder."""
        digest = hashlib.sha256()
        for name in SPLITS:
            digest.update(f"{name}\n".encode())
            for pair in self.split(name):
                digest.update(f"{pair.src}\n{pair.tgt}\n".encode())
        return digest.hexdigest()
