"""Word alignments: from attention weights of pieces to links between words, and how good those links are.

Worked example, two target words over three source words:

    weights  [[0.7, 0.2, 0.1],      strongest_links → {(0, 0), (2, 1)}, pairs of (source word, target word)
              [0.1, 0.3, 0.6]]      in Pharaoh format: 0-0 2-1
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import special

from pipeline.data.corpus import Link
from pipeline.errors import UserError

# Which step's weights stand for a target word: the step that predicts it, or the next one, whose input it is. Chen et
# al. 2020 (§3) find that a Transformer aligns better when its word is the input.
Reading = Literal["predicting", "input"]
READINGS: tuple[Reading, ...] = get_args(Reading)


def merge_to_words(weights: np.ndarray, src_word_of: Sequence[int], tgt_word_of: Sequence[int]) -> np.ndarray:
    """Weights of pieces → weights of words: the sum over a source word's pieces, the mean over a target word's.

    Rows that sum to 1 still do. Where one state is handed over, there is one column and it stays.

    Args:
        weights: (…, tgt_len, src_len), or (…, tgt_len, 1).
        src_word_of: (src_len,) index of each source piece's word, as `Tokenizer.words` gives it.
        tgt_word_of: (tgt_len,) likewise.

    Returns:
        (…, tgt_words, src_words), or (…, tgt_words, 1).
    """
    if weights.shape[-1] > 1:
        weights = weights @ _membership(src_word_of)
    rows = _membership(tgt_word_of)
    return rows.T @ weights / rows.sum(0)[:, None]


def _membership(word_of: Sequence[int]) -> np.ndarray:
    """(pieces, words): 1 where the piece is part of the word."""
    return np.eye(max(word_of) + 1)[list(word_of)]


def read_at(weights: np.ndarray, reading: Reading) -> np.ndarray:
    """The rows that stand for y_1 … y_n, of weights (…, n + 1, src_len) whose rows predict y_1 … y_n and the end."""
    return weights[..., :-1, :] if reading == "predicting" else weights[..., 1:, :]


# Links

WordLinks = set[tuple[int, int]]  # (source word, target word), counted from 0
_LONGEST_LINK = 20  # characters; Python itself refuses to read numbers of thousands of digits


def strongest_links(weights: np.ndarray) -> WordLinks:
    """For each target word its strongest source word, of weights (tgt_words, src_words) without a column for EOS."""
    return {(int(src), tgt) for tgt, src in enumerate(weights.argmax(-1))}


def diagonal_links(src_words: int, tgt_words: int) -> WordLinks:
    """The baseline that knows only lengths: each target word to the source word at the same share of the way."""
    return {(min(src_words - 1, (2 * tgt + 1) * src_words // (2 * tgt_words)), tgt) for tgt in range(tgt_words)}


def format_pharaoh(links: WordLinks) -> str:
    """ "0-0 2-1": source word, target word, by target word."""
    return " ".join(f"{src}-{tgt}" for src, tgt in sorted(links, key=lambda link: (link[1], link[0])))


def parse_pharaoh(line: str, where: str) -> tuple[Link, ...]:
    """The links of one sentence: "0-0" is sure, "2p1" is possible, source word first, counted from 0.

    Raises:
        UserError: A link is written otherwise; `where` names the line.
    """
    links = []
    for text in line.split():
        src, separator, tgt = next((text.partition(s) for s in "-p" if s in text), (text, "", ""))
        if not (src.isdecimal() and tgt.isdecimal() and len(text) <= _LONGEST_LINK):
            raise UserError(
                f"{where}: {text[:_LONGEST_LINK]!r} is not a link; "
                "expected i-j (sure) or ipj (possible), counted from 0"
            )
        links.append(Link(int(src), int(tgt), separator == "-", "all"))
    return tuple(links)


# Scores


class AlignmentCounts(NamedTuple):
    """What alignment scores are made of, over any number of sentences (Och & Ney 2003, §5).

    Attributes:
        proposed: |A|, the links that were proposed.
        sure: |S|, the sure links of the gold alignment.
        proposed_sure: |A ∩ S|.
        proposed_possible: |A ∩ P|, where every sure link is also possible.
    """

    proposed: float = 0
    sure: float = 0
    proposed_sure: float = 0
    proposed_possible: float = 0

    def plus(self, other: "AlignmentCounts") -> "AlignmentCounts":
        """Those of both together."""
        return AlignmentCounts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def error_rate(self) -> float:
        """AER = 1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|): 0 is perfect."""
        return 1 - (self.proposed_sure + self.proposed_possible) / (self.proposed + self.sure)

    @property
    def precision(self) -> float | None:
        """|A ∩ P| / |A|; None where nothing was proposed."""
        return self.proposed_possible / self.proposed if self.proposed else None

    @property
    def recall(self) -> float | None:
        """|A ∩ S| / |S|; None where nothing is sure."""
        return self.proposed_sure / self.sure if self.sure else None


def count_links(proposed: WordLinks, gold: Iterable[Link]) -> dict[str, AlignmentCounts]:
    """Counts per phenomenon; their sum is that of the sentence.

    Each target word belongs to the phenomenon of its gold links. Links to a target word without gold links count under
    "unaligned".
    """
    gold = list(gold)
    phenomenon_of = {link.tgt: link.phenomenon for link in gold}
    sure = {(link.src, link.tgt) for link in gold if link.is_sure}
    possible = {(link.src, link.tgt) for link in gold}
    counts: dict[str, AlignmentCounts] = {}

    def add(phenomenon: str, more: AlignmentCounts) -> None:
        counts[phenomenon] = counts.get(phenomenon, AlignmentCounts()).plus(more)

    for link in proposed:
        add(
            phenomenon_of.get(link[1], "unaligned"),
            AlignmentCounts(proposed=1, proposed_sure=link in sure, proposed_possible=link in possible),
        )
    for _, tgt in sure:
        add(phenomenon_of[tgt], AlignmentCounts(sure=1))
    return counts


def expected_by_chance(src_words: int, tgt_words: int, gold: Sequence[Link]) -> dict[str, AlignmentCounts]:
    """The counts to expect of one link per target word to a source word drawn evenly."""
    counts: dict[str, AlignmentCounts] = {}
    everything = {(src, tgt) for src in range(src_words) for tgt in range(tgt_words)}
    for phenomenon, all_links in count_links(everything, gold).items():
        chance = AlignmentCounts(*(value / src_words for value in all_links))
        counts[phenomenon] = chance._replace(sure=all_links.sure)
    return counts


def best_single_links(tgt_words: int, gold: Sequence[Link]) -> WordLinks:
    """The best that one link per target word can be: a sure one where there is one, else a possible one."""
    best: dict[int, tuple[int, int]] = {}
    for link in sorted(gold, key=lambda link: link.is_sure):
        best[link.tgt] = (link.src, link.tgt)
    return {best.get(tgt, (0, tgt)) for tgt in range(tgt_words)}


class Sharpness(NamedTuple):
    """What a map looks like, whether or not its links are right.

    Attributes:
        entropy: Mean over target words of −Σ a log a over source words and EOS, in nats: 0 is one word.
        on_end: Mean weight on the source's EOS.
        coverage: Mean over source words of min(1, Σ_t a): 1 means that every word was read about once.
    """

    entropy: float
    on_end: float
    coverage: float


def sharpness(weights: np.ndarray) -> Sharpness:
    """Of word weights (tgt_words, src_words + 1) whose last column is EOS and whose rows sum to 1."""
    return Sharpness(
        entropy=float(special.entr(weights).sum(-1).mean()),
        on_end=float(weights[:, -1].mean()),
        coverage=float(np.minimum(1.0, weights[:, :-1].sum(0)).mean()),
    )
