"""Our own generated Markdown: tables made, and taken apart again for HTML. No torch here.

Worked example: "## Scores\\n\\n| model | BLEU |\\n| --- | ---: |\\n| a | 1.0 |" is
`[Paragraph("Scores"), Table(["model", "BLEU"], [False, True], [["a", "1.0"]])]`: a heading is a line of text.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Paragraph(NamedTuple):
    text: str


class Table(NamedTuple):
    """Cells as text; `is_number` says which columns are aligned as numbers are."""

    header: list[str]
    is_number: list[bool]
    rows: list[list[str]]


Block = Paragraph | Table


def joined_rows(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Rows that differ in their first cell only, as one row with all their first cells."""
    firsts: dict[tuple[str, ...], list[str]] = {}
    for first, *rest in rows:
        firsts.setdefault(tuple(rest), []).append(first)
    return [["; ".join(of_row), *rest] for rest, of_row in firsts.items()]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], num_texts: int = 1) -> str:
    """A Markdown table that is also aligned to the eye: the first `num_texts` columns are text, at the left; the others
    are numbers, at the right. A bar in a cell, as of |x|, does not end it."""
    header, *rows = ([cell.replace("|", "\\|") for cell in row] for row in (header, *rows))
    columns = list(zip(header, *rows, strict=True))
    widths = [max(2, *map(len, column)) for column in columns]  # of the rule, "-:" is the shortest

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if index < num_texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if index < num_texts else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def blocks_of(markdown: str) -> list[Block]:
    """The blocks of a text made by `markdown_table` and what is put around it."""
    return [_block(part.strip()) for part in markdown.split("\n\n") if part.strip()]


def table_of(markdown: str) -> Table:
    """The one table of `markdown`."""
    (table,) = (block for block in blocks_of(markdown) if isinstance(block, Table))
    return table


def _block(text: str) -> Block:
    if text.startswith("#"):
        return Paragraph(text.lstrip("#").strip())
    if not text.startswith("|"):
        return Paragraph(text)
    header, rule, *rows = (_cells(line) for line in text.split("\n"))
    return Table(header, [cell.endswith(":") for cell in rule], rows)


def _cells(line: str) -> list[str]:
    """A bar that is part of a cell has a backslash before it."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
