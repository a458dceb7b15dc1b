import gzip
import json
import re
import socket

import datasets
import pytest

from pipeline.data import files
from pipeline.data.corpus import SentencePair
from pipeline.errors import UserError

ROWS = [("a man sleeps .", "ein Mann schläft ."), ("two dogs", "zwei Hunde"), ('she says " no "', 'sie sagt " nein "')]
PAIRS = [SentencePair(*row) for row in ROWS]


def jsonl(rows, src="en", tgt="de") -> bytes:
    return "".join(json.dumps({src: s, tgt: t}, ensure_ascii=False) + "\n" for s, t in rows).encode()


def table(rows, separator) -> bytes:
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in rows]
    return "".join(separator.join(row) + "\n" for row in [("en", "de"), *quoted]).encode()


def write(folder, **contents) -> None:
    """write(folder, train_en=b"…") writes folder/train.en."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def text(*lines: str) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


# Every format


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet"])
def test_a_local_table_is_read_without_asking_the_network_for_anything(tmp_path, monkeypatch, ending):
    """`datasets.load_dataset` reports every use to the Hub, and waits seconds for it where there is no network."""
    path = tmp_path / f"train.{ending}"
    write_table(path)
    asked = []

    def look_up(host, *_, **__):
        asked.append(host)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert files.read_table(path, "en", "de") == PAIRS
    assert asked == []


def write_table(path) -> None:
    """`ROWS`, in the format that the name says."""
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    if ending == "parquet":
        datasets.Dataset.from_dict({"en": [s for s, _ in ROWS], "de": [t for _, t in ROWS]}).to_parquet(path)
        return
    content = {"csv": table(ROWS, ","), "tsv": table(ROWS, "\t")}.get(ending, jsonl(ROWS))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    "ending", ["jsonl", "jsonl.gz", "json", "json.gz", "csv", "csv.gz", "tsv", "tsv.gz", "parquet"]
)
def test_every_table_format_gives_the_same_pairs(tmp_path, ending):
    for split in ("train", "val", "test"):
        write_table(tmp_path / f"{split}.{ending}")
    assert files.read_folder(tmp_path, "en", "de") == dict.fromkeys(("train", "val", "test"), PAIRS)


def test_the_keys_of_a_translation_column_are_languages(tmp_path):
    rows = [{"id": "7", "translation": {"fr": "non", "de": t, "en": s}} for s, t in ROWS]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert files.read_table(path, "en", "de") == PAIRS
    assert files.read_table(path, "de", "fr")[0] == SentencePair("ein Mann schläft .", "non")


def test_a_table_may_have_other_columns_and_other_names(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(text("id,question,answer", "1,how ?,so ."))
    assert files.read_table(path, "question", "answer") == [SentencePair("how ?", "so .")]


def test_a_header_may_have_cells_without_a_name_and_a_column_that_is_called_translation(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(text("text,translation,,", "how ?,so .,,"))
    assert files.read_table(path, "text", "translation") == [SentencePair("how ?", "so .")]


@pytest.mark.parametrize(("src_gz", "tgt_gz"), [(False, False), (True, False), (True, True)])
def test_line_n_translates_line_n_gzipped_or_not(tmp_path, src_gz, tgt_gz):
    paths = []
    for side, gz in ((0, src_gz), (1, tgt_gz)):
        content = text(*(row[side] for row in ROWS))
        paths.append(tmp_path / f"train.{('en', 'de')[side]}{'.gz' if gz else ''}")
        paths[-1].write_bytes(gzip.compress(content) if gz else content)
    assert files.read_text_pair(*paths) == PAIRS


def test_a_last_line_without_newline_counts_and_windows_line_ends_leave_no_trace(tmp_path):
    write(tmp_path, train_en=b"one\r\ntwo", train_de=b"eins\nzwei\n")
    assert files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de") == [
        ("one", "eins", ()),
        ("two", "zwei", ()),
    ]


# Folders


@pytest.mark.parametrize("val", ["val", "validation", "valid", "dev"])
def test_a_folder_may_call_its_validation_split_by_any_usual_name(tmp_path, val):
    for number, name in enumerate(("train", val, "test")):
        write(tmp_path, **{f"{name}_en": text(f"sentence {number}"), f"{name}_de": text(f"Satz {number}")})
    splits = files.read_folder(tmp_path, "en", "de")
    assert {name: pairs[0].tgt for name, pairs in splits.items()} == {
        "train": "Satz 0",
        "val": "Satz 1",
        "test": "Satz 2",
    }


def test_the_splits_of_a_folder_may_have_different_formats(tmp_path):
    write(tmp_path, train_jsonl=jsonl(ROWS), val_en=text("one"), val_de=text("eins"), test_tsv=table(ROWS[:1], "\t"))
    splits = files.read_folder(tmp_path, "en", "de")
    assert splits == {"train": PAIRS, "val": [SentencePair("one", "eins")], "test": PAIRS[:1]}


def test_the_language_endings_choose_the_direction(tmp_path):
    for name in ("train", "val", "test"):
        write(tmp_path, **{f"{name}_en": text("one"), f"{name}_de": text("eins"), f"{name}_fr": text("un")})
    assert files.read_folder(tmp_path, "fr", "en")["train"] == [SentencePair("un", "one")]


def test_a_missing_split_is_named_with_what_is_there(tmp_path):
    write(tmp_path, train_jsonl=jsonl(ROWS), test_jsonl=jsonl(ROWS), notes_txt=b"")
    with pytest.raises(UserError, match=r"no val split.*val\.jsonl.*val\.en and val\.de.*notes\.txt, test\.jsonl"):
        files.read_folder(tmp_path, "en", "de")


def test_one_side_alone_is_no_split(tmp_path):
    write(tmp_path, train_en=text("one"))
    with pytest.raises(UserError, match=r"no train split.*holds train\.en"):
        files.read_folder(tmp_path, "en", "de")


def test_an_empty_folder_holds_nothing(tmp_path):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(UserError, match="it holds nothing"):
        files.read_folder(tmp_path / "corpus", "en", "de")


# What a file may hold


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_only_a_newline_ends_a_line(tmp_path, separator):
    write(tmp_path, train_en=text(f"a{separator}b", "c"), train_de=text("x", f"y{separator}z"))
    pairs = files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")
    assert pairs == [SentencePair(f"a{separator}b", "x"), SentencePair("c", f"y{separator}z")]


def test_a_line_separator_inside_a_table_cell_is_part_of_the_sentence(tmp_path):
    rows = [("a\u2028b", "x"), ("c", "y\u2028z")]
    write(tmp_path, train_jsonl=jsonl(rows))
    assert files.read_table(tmp_path / "train.jsonl", "en", "de") == [SentencePair(*row) for row in rows]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path, ending):
    content = {"csv": table(ROWS, ","), "tsv": table(ROWS, "\t"), "jsonl": jsonl(ROWS)}[ending]
    path = tmp_path / f"train.{ending}"
    path.write_bytes("\ufeff".encode() + content)
    assert files.read_table(path, "en", "de") == PAIRS


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    write(tmp_path, train_en="\ufeffone\ntwo\n".encode(), train_de=text("eins", "zwei"))
    assert files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")[0] == SentencePair("one", "eins")


def test_a_quotation_mark_inside_a_cell_is_a_letter_like_any_other(tmp_path):
    write(tmp_path, train_tsv=text("en\tde", 'one " two\teins " zwei', "three\tdrei"))
    assert files.read_table(tmp_path / "train.tsv", "en", "de")[0] == SentencePair('one " two', 'eins " zwei')


def test_outer_white_space_is_no_part_of_a_sentence():
    assert files.clean_pairs(["  one\t"], [" ein s "], "here") == [SentencePair("one", "ein s")]


@pytest.mark.parametrize("sentence", ["null", "NA", "None", "nan", "N/A", "7", "1.50", "True"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_every_cell_of_a_table_is_text(tmp_path, ending, sentence):
    """pandas takes some words for missing values and some for numbers."""
    separator = {"csv": ",", "tsv": "\t"}[ending]
    path = tmp_path / f"train.{ending}"
    path.write_bytes(text(f"en{separator}de", f"{sentence}{separator}{sentence}"))
    assert files.read_table(path, "en", "de") == [SentencePair(sentence, sentence)]


# What a file may not hold


def test_unequal_line_counts_name_both_files_and_both_counts(tmp_path):
    write(tmp_path, train_en=text("one", "two", "three"), train_de=text("eins", "zwei"))
    with pytest.raises(UserError, match=r"train\.en has 3 lines but .*train\.de has 2"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")


@pytest.mark.parametrize("empty", ["", "  ", "\t"])
def test_an_empty_side_names_file_and_line_and_side(tmp_path, empty):
    write(tmp_path, train_en=text("one", "two"), train_de=text("eins", empty))
    with pytest.raises(UserError, match=r"train\.en and train\.de, line 2: the target is empty"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")
    write(tmp_path, train_jsonl=jsonl([("one", "eins"), (empty, "zwei")]))
    with pytest.raises(UserError, match=r"train\.jsonl, line 2: the source is empty"):
        files.read_table(tmp_path / "train.jsonl", "en", "de")


def test_of_many_pairs_that_cannot_be_used_the_first_is_named_and_the_others_are_counted(tmp_path):
    write(tmp_path, train_en=text("one", "", "three", ""), train_de=text("eins", "zwei", "", ""))
    with pytest.raises(UserError, match=r"line 2: the source is empty.* \(and 2 pairs more that cannot be used\)$"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")


def test_a_missing_value_is_an_empty_side(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"en": "one", "de": "eins"}\n{"en": "two", "de": null}\n')
    with pytest.raises(UserError, match=r"line 2: the target is empty"):
        files.read_table(tmp_path / "train.jsonl", "en", "de")


@pytest.mark.parametrize("name", ["train.de", "train.de.gz"])
def test_text_that_is_not_utf_8_names_file_and_line(tmp_path, name):
    content = "eins\nschläft\n".encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    write(tmp_path, train_en=text("one", "sleeps"))
    with pytest.raises(UserError, match=rf"{re.escape(name)}, line 2: not UTF-8"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / name)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_a_table_that_is_not_utf_8_names_file_and_line(tmp_path, ending):
    content = {"csv": table(ROWS, ","), "tsv": table(ROWS, "\t"), "jsonl": jsonl(ROWS)}[ending]
    path = tmp_path / f"train.{ending}"
    path.write_bytes(content.decode().encode("latin-1"))
    with pytest.raises(UserError, match=rf"train\.{ending}, line {1 if ending == 'jsonl' else 2}: not UTF-8"):
        files.read_table(path, "en", "de")


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_missing_column_lists_the_columns_there_are(tmp_path, ending):
    write(tmp_path, train_jsonl=jsonl(ROWS, "en", "fr"), train_csv=table(ROWS, ",").replace(b"en,de", b"en,fr"))
    header = "its first line names them; " if ending == "csv" else ""
    with pytest.raises(
        UserError, match=rf"train\.{ending} has no column 'de'; it has en, fr; {header}choose .*--data\.tgt"
    ):
        files.read_table(tmp_path / f"train.{ending}", "en", "de")


def test_a_missing_language_of_a_translation_column_lists_the_languages_there_are(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"translation": {"en": "one", "fr": "un"}}\n')
    with pytest.raises(UserError, match="no column 'de'; it has en, fr"):
        files.read_table(tmp_path / "train.jsonl", "en", "de")


def broken_gzips() -> dict[str, bytes]:
    whole = gzip.compress(text(*(f"line {number}" for number in range(50))), mtime=0)
    return {
        "no gzip at all": text("plain"),
        "cut short": whole[:-20],
        "wrong check sum": whole[:-8] + bytes(8),
        # The first byte after the header: its last three bits say how the block is coded, and 7 is no such code.
        "damaged inside": whole[:10] + b"\xff" + whole[11:],
    }


@pytest.mark.parametrize("damage", broken_gzips())
def test_a_broken_gzip_file_is_named(tmp_path, damage):
    (tmp_path / "train.en.gz").write_bytes(broken_gzips()[damage])
    write(tmp_path, train_de=text("eins"))
    with pytest.raises(UserError, match=r"train\.en\.gz is not a complete gzip file"):
        files.read_text_pair(tmp_path / "train.en.gz", tmp_path / "train.de")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.jsonl", b'{"en": "one", \n'),
        ("train.jsonl", b""),
        ("train.csv", b""),
        ("train.csv", b'en,de\none,eins\n"two,zwei\n'),
        ("train.csv", b"en,de\none, two,eins\n"),
        ("train.parquet", b"no parquet at all"),
    ],
)
def test_a_table_that_cannot_be_read_is_the_user_s_error_and_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(name)):
        files.read_table(tmp_path / name, "en", "de")


def test_a_split_without_sentences_is_refused(tmp_path):
    write(tmp_path, train_en=b"", train_de=b"")
    with pytest.raises(UserError, match=r"train\.en.*no sentences"):
        files.read_text_pair(tmp_path / "train.en", tmp_path / "train.de")
    write(tmp_path, train_csv=b"en,de\n")
    with pytest.raises(UserError, match=r"train\.csv.*no sentences"):
        files.read_table(tmp_path / "train.csv", "en", "de")
