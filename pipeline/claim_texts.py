"""What the pages of the claims say in words, read without importing them, since they import torch."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PAGES = Path(__file__).parent / "claims"
_SECTIONS = ("The article", "Literature", "Made precise", "Set-up", "Criterion", "What this does not show")


class ClaimText(NamedTuple):
    """The docstring of a claim's page.

    Attributes:
        name: "C1".
        title: As the page begins: "the bottleneck".
        sections: "Set-up" → its text, and so on, in the order of the page.
    """

    name: str
    title: str
    sections: dict[str, str]


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Files that begin with a claim's name, as the article has them, C1 first; C0, the order of the models, is last."""

    def place(path: Path) -> tuple[bool, int]:
        number = int(re.match(r"[Cc](\d*)", path.stem)[1] or 0)
        return number == 0, number

    return sorted(paths, key=place)


def pages() -> list[Path]:
    """The page of every claim."""
    return in_order(PAGES.glob("c[0-9]*_*.py"))


def claim_texts() -> list[ClaimText]:
    """What every page says."""
    return [_read(ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))) or "") for page in pages()]


def first_sentences(text: str, count: int) -> tuple[str, str]:
    """The first `count` sentences of a text, and the rest of it."""
    ends = [match.end() for match in re.finditer(r"[.!?](?= [A-Z*])", text)]
    cut = ends[count - 1] if len(ends) >= count else len(text)
    return text[:cut], text[cut:].strip()


def _read(docstring: str) -> ClaimText:
    heading, *paragraphs = (" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
    name, _, title = heading.partition(":")
    sections: dict[str, str] = {}
    current = ""
    for paragraph in paragraphs:
        begun = next((section for section in _SECTIONS if paragraph.startswith(section)), None)
        if begun:
            current = begun
            paragraph = re.sub(r"^[.:]? *", "", paragraph.removeprefix(begun))
            paragraph = paragraph[:1].upper() + paragraph[1:]
        if current:
            sections[current] = f"{sections[current]} {paragraph}" if current in sections else paragraph
    return ClaimText(name.strip(), title.strip().rstrip("."), sections)
