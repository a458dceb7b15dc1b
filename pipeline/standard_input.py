"""Lines from standard input as soon as they are there, and as many at once as there are."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.errors import UserError

_CHUNK_BYTES = 1 << 16


class Lines(NamedTuple):
    """Some lines in a row; `first` is the number of the first one, counted from 1.

    Attributes:
        error: What is wrong with the line after these; None if nothing is.
    """

    first: int
    lines: list[str]
    error: UserError | None = None


def read_lines_as_they_come(descriptor: int) -> Iterator[Lines]:
    """Yields what has arrived: one line that somebody typed, or the thousands of a file.

    Broken UTF-8 ends the reading: the lines before it come together with the error.
    """
    rest, number = b"", 1
    while True:
        block = os.read(descriptor, _CHUNK_BYTES)
        whole, newline, rest = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
        if newline or (not block and whole):
            lines = _decoded(whole.split(b"\n"), number)
            yield lines
            if lines.error:
                return
            number += len(lines.lines)
        if not block:
            return


def _decoded(raw: list[bytes], first: int) -> Lines:
    lines: list[str] = []
    for line in raw:
        try:
            encoding = "utf-8-sig" if first + len(lines) == 1 else "utf-8"  # a byte order mark is no part of a line
            lines.append(line.removesuffix(b"\r").decode(encoding))
        except UnicodeDecodeError as error:
            number = first + len(lines)
            broken = UserError(f"standard input, line {number}: not UTF-8 ({error.reason}); convert it to UTF-8")
            return Lines(first, lines, broken)
    return Lines(first, lines)
