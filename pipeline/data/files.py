"""Parallel text from local files: a folder of tables (jsonl, csv, tsv, parquet) or of text pairs (train.en, train.de).

Worked example of a folder of tables, as the Hub's `bentrevett/multi30k` has it:

    train.jsonl  val.jsonl  test.jsonl        each line {"en": "a man sleeps .", "de": "ein Mann schläft ."}

and of text pairs, line n of one file translating line n of the other:

    train.en  train.de  val.en  val.de  test.en.gz  test.de.gz
"""

import gzip
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.corpus import SPLITS, SentencePair
from pipeline.errors import UserError

SPLIT_NAMES = {"train": ("train",), "val": ("val", "validation", "valid", "dev"), "test": ("test",)}
# File ending → the builder of `datasets` that reads it, and its options.
TABLE_FORMATS = {
    "jsonl": ("json", {}),
    "json": ("json", {}),
    "csv": ("csv", {}),
    "tsv": ("csv", {"sep": "\t"}),
    "parquet": ("parquet", {}),
}


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
                f"{folder} has no {split} split; expected {split}.jsonl (or {', '.join(list(TABLE_FORMATS)[1:])}) or "
                f"{split}.{src} and {split}.{tgt} (perhaps .gz); it holds {_listing(folder)}"
            )
    return splits


def read_table(path: Path, src: str, tgt: str) -> list[SentencePair]:
    """The columns `src` and `tgt` of a table, or the keys of its column "translation"."""
    import datasets  # heavy, and needed for tables only

    builder, options = TABLE_FORMATS[path.name.removesuffix(".gz").rsplit(".", 1)[-1]]
    if builder != "parquet":
        for _ in _lines(path):  # finds what is not UTF-8, with its line number
            pass
    try:
        with _quiet(datasets):
            table = datasets.load_dataset(builder, data_files=str(path), split="train", **options)
    except datasets.exceptions.DatasetGenerationError as error:
        raise UserError(f"{path} cannot be read as {builder}: {error.__cause__ or error}") from error
    return pairs_of(table, src, tgt, str(path))


def pairs_of(table, src: str, tgt: str, where: str) -> list[SentencePair]:
    """Sentence pairs of a `datasets.Dataset`; `where` names it in errors."""
    columns = table.column_names
    if "translation" in columns and not {src, tgt} <= set(columns):
        translations = table["translation"][:]
        columns = sorted(translations[0]) if translations else []
        read = {name: [row.get(name) for row in translations] for name in (src, tgt) if name in columns}
    else:
        read = {name: table[name][:] for name in (src, tgt) if name in columns}
    for name in (src, tgt):
        if name not in read:
            raise UserError(
                f"{where} has no column {name!r}; it has {', '.join(columns)}; choose with --data.src and --data.tgt"
            )
    return clean_pairs(read[src], read[tgt], where)


def read_text_pair(src_path: Path, tgt_path: Path) -> list[SentencePair]:
    """Line n of one file with line n of the other."""
    src_lines, tgt_lines = list(_lines(src_path)), list(_lines(tgt_path))
    if len(src_lines) != len(tgt_lines):
        raise UserError(
            f"{src_path} has {len(src_lines)} lines but {tgt_path} has {len(tgt_lines)}; "
            "line n of one must translate line n of the other"
        )
    return clean_pairs(src_lines, tgt_lines, f"{src_path} and {tgt_path.name}")


def clean_pairs(src: list[str], tgt: list[str], where: str) -> list[SentencePair]:
    """Strips outer white space; refuses a pair with nothing on one side, since no model can read an empty source."""
    pairs = []
    for number, (source, target) in enumerate(zip(src, tgt, strict=True), 1):
        for side, sentence in (("source", source), ("target", target)):
            if not isinstance(sentence, str) or not sentence.strip():
                raise UserError(f"{where}, line {number}: the {side} is empty; remove the pair or fill it in")
        pairs.append(SentencePair(source.strip(), target.strip()))
    if not pairs:
        raise UserError(f"{where}: no sentences; every split needs at least one pair")
    return pairs


def _lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 text file, gzipped or not, split at "\\n" only: U+2028 and its kin are part of a sentence."""
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    try:
        with opened as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error
    except (gzip.BadGzipFile, EOFError) as error:
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


class _quiet:
    """Switches the progress bars of `datasets` off: reading a local file takes no time worth a bar."""

    def __init__(self, datasets) -> None:
        self.datasets = datasets

    def __enter__(self) -> None:
        self.datasets.disable_progress_bars()

    def __exit__(self, *_) -> None:
        self.datasets.enable_progress_bars()
