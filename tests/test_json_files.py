"""What is written as JSON comes back, and what is broken is named."""

import pytest

from pipeline.errors import UserError
from pipeline.json_files import read_json, read_json_lines, write_json, write_json_lines


@pytest.mark.parametrize(("is_compact", "num_lines"), [(False, 7), (True, 1)])
def test_names_and_values_come_back_from_many_lines_or_from_one(tmp_path, is_compact, num_lines):
    content = {"word": "Straße", "scores": [0.5, None]}
    path = tmp_path / "new" / "a.json"
    write_json(path, content, is_compact=is_compact)
    text = path.read_text(encoding="utf-8")
    assert "Straße" in text
    assert len(text.splitlines()) == num_lines
    assert read_json(path) == content


@pytest.mark.parametrize(("text", "message"), [("[1]", "it holds a list, not names and values"), ('{"a": ', "line 1")])
def test_a_file_that_holds_something_else_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=rf"a\.json is broken \(.*{message}.*; restore it, or remove it"):
        read_json(tmp_path / "a.json")


def test_a_file_without_a_name_that_is_needed_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"models": {}}')
    assert read_json(tmp_path / "a.json", "models") == {"models": {}}
    with pytest.raises(UserError, match=r"a\.json is broken \(it has no corpus, search\)"):
        read_json(tmp_path / "a.json", "corpus", "models", "search")


def test_json_lines_come_back_whatever_separators_are_inside_a_text(tmp_path):
    rows = [{"text": "a\u2028b\x85c\nd", "score": 0.5}, {"text": "Straße", "score": None}]
    path = tmp_path / "rows.jsonl"
    write_json_lines(path, rows)
    assert path.read_bytes().count(b"\n") == len(rows)
    assert "Straße" in path.read_text(encoding="utf-8")
    assert read_json_lines(path) == rows
