"""Parallel text from local files: a folder of tables (jsonl, csv, tsv, parquet) or of text pairs (train.en, train.de).

Worked example of a folder of tables, as the Hub's `bentrevett/multi30k` has it:

    train.jsonl  val.jsonl  test.jsonl        each line {"en": "a man sleeps .", "de": "ein Mann schläft ."}

and of text pairs, line n of one file translating line n of the other:

    train.en  train.de  val.en  val.de  test.en.gz  test.de.gz
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.data.corpus import SPLITS, SentencePair
from pipeline.errors import UserError

SPLIT_NAMES = {"train": ("train",), "val": ("val", "validation", "valid", "dev"), "test": ("test",)}
TABLE_FORMATS = ("jsonl", "json", "csv", "tsv", "parquet")


class Table(NamedTuple):
    """A table by columns; `first_line` is the line of its file that the first row stands on."""

    columns: dict[str, Sequence[object]]
    first_line: int = 1


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
    except (ValueError, LookupError, AttributeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as {ending}: {error}") from error
    return pairs_of(table, src, tgt, str(path))


def pairs_of(table: Table, src: str, tgt: str, where: str) -> list[SentencePair]:
    """The sentence pairs of a table; `where` names it in errors."""
    columns = table.columns
    if "translation" in columns and not {src, tgt} <= set(columns):
        translations = columns["translation"]
        columns = {name: [row.get(name) for row in translations] for name in (translations[0] if translations else ())}
    for name in (src, tgt):
        if name not in columns:
            raise UserError(
                f"{where} has no column {name!r}; it has {', '.join(columns)}; choose with --data.src and --data.tgt"
            )
    return clean_pairs(columns[src], columns[tgt], where, table.first_line)


def _read_json(path: Path) -> Table:
    """One object per line or, in a .json file, a list of objects."""
    lines = list(_lines(path))
    if "".join(lines).lstrip().startswith("["):
        rows = list(enumerate(json.loads("\n".join(lines)), 1))
    else:
        rows = [(number, _json_of(line, path, number)) for number, line in enumerate(lines, 1) if line.strip()]
    for number, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("translation", {}), dict):
            raise UserError(f'{path}, line {number}: not an object like {{"en": "…", "de": "…"}}: {str(row)[:60]}')
    names = dict.fromkeys(name for _, row in rows for name in row)
    return Table({name: [row.get(name) for _, row in rows] for name in names})


def _json_of(line: str, path: Path, number: int) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: not JSON ({error})") from error


def _read_csv(path: Path) -> Table:
    separator = "\t" if ".tsv" in path.name else ","
    # Not pandas: it would turn the sentences "None" and "NA" into missing values.
    reader = csv.reader((line + "\n" for line in _lines(path)), delimiter=separator, strict=True)
    header = next(reader, [])
    rows = []
    for row in reader:
        if len(row) != len(header):
            raise UserError(f"{path}, line {reader.line_num}: {len(row)} cells, but the header names {len(header)}")
        rows.append(row)
    return Table({name: [row[column] for row in rows] for column, name in enumerate(header)}, first_line=2)


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet  # heavy, and needed for this format only

    return Table(pyarrow.parquet.read_table(path).to_pydict())


def read_text_pair(src_path: Path, tgt_path: Path) -> list[SentencePair]:
    """Line n of one file with line n of the other."""
    src_lines, tgt_lines = list(_lines(src_path)), list(_lines(tgt_path))
    if len(src_lines) != len(tgt_lines):
        raise UserError(
            f"{src_path} has {len(src_lines)} lines but {tgt_path} has {len(tgt_lines)}; "
            "line n of one must translate line n of the other"
        )
    return clean_pairs(src_lines, tgt_lines, f"{src_path} and {tgt_path.name}")


def clean_pairs(src: Sequence[object], tgt: Sequence[object], where: str, first_line: int = 1) -> list[SentencePair]:
    """Strips outer white space; refuses a pair with nothing on one side, since no model can read an empty source."""
    pairs = []
    for number, (source, target) in enumerate(zip(src, tgt, strict=True), first_line):
        for side, sentence in (("source", source), ("target", target)):
            if not isinstance(sentence, str) or not sentence.strip():
                raise UserError(f"{where}, line {number}: the {side} is empty; remove the pair or fill it in")
        pairs.append(SentencePair(source.strip(), target.strip()))
    if not pairs:
        raise UserError(f"{where}: no sentences; every split needs at least one pair")
    return pairs


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, without their ends.

    Raises:
        UserError: It is not UTF-8, or a broken gzip file.
    """
    return list(_lines(path))


def _lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 text file, gzipped or not, split at "\\n" only: U+2028 and its kin are part of a sentence."""
    open_ = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with open_(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file: {error}") from error


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
