"""Files that nobody meant to make: each is read right, or refused with its file and line."""

import csv
import gzip
import io
import json
import re

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import files
from pipeline.data.corpus import SentencePair
from pipeline.data.loading import load_corpus
from pipeline.errors import UserError
from pipeline.printable import printable
from tests.commands import refusal_of
from tests.nasty import LINES, NO_TEXT, TEXT

CELLS = st.one_of(TEXT, st.text(st.characters(), max_size=5), st.sampled_from([*NO_TEXT.values()]))


def cleaned(rows) -> list[SentencePair] | int:
    """What must come of rows of cells: pairs, or the number of the first row that is refused (0 of none at all)."""
    pairs = []
    for number, row in enumerate(rows, 1):
        if any(not cell.strip() or "\0" in cell or re.search("[\ud800-\udfff]", cell) for cell in row):
            return number
        pairs.append(SentencePair(*(re.sub("[\r\n]", " ", cell).strip() for cell in row)))
    return pairs or 0


def check(read, expected: list[SentencePair] | int, place: str) -> None:
    """`read()` gives the expected pairs, or names the expected place."""
    if isinstance(expected, list):
        assert read() == expected
        return
    with pytest.raises(UserError, match="no sentences|no column" if expected == 0 else place):
        read()


# Pairs stay together


@given(st.lists(st.tuples(LINES, LINES, st.sampled_from(["\n", "\r\n"])), min_size=2, max_size=6))
def test_line_n_of_the_source_stays_with_line_n_of_the_target(tmp_path, rows):
    paths = tmp_path / "train.en", tmp_path / "train.de"
    for side, path in enumerate(paths):
        path.write_bytes("".join(row[side] + row[2] for row in rows).encode())
    expected = cleaned([row[:2] for row in rows])
    check(lambda: files.read_text_pair(*paths), expected, rf"train\.en and train\.de, line {expected}: the ")


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.booleans(), st.booleans())
def test_objects_on_lines_are_the_pairs_that_were_written(tmp_path, rows, ascii_only, blank_first):
    lines = ["\n"] * blank_first + [
        json.dumps({"en": src, "de": tgt}, ensure_ascii=ascii_only or bool(re.search("[\ud800-\udfff]", src + tgt)))
        + "\n"
        for src, tgt in rows
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(lines), encoding="utf-8", newline="")
    expected = cleaned([[json.loads(json.dumps(cell)) for cell in row] for row in rows])  # two halves are a whole again
    line = expected + blank_first if isinstance(expected, int) else None
    check(lambda: files.read_table(path, "en", "de"), expected, rf"train\.jsonl, line {line}: the ")


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.sampled_from(["csv", "tsv"]), st.booleans())
def test_rows_of_a_table_are_the_pairs_that_were_written(tmp_path, rows, ending, zipped):
    rows = [[cell.replace("\r", "\n").encode("utf-8", "replace").decode() for cell in row] for row in rows]
    written = io.StringIO()
    writer = csv.writer(written, delimiter={"csv": ",", "tsv": "\t"}[ending], lineterminator="\n")
    starts = []
    for row in [["en", "de"], *rows]:
        starts.append(written.getvalue().count("\n") + 1)
        writer.writerow(row)
    path = tmp_path / f"train.{ending}{'.gz' if zipped else ''}"
    path.write_bytes((gzip.compress if zipped else bytes)(written.getvalue().encode()))
    expected = cleaned(rows)
    line = starts[expected] if isinstance(expected, int) else None
    check(lambda: files.read_table(path, "en", "de"), expected, rf"{re.escape(path.name)}, line {line}: the ")


@given(st.lists(st.tuples(LINES, LINES), max_size=4))
def test_rows_of_a_parquet_file_are_the_pairs_that_were_written(tmp_path, rows):
    path = tmp_path / "train.parquet"
    sides = [pyarrow.array([row[side] for row in rows], pyarrow.string()) for side in (0, 1)]
    pyarrow.parquet.write_table(pyarrow.table(sides, names=["en", "de"]), path)
    expected = cleaned(rows)
    check(lambda: files.read_table(path, "en", "de"), expected, rf"train\.parquet, row {expected}: the ")


# Files of anything


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["en", "de", "translation"]), inner),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=4), st.sampled_from(["jsonl", "json"]))
def test_any_json_is_read_or_refused_in_one_printable_line(tmp_path, values, ending):
    path = tmp_path / f"train.{ending}"
    lines = [json.dumps(value) for value in values]
    path.write_text("\n".join(lines) if ending == "jsonl" else f"[{', '.join(lines)}]")
    refusal = refusal_of(lambda: files.read_table(path, "en", "de"))
    assert path.name in refusal or len(files.read_table(path, "en", "de")) == len(values)
    assert printable(refusal) == refusal


@given(st.binary(max_size=60), st.sampled_from([f"train.{e}{z}" for e in files.TABLE_FORMATS for z in ("", ".gz")]))
def test_any_bytes_are_read_or_refused(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refusal_of(lambda: files.read_table(path, "en", "de")) or files.read_table(path, "en", "de")


@pytest.fixture(scope="module")
def parquet() -> bytes:
    written = io.BytesIO()
    rows = {"en": [f"sentence {n}" for n in range(40)], "de": [f"Satz {n}" for n in range(40)]}
    pyarrow.parquet.write_table(pyarrow.table(rows), written)
    return written.getvalue()


@given(st.data())
def test_a_file_cut_short_anywhere_is_refused_by_name(tmp_path, parquet, data):
    whole = {"train.parquet": parquet, "train.jsonl.gz": gzip.compress(b'{"en": "one", "de": "eins"}\n' * 9, mtime=0)}
    name = data.draw(st.sampled_from(sorted(whole)))
    cut = data.draw(st.integers(1, len(whole[name]) - 1))
    (tmp_path / name).write_bytes(whole[name][:cut])
    with pytest.raises(UserError, match=re.escape(name)):
        files.read_table(tmp_path / name, "en", "de")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"en": 7, "de": "x"}', "line 1: the source is 7, which is not text"),
        ("a.jsonl", b'{"en": ' + b"[" * 100_000, "line 1: not JSON .maximum recursion depth"),
        ("a.json", b"[" * 100_000, "a.json cannot be read as json: maximum recursion depth"),
        ("a.jsonl", b'"\\u001b[31m"', r"line 1: not an object like .*: '\\x1b\[31m'"),
        ("a.jsonl", b'[{"en": "a", "de": "b"}]', "line 1: not an object like"),
        ("a.jsonl", b'{"\\u001b[31m": 1}', r"it has ␛\[31m; choose"),
        ("a.jsonl", b'{"translation": {"en": "a", "de": "b"}}\n{"id": 3}', "line 2: the translation is not an object"),
        ("a.csv", b"en,en,de\na,b,c\n", "a.csv has 2 columns 'en'; give each column its own name"),
        ("a.csv", b"en,de\ra,b\r", "a.csv, line 1: not a row of a table"),
        ("a.csv", b'en,de\n"a\nb",x\n"c" d,y\n', "a.csv, line 4: not a row of a table"),
        ("a.csv", "en,de\na,b\n".encode("utf-16"), "a.csv, line 1: not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        files.read_table(tmp_path / name, "en", "de")


def test_a_parquet_file_damaged_inside_is_refused_by_name(tmp_path, parquet):
    (tmp_path / "train.parquet").write_bytes(parquet[:40] + b"\xff" * 20 + parquet[60:])
    with pytest.raises(UserError, match=r"train\.parquet cannot be read as parquet"):
        files.read_table(tmp_path / "train.parquet", "en", "de")


def test_cells_of_a_parquet_file_that_are_no_text_are_refused_by_row(tmp_path):
    rows = {"translation": [{"en": "a", "de": "b"}, None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"train\.parquet, row 2: the translation is not an object"):
        files.read_table(tmp_path / "train.parquet", "en", "de")


def test_blank_rows_of_a_table_are_no_pairs(tmp_path):
    (tmp_path / "train.csv").write_text("en,de\n\na,b\n\n,c\n\n")
    with pytest.raises(UserError, match=r"train\.csv, line 5: the source is empty"):
        files.read_table(tmp_path / "train.csv", "en", "de")


def test_text_whose_lines_end_otherwise_is_not_taken_for_one_long_sentence(tmp_path):
    for name in ("train.en", "train.de"):
        (tmp_path / name).write_bytes(b"one\rtwo\rthree\r")
    with pytest.raises(UserError, match=r"train\.en: its lines end in a carriage return alone"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")


def test_utf_16_that_happens_to_be_utf_8_is_refused(tmp_path):
    for name in ("train.en", "train.de"):
        (tmp_path / name).write_bytes("one\ntwo\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="line 1: the source holds a NUL, as UTF-16 does"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")


@pytest.mark.parametrize("corpus", ["", "\0", "~no such user", "\x1b[31m"])
def test_a_name_that_cannot_be_a_corpus_is_refused(tmp_path, corpus):
    with pytest.raises(UserError, match="no corpus"):
        load_corpus(corpus, "en", "de", tmp_path)
