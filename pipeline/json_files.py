"""JSON files: written whole or not at all, and what is read of one that is broken is said with its name."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.atomic import write_text
from pipeline.errors import UserError


def write_json(path: Path, content: Mapping[str, Any], *, is_compact: bool = False) -> None:
    """Names and values, on lines that people and git can compare; in one line where `is_compact`."""
    layout = {"separators": (",", ":")} if is_compact else {"indent": 2}
    write_text(path, json.dumps(content, ensure_ascii=False, **layout) + "\n")


def read_json(path: Path, *needed: str) -> dict[str, Any]:
    """The content of a JSON file. Raises UserError where it is no object with the names `needed`, or not JSON."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, not names and values")
        if missing := [name for name in needed if name not in content]:
            raise ValueError(f"it has no {', '.join(missing)}")
        return content
    except ValueError as error:
        raise UserError(f"{path} is broken ({error}); restore it, or remove it and make it again") from error


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """What `write_json_lines` wrote. Raises ValueError, with the line, where it is damaged."""
    rows = []
    # Not splitlines, which also cuts at separators inside a sentence.
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        try:
            rows += [json.loads(line)] if line else []
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return rows
