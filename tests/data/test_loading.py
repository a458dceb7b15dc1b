import gzip
import json
import re

import pytest

from pipeline.data import loading, toy
from pipeline.data.corpus import SPLITS, SentencePair
from pipeline.errors import UserError
from tests.data.conftest import published_hashes

ROWS = {"train": [("one", "eins"), ("two", "zwei")], "val": [("three", "drei")], "test": [("vier", "four")]}


def write_tables(folder, rows=ROWS):
    folder.mkdir(parents=True)
    for split, pairs in rows.items():
        lines = "".join(json.dumps({"en": src, "de": tgt}) + "\n" for src, tgt in pairs)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def write_texts(folder, rows=ROWS):
    folder.mkdir(parents=True)
    for split, pairs in rows.items():
        for side, language in enumerate(("en", "de")):
            content = "".join(pair[side] + "\n" for pair in pairs).encode()
            (folder / f"{split}.{language}.gz").write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def small_toy(monkeypatch):
    monkeypatch.setattr(toy, "SENTENCES_PER_BAND", {"test": (1,) * 6, "val": (1,) * 6, "train": (3, 2, 1, 1, 1, 1)})


def test_a_folder_is_a_corpus_called_as_the_folder(tmp_path):
    folder = write_tables(tmp_path / "numbers")
    corpus = loading.load_corpus(str(folder), "en", "de", tmp_path)
    assert (corpus.name, corpus.source, corpus.src, corpus.tgt) == ("numbers", "local folder numbers", "en", "de")
    assert corpus.train == [SentencePair("one", "eins"), SentencePair("two", "zwei")]
    assert not corpus.is_synthetic


def test_a_folder_that_is_a_link_is_called_as_the_link(tmp_path, monkeypatch):
    write_tables(tmp_path / "texts-version-1")
    (tmp_path / "texts").symlink_to("texts-version-1")
    monkeypatch.chdir(tmp_path)
    for given in ("texts", "texts/", "./texts", "texts-version-1/../texts"):
        assert loading.corpus_name(given) == "texts"


def test_a_folder_that_looks_like_a_dataset_on_the_hub_is_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "read_hub", lambda *_: pytest.fail("the Hub was asked"))
    write_tables(tmp_path / "owner" / "name")
    corpus = loading.load_corpus("owner/name", "en", "de", tmp_path)
    assert corpus.name == "name"
    assert corpus.val == [SentencePair("three", "drei")]


def test_owner_and_name_without_such_a_folder_is_a_dataset_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    splits = {split: [SentencePair(*row) for row in rows] for split, rows in ROWS.items()}
    asked = []
    monkeypatch.setattr(loading, "read_hub", lambda *arguments: asked.append(arguments) or splits)
    corpus = loading.load_corpus("owner/name", "en", "de", tmp_path, revision="abc")
    assert asked == [("owner/name", "en", "de", "abc")]
    assert (corpus.name, corpus.test) == ("name", [SentencePair("vier", "four")])


def test_multi30k_is_read_from_its_owner_and_a_changed_text_is_noted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    splits = {split: [SentencePair(*row) for row in rows] for split, rows in ROWS.items()}
    monkeypatch.setattr(loading, "read_hub", lambda name, *_: splits if name == "bentrevett/multi30k" else {})
    corpus = loading.load_corpus("multi30k", "en", "de", tmp_path)
    assert corpus.name == "multi30k"
    assert "differs from the text" in capsys.readouterr().out
    monkeypatch.setattr(loading, "MULTI30K_CONTENT", corpus.content_hash())
    loading.load_corpus("multi30k", "en", "de", tmp_path)
    assert capsys.readouterr().out == ""


def test_the_published_results_are_of_the_pinned_content_of_multi30k():
    assert published_hashes("multi30k") == {loading.MULTI30K_CONTENT}


@pytest.mark.parametrize("unknown", ["tyo", "./nowhere", "/no/where", "~/nowhere", "a/b/c"])
def test_an_unknown_corpus_lists_the_known_ones(tmp_path, monkeypatch, unknown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "read_hub", lambda *_: pytest.fail("the Hub was asked"))
    with pytest.raises(
        UserError, match=rf"no corpus '{unknown}'.*toy \(.*multi30k \(.*owner/name\[:config\] on the Hub"
    ):
        loading.load_corpus(unknown, "en", "de", tmp_path)


def test_a_language_is_not_translated_into_itself(tmp_path):
    with pytest.raises(UserError, match="source and target language are both en; give two"):
        loading.load_corpus(str(tmp_path), "en", "en", tmp_path)


def test_the_toy_corpus_has_one_direction(tmp_path):
    with pytest.raises(UserError, match="en→de only, not de→en"):
        loading.load_corpus("toy", "de", "en", tmp_path)


def test_the_toy_corpus_comes_back_from_the_cache_as_it_was_drawn(tmp_path, monkeypatch, small_toy):
    expected = toy.toy_corpus()
    first = loading.load_corpus("toy", "en", "de", tmp_path / "cache")
    monkeypatch.setattr(toy, "toy_corpus", lambda: pytest.fail("it was drawn again"))
    again = loading.load_corpus("toy", "en", "de", tmp_path / "cache")
    for split in SPLITS:
        assert first.split(split) == again.split(split) == expected.split(split)
    assert again.is_synthetic
    assert again.test[0].links[0].phenomenon  # links are links again, not lists
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".json"]


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"train": [1]}', '{"train": [[1, 2, 3]]}'])
def test_a_toy_corpus_that_is_damaged_in_the_cache_is_drawn_anew(tmp_path, small_toy, damaged):
    drawn = loading.load_corpus("toy", "en", "de", tmp_path)
    [path] = tmp_path.glob("toy-*.json")
    path.write_text(damaged)
    assert loading.load_corpus("toy", "en", "de", tmp_path) == drawn


def test_the_content_hash_is_of_the_text_and_not_of_its_format(tmp_path):
    tables = loading.load_corpus(str(write_tables(tmp_path / "tables")), "en", "de", tmp_path)
    texts = loading.load_corpus(str(write_texts(tmp_path / "texts")), "en", "de", tmp_path)
    assert tables.content_hash() == texts.content_hash()


def test_the_content_hash_knows_the_split_the_order_and_the_side_of_a_sentence(tmp_path):
    others = [
        ROWS,
        {**ROWS, "train": ROWS["train"][::-1]},
        {**ROWS, "train": [*ROWS["train"], *ROWS["val"]], "val": ROWS["test"]},
        {split: [pair[::-1] for pair in pairs] for split, pairs in ROWS.items()},
    ]
    hashes = {
        loading.load_corpus(str(write_tables(tmp_path / str(n), rows)), "en", "de", tmp_path).content_hash()
        for n, rows in enumerate(others)
    }
    assert len(hashes) == len(others)


@pytest.mark.parametrize(
    ("cached", "answers", "corpus", "reason"),
    [
        (True, False, "multi30k", "local Hugging Face cache; for .* toy corpus.*CORPUS=toy"),
        (True, True, "multi30k", "local Hugging Face cache; for .* toy corpus.*CORPUS=toy"),
        (False, True, "multi30k", "Hub answers; for .* toy corpus.*CORPUS=toy"),
        (False, False, "toy", "does not answer.*not cached.*CORPUS="),
    ],
)
def test_auto_takes_the_cache_then_the_hub_then_the_toy_corpus(monkeypatch, cached, answers, corpus, reason):
    made = {"bentrevett/multi30k": {"abc"}} if cached else {}
    monkeypatch.setattr(loading, "cached_revisions", lambda name: made.get(name, set()))
    monkeypatch.setattr(loading, "hub_answers", lambda: answers)
    monkeypatch.setattr(loading, "why_silent", lambda: ("the Hub does not answer", "connect"))
    chosen, why = loading.choose_corpus()
    assert chosen == corpus
    assert re.search(reason, why)


def test_a_mistyped_folder_is_said_to_be_none_before_it_is_looked_for_on_the_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        UserError, match=r"^data/multi3k is no folder here, so it is taken for a dataset on the Hub: .*"
    ):
        loading.load_corpus("data/multi3k", "en", "de", tmp_path)


@pytest.mark.parametrize("corpus", ["toy", "."])
def test_a_revision_of_what_is_not_on_the_hub_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="only the Hub has revisions"):
        loading.load_corpus(corpus, "en", "de", tmp_path, "abc")
