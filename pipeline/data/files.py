"""Parallel text from local files: a folder of tables (jsonl, csv, tsv, parquet) or of text pairs (train.en, train.de).

Worked example of a folder of tables, as the Hub's `bentrevett/multi30k` has it:

    train.jsonl  val.jsonl  test.jsonl        each line {"en": "a man sleeps .", "de": "ein Mann schläft ."}

and of text pairs, line n of one file translating line n of the other:

    train.en  train.de  val.en  val.de  test.en.gz  test.de.gz

Quotation marks around a field of csv and tsv are not part of the text (RFC 4180); one within is written twice.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.data.corpus import SPLITS, SentencePair
from pipeline.errors import UserError

SPLIT_NAMES = {"train": ("train",), "val": ("val", "validation", "valid", "dev"), "test": ("test",)}
TABLE_FORMATS = ("jsonl", "json", "csv", "tsv", "parquet")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Table(NamedTuple):
    """A table by columns; `lines` says on which line of its file each row stands, None where it has no lines."""

    columns: dict[str, Sequence[object]]
    lines: Sequence[int] | None = None


def read_folder(folder: Path, src: str, tgt: str) -> dict[str, list[SentencePair]]:
    """The three splits of a folder.

    Raises:
        UserError: A split or a column is missing, line counts differ, a side is empty, or a file is not UTF-8.
    """
    splits = {}
    for split in SPLITS:
        table, text = _find_table(folder, split), _find_text(folder, split, src, tgt)
        if table:
            splits[split] = read_table(table, src, tgt)
        elif text:
            splits[split] = read_text_pair(*text)
        else:
            raise UserError(
                f"{folder} has no {split} split; expected {split}.jsonl (or {', '.join(TABLE_FORMATS[1:])}) or "
                f"{split}.{src} and {split}.{tgt} (perhaps .gz); it holds {_listing(folder)}"
            )
    return splits


def read_table(path: Path, src: str, tgt: str) -> list[SentencePair]:
    """The columns `src` and `tgt` of a table, or these keys of its column "translation"."""
    read = {"csv": _read_csv, "tsv": _read_csv, "parquet": _read_parquet}
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    try:
        table = read.get(ending, _read_json)(path)
    except UserError:
        raise
    except (ValueError, LookupError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as {ending}: {error}") from error
    return pairs_of(table, src, tgt, str(path))


def pairs_of(table: Table, src: str, tgt: str, where: str) -> list[SentencePair]:
    """The sentence pairs of a table; `where` names it in errors."""
    columns = table.columns
    if "translation" in columns and not {src, tgt} <= set(columns):
        columns = _by_language(table, where)
    for name in (src, tgt):
        if name not in columns:
            header = "; its first line names them" if re.search(r"\.[ct]sv(\.gz)?$", where) else ""
            raise UserError(
                f"{where} has no column {name!r}; it has {', '.join(columns)}{header}; choose with --data.src and "
                "--data.tgt"
            )
    return clean_pairs(columns[src], columns[tgt], where, table.lines)


def _by_language(table: Table, where: str) -> dict[str, Sequence[object]]:
    """The column "translation", {"en": …, "de": …} in each row, as a column per language."""
    rows = table.columns["translation"]
    return _columns(rows, _places(where, table.lines, len(rows)), "the translation is not")


def _columns(rows: Sequence[object], places: Iterable[str], what_is_not: str) -> dict[str, Sequence[object]]:
    """Objects as columns; what an object lacks is None."""
    for row, place in zip(rows, places, strict=True):
        if not isinstance(row, dict):
            raise UserError(f'{place}: {what_is_not} an object like {{"en": "…", "de": "…"}}: {_short(row)}')
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _read_json(path: Path) -> Table:
    """One object per line or, in a .json file, also a list of objects."""
    lines = read_lines(path)
    numbers = None
    if ".jsonl" not in path.suffixes and "".join(lines).lstrip().startswith("["):
        rows = json.loads("\n".join(lines))
    else:
        numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
        rows = [_json_of(lines[number - 1], path, number) for number in numbers]
    return Table(_columns(rows, _places(str(path), numbers, len(rows)), "not"), numbers)


def _json_of(line: str, path: Path, number: int) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not JSON ({error})") from error


def _read_csv(path: Path) -> Table:
    separator = "\t" if ".tsv" in path.name else ","
    # Not pandas: it would turn the sentences "None" and "NA" into missing values.
    reader = csv.reader((line + "\n" for line in read_lines(path)), delimiter=separator, strict=True)
    rows, numbers, number = [], [], 1  # a row may be several lines long
    try:
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(number)
                if len(row) != len(rows[0]):
                    raise UserError(f"{path}, line {number}: {len(row)} cells, but the header names {len(rows[0])}")
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {number}: not a row of a table ({error}); a cell that begins with a quotation mark ends "
            "with one, and has those within doubled"
        ) from error
    header, rows = (rows[0], rows[1:]) if rows else ([], [])
    _refuse_twice(header, path)
    return Table({name: [row[column] for row in rows] for column, name in enumerate(header)}, numbers[1:])


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet  # heavy, and needed for this format only

    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except OSError as error:  # not of the disk: so pyarrow calls damage inside the file
        raise UserError(f"{path} cannot be read as parquet: {error}") from error
    _refuse_twice(table.column_names, path)
    return Table(table.to_pydict())


def _refuse_twice(names: Sequence[str], path: Path) -> None:
    for name in names:
        if name and names.count(name) > 1:
            raise UserError(f"{path} has {names.count(name)} columns {name!r}; give each column its own name")


def read_text_pair(src_path: Path, tgt_path: Path) -> list[SentencePair]:
    """Line n of one file with line n of the other."""
    src_lines, tgt_lines = read_lines(src_path), read_lines(tgt_path)
    if len(src_lines) != len(tgt_lines):
        raise UserError(
            f"{src_path} has {len(src_lines)} lines but {tgt_path} has {len(tgt_lines)}; "
            "line n of one must translate line n of the other"
        )
    for path, lines in ((src_path, src_lines), (tgt_path, tgt_lines)):
        if len(lines) == 1 and "\r" in lines[0]:
            raise UserError(f"{path}: its lines end in a carriage return alone; convert them to end in a line feed")
    return clean_pairs(src_lines, tgt_lines, f"{src_path} and {tgt_path.name}", range(1, len(src_lines) + 1))


def clean_pairs(
    src: Sequence[object], tgt: Sequence[object], where: str, lines: Sequence[int] | None = None
) -> list[SentencePair]:
    """Sentences without outer white space, each on one line: line ends inside it become spaces.

    Args:
        where: Names the file in errors.
        lines: On which line of it each pair stands; None where it has no lines, so that errors count rows.

    Raises:
        UserError: A side is empty, which no model can read, or is not text; or there are no pairs.
    """
    pairs: list[SentencePair] = []
    refused: list[UserError] = []
    for source, target, place in zip(src, tgt, _places(where, lines, len(src)), strict=True):
        try:
            pairs.append(SentencePair(_sentence(source, "source", place), _sentence(target, "target", place)))
        except UserError as error:
            refused.append(error)
    if refused:
        others = f" (and {len(refused) - 1} pairs more that cannot be used)" if len(refused) > 1 else ""
        raise UserError(f"{refused[0]}{others}")
    if not pairs:
        raise UserError(f"{where}: no sentences; every split needs at least one pair")
    return pairs


def _sentence(cell: object, side: str, place: str) -> str:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise UserError(f"{place}: the {side} is empty; remove the pair or fill it in")
    if not isinstance(cell, str):
        raise UserError(
            f"{place}: the {side} is {_short(cell)}, which is not text; put it in quotes or remove the pair"
        )
    if "\0" in cell:
        raise UserError(
            f"{place}: the {side} holds a NUL, as UTF-16 does; convert the file to UTF-8, or remove the pair"
        )
    if _HALF_PAIR.search(cell):
        raise UserError(f"{place}: the {side} holds half of a surrogate pair, which is no character; remove the pair")
    return cell.replace("\r", " ").replace("\n", " ").strip()


def _places(where: str, lines: Sequence[int] | None, rows: int) -> Iterator[str]:
    """What errors call each row of a file."""
    return (
        (f"{where}, line {n}" for n in lines) if lines is not None else (f"{where}, row {n + 1}" for n in range(rows))
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, gzipped or not, without their ends; split at "\\n" only: U+2028 and its kin are
    part of a sentence.

    Raises:
        UserError: It is not UTF-8, or a broken gzip file.
    """
    open_ = gzip.open if path.suffix == ".gz" else open
    lines: list[str] = []
    try:
        with open_(path, "rb") as file:
            for line in file:
                text = line.decode("utf-8" if lines else "utf-8-sig")
                lines.append(text.removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {len(lines) + 1}: not UTF-8 ({error.reason}); convert the file to UTF-8"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file: {error}") from error
    return lines


def _find_table(folder: Path, split: str) -> Path | None:
    names = [f"{name}.{ending}{gz}" for name in SPLIT_NAMES[split] for ending in TABLE_FORMATS for gz in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _find_text(folder: Path, split: str, src: str, tgt: str) -> tuple[Path, Path] | None:
    for name in SPLIT_NAMES[split]:
        sides = [
            next((p for p in (folder / f"{name}.{side}", folder / f"{name}.{side}.gz") if p.is_file()), None)
            for side in (src, tgt)
        ]
        if all(sides):
            return sides[0], sides[1]
    return None


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "") if names else "nothing"
