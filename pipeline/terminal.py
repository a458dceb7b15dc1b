"""Alignment maps as text, for a terminal. Words come from users and models, and are shown, never obeyed."""

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len, set_cell_size

from pipeline.plots import DrawnMap
from pipeline.printable import printable

_SHADES = (" ", "░", "▒", "▓", "█")
_COLUMN = 2  # cells on the screen, wide enough for one Hangul or Chinese character


def map_text(shown: DrawnMap) -> str:
    """Source words downwards above their columns, target words before their rows, darker for more weight.

    A map of two words by two, with weights of 1 and 0, 0.3 and 0.7:

             t d
             h o
             e g
        der  ██
        Hund ░░▓▓
    """
    title = printable(shown.title)
    src_words, tgt_words = ([printable(word) for word in words] for words in (shown.src_words, shown.tgt_words))
    margin = max(cell_len(word) for word in tgt_words)
    header = _words_downwards(src_words) if len(src_words) > 1 else src_words
    lines = [title, *(" " * (margin + 1) + row for row in header)]
    for word, weights in zip(tgt_words, shown.shades, strict=True):
        lines.append(f"{set_cell_size(word, margin)} " + "".join(map(_shade, weights)))
    return "\n".join(line.rstrip() for line in lines)


def _words_downwards(words: Sequence[str]) -> list[str]:
    """One line per letter, words standing on the last line."""
    height = max(map(len, words))
    columns = [" " * (height - len(word)) + word for word in words]
    return ["".join(set_cell_size(column[line], _COLUMN) for column in columns) for line in range(height)]


def _shade(weight: float) -> str:
    shade = _SHADES[int(np.clip(round(weight * 4 + 0.2), 0, 4))]
    return shade * _COLUMN
