"""Our own generated Markdown, taken apart for HTML: headings, paragraphs and tables. No torch here.

Worked example: "## Scores\\n\\n| model | BLEU |\\n| --- | ---: |\\n| a | 1.0 |" is
`[Heading("Scores"), Table(["model", "BLEU"], [False, True], [["a", "1.0"]])]`.
"""

import re
from typing import NamedTuple


class Heading(NamedTuple):
    text: str


class Paragraph(NamedTuple):
    text: str


class Table(NamedTuple):
    """Cells as text; `is_number` says which columns are aligned as numbers are."""

    header: list[str]
    is_number: list[bool]
    rows: list[list[str]]


Block = Heading | Paragraph | Table


def blocks_of(markdown: str) -> list[Block]:
    """The blocks of a text made by `report.markdown_table` and what is put around it."""
    return [_block(part.strip()) for part in markdown.split("\n\n") if part.strip()]


def table_of(markdown: str) -> Table:
    """The one table of `markdown`."""
    (table,) = (block for block in blocks_of(markdown) if isinstance(block, Table))
    return table


def _block(text: str) -> Block:
    if text.startswith("#"):
        return Heading(text.lstrip("#").strip())
    if not text.startswith("|"):
        return Paragraph(text)
    header, rule, *rows = (_cells(line) for line in text.split("\n"))
    return Table(header, [cell.endswith(":") for cell in rule], rows)


def _cells(line: str) -> list[str]:
    """A bar that is part of a cell has a backslash before it."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
