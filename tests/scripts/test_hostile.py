"""Sentences that nobody should type: translated, drawn and scored like any other, or refused with their line."""

import json
import math
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import prompt
from pipeline.data.corpus import SentencePair
from pipeline.data.tokenizer import EOS
from pipeline.errors import UserError
from pipeline.evaluation.maps import attention_words
from pipeline.pages import alignment_page
from pipeline.plots import DrawnMap, alignment_figure
from pipeline.printable import printable
from pipeline.scoring import Search
from pipeline.terminal import map_text
from pipeline.translator import LONGEST_SOURCE, Translator
from scripts import align, evaluate
from scripts.translate import translate_lines
from tests.commands import ROOT, run
from tests.nasty import BLANK, INVISIBLE, NO_TEXT, SENTENCES, TEN_THOUSAND_WORDS
from tests.tiny_runs import write_run, write_text_corpus

NOTHING = [*INVISIBLE.values(), *BLANK.values()]
SHOWN = {"Cc", "Cs", "Zl", "Zp"}  # categories that a terminal is never given
FEW = settings(max_examples=max(5, settings.default.max_examples // 5))  # each of them searches


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_text_corpus(folder / "little")
    for model in ("gru", "transformer"):
        write_run(folder / "runs", folder / "little", model)
    return folder / "runs" / "little"


@pytest.fixture(scope="module")
def checkpoint(runs) -> Path:
    return runs / "transformer" / "seed1" / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def translator(checkpoint) -> Translator:
    return Translator.load(checkpoint)


# The filter


def test_a_line_for_every_line_whatever_is_in_it(runs):
    lines = [*SENTENCES.values(), *NOTHING, NO_TEXT["NUL"]]
    text = ("\ufeff" + "".join(f"{line}\r\n" for line in lines)).encode()
    command = [sys.executable, "-m", "scripts.translate", str(runs / "transformer" / "seed1"), "--beam", "1", "--json"]
    # A locale that cannot write what is translated.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, env=environment, timeout=120)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    written = done.stdout.decode()
    assert {letter for letter in written if printable(letter) != letter} == {"\n"}
    rows = [json.loads(row) for row in written.split("\n")[:-1]]
    assert [row["source"] for row in rows] == lines
    assert [row["line"] for row in rows] == list(range(1, len(lines) + 1))
    for row in rows:
        (model,) = row["models"]
        assert bool(model["translations"]) == (row["source"] not in NOTHING)
        assert all(math.isfinite(translation["log_prob"]) for translation in model["translations"])


def test_what_cannot_be_split_is_refused_with_its_line_after_those_before_it(runs):
    text = f"the dog .\n{'the dog . ' * 300}\n{'a' * 2000}\nthe dog .\n".encode()
    run_folder = str(runs / "transformer" / "seed1")
    options = ("--beam", "1", "--long", "split")
    done = run(run_folder, *options, module="scripts.translate", stdin=text, expect=2)
    assert done.stdout.count("\n") == 2
    said = f"standard input, line 3: the word 'aaaaaaaaaaaaaaaaaaaa'… alone is longer than {LONGEST_SOURCE}"
    assert said in done.stderr


@FEW
@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NOTHING)), max_size=4))
def test_every_sentence_has_finite_translations_of_one_line_and_keeps_its_place(translator, sentences):
    found = translate_lines(translator, sentences, Search(beam=2))
    assert len(found) == len(sentences)
    for sentence, translations in zip(sentences, found, strict=True):
        assert bool(translations) == translator.has_text(sentence)
        for translation in translations:
            assert translation.src_ids == translator.source_ids([sentence])[0]
            assert math.isfinite(translation.score)
            assert not {unicodedata.category(letter) for letter in translation.text} & SHOWN


@given(st.lists(st.text(min_size=1, max_size=8), max_size=40), st.integers(40, 60))
def test_parts_fit_and_hold_every_word_in_order(translator, words, limit):
    sentence = " ".join(words)
    if any(len(translator.source_ids([word])[0]) > limit for word in sentence.split()):
        with pytest.raises(UserError, match="alone is longer than"):
            translator.split(sentence, limit)
        return
    parts = translator.split(sentence, limit)
    assert " ".join(parts).split() == sentence.split()
    assert all(len(translator.source_ids([part])[0]) <= limit for part in parts)


def test_ten_thousand_words_are_split_in_little_time(translator, monkeypatch):
    asked = []
    encode = translator.source_ids
    monkeypatch.setattr(translator, "source_ids", lambda texts: asked.append(len(texts[0])) or encode(texts))
    parts = translator.split(TEN_THOUSAND_WORDS, LONGEST_SOURCE)
    assert " ".join(parts) == TEN_THOUSAND_WORDS.strip()
    assert sum(asked) < 30 * len(TEN_THOUSAND_WORDS)


# Pages, pictures and terminals


NASTY_WORDS = [*SENTENCES.values(), *INVISIBLE.values(), ""]


def nasty_map() -> DrawnMap:
    size = len(NASTY_WORDS)
    return DrawnMap(SENTENCES["markup"], torch.eye(size).numpy(), NASTY_WORDS, NASTY_WORDS[::-1])


def test_a_page_escapes_every_word_and_reorders_none():
    page = alignment_page(SENTENCES["markup"] + SENTENCES["right-to-left override"], [nasty_map()])
    assert "<script" not in page
    assert "49" not in page.split("<h1>")[1].split("</h1>")[0]  # {{ 7 * 7 }} is text
    assert {letter for letter in page if printable(letter) != letter} == {"\n"}
    assert page.count("<th scope") == 2 * len(NASTY_WORDS)


def test_a_terminal_s_map_has_no_character_that_commands_and_a_row_for_every_word():
    shown = map_text(nasty_map())
    assert {letter for letter in shown if printable(letter) != letter} == {"\n"}
    assert "␛[31mred" in shown
    assert len(shown.split("\n")) == 1 + max(map(len, NASTY_WORDS)) + len(NASTY_WORDS)


@pytest.mark.filterwarnings("ignore:no font", "ignore:Glyph", "ignore:Tight layout", "ignore:constrained_layout")
@pytest.mark.parametrize("word", ["formula", "escape sequence", "right-to-left override"])
def test_a_picture_of_any_word_is_drawn(tmp_path, word):
    words = [SENTENCES[word], "$"]
    alignment_figure([DrawnMap(SENTENCES[word], torch.eye(2).numpy(), words, words)]).savefig(tmp_path / "map.svg")
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert printable(SENTENCES[word]) in drawn.replace("&lt;", "<")
    assert {letter for letter in drawn if printable(letter) != letter} == {"\n"}


class Typed:
    """A prompt at which some lines are typed."""

    def __init__(self, monkeypatch, *lines: str | Exception) -> None:
        self.lines = iter(lines)
        monkeypatch.setattr("builtins.input", self.next)
        monkeypatch.setattr(prompt, "_start_history", lambda: None)

    def next(self, _: str) -> str:
        line = next(self.lines, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.mark.parametrize(
    ("state", "home", "at"), [("state", None, "state"), ("", "me", "me/.local/state"), ("", None, "")]
)
def test_the_prompt_keeps_its_history_where_there_is_a_place_for_it(monkeypatch, tmp_path, state, home, at):
    monkeypatch.setenv("XDG_STATE_HOME", state and str(tmp_path / state))
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", str(tmp_path / home)) if home else path)
    expected = tmp_path / at / "attention-laboratory" / "history" if at else None
    assert prompt._start_history() == expected


def test_the_prompt_survives_every_line_and_shows_no_escape_sequence(translator, monkeypatch, capsys):
    broken = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    lines = [*SENTENCES.values(), *NOTHING, *NO_TEXT.values(), TEN_THOUSAND_WORDS, broken, ":\x1b", "the dog ."]
    Typed(monkeypatch, *lines)
    monkeypatch.setenv("COLUMNS", "400")
    prompt.prompt({"Transformer": translator}, Search(beam=1))
    shown = capsys.readouterr().out
    assert {letter for letter in shown if printable(letter) != letter} == {"\n"}
    assert shown.count("nats/token") == len(SENTENCES) + len({"NUL", "the dog ."})
    for message in ("nothing in it that the models can read", "is not UTF-8", "pieces, but at most", "type it again"):
        assert message in shown


def test_the_prompt_shows_languages_that_a_checkpoint_makes_up_as_they_are(translator, monkeypatch, capsys):
    origin = translator.origin._replace(src="\x1b]0;title\x07", tgt="[/red]en")
    monkeypatch.setattr(translator, "origin", origin)
    Typed(monkeypatch)
    prompt.prompt({"Transformer": translator}, Search(beam=1))
    shown = capsys.readouterr().out
    assert "␛]0;title␇ → [/red]en; :help" in shown
    assert "\x1b" not in shown


def test_the_prompt_goes_on_after_a_map_that_cannot_be_saved_and_shows_the_next_best(translator, monkeypatch, capsys):
    Typed(monkeypatch, ":map", "the dog .", ":map .", ":saliency\t.", "a cat .")
    monkeypatch.setenv("COLUMNS", "400")
    prompt.prompt({"Transformer": translator}, Search(beam=2, num_best=2))
    shown = capsys.readouterr().out
    assert "there is no sentence yet" in shown
    assert shown.count("names no file") == 2
    after = shown.rsplit("nats/token", 1)[1].strip().splitlines()
    assert len(after) == 2  # the best, under the model's name, and the next best


def test_the_prompt_keeps_its_history_when_a_translation_is_interrupted(translator, monkeypatch):
    Typed(monkeypatch, "the dog .")
    kept = []
    monkeypatch.setattr(prompt, "_translate", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(prompt, "_keep_history", kept.append)
    with pytest.raises(KeyboardInterrupt):
        prompt.prompt({"Transformer": translator}, Search(beam=1))
    assert kept == [None]


# Alignments and scores


def run_align(*arguments) -> None:
    align.run(align._parser().parse_args([*map(str, arguments), "--device", "cpu"]))


@pytest.mark.parametrize("name", ["emoji", "formula", "escape sequence", "line separators", "no spaces"])
def test_any_sentence_and_target_are_aligned(runs, tmp_path, name):
    run_align(runs, "--sentence", SENTENCES[name], "--target", SENTENCES[name], "--out", tmp_path / "map.json")
    content = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert all(abs(sum(row) - 1) < 0.01 for found in content["maps"] for row in found["weights"])


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--sentence", INVISIBLE["zero-width space"], "--sentence is empty"),
        ("--target", INVISIBLE["replacement character"], "--target is empty"),
        ("--sentence", TEN_THOUSAND_WORDS, "--sentence has [0-9]+ pieces, but at most 251 are drawn"),
        ("--target", "a" * 9_999, "--target has [0-9]+ pieces, but at most 251 are drawn"),
        ("--sentence", os.fsdecode(b"a \xff"), r"'a \\udcff' is not UTF-8"),
        ("--beam", "0", "need 1 ≤ --nbest ≤ --beam ≤ 1000, not --nbest 1 and --beam 0"),
        ("--beam", "1000000000", "not --nbest 1 and --beam 1000000000"),
        ("--alpha", "nan", "--alpha is nan; expected a number of at least 0"),
        ("--alpha", "inf", "--alpha is inf"),
        ("--device", "nonsense", "no model can be put on the device 'nonsense' here"),
    ],
)
def test_what_cannot_be_aligned_is_refused(runs, option, text, message):
    given_twice = ["--sentence", "the dog .", option, text]
    with pytest.raises(UserError, match=message):
        align.run(align._parser().parse_args([str(runs), *given_twice]))


def run_evaluate(runs: Path, folder: Path, pairs: list[tuple[str, str]], links: list[str] | None = None) -> dict:
    """Scores `runs` on `pairs`; the content of the JSON, in which every number must be finite."""
    for side, name in enumerate(("src", "ref")):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8", newline="")
    arguments = [runs, "--src", folder / "src", "--ref", folder / "ref", "--out", folder / "out", "--beam", 1]
    if links is not None:
        (folder / "links").write_text("".join(f"{line}\n" for line in links))
        arguments += ["--links", folder / "links"]
    evaluate.run(evaluate._parser().parse_args([*map(str, arguments), "--device", "cpu"]))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in the JSON")

    return json.loads((folder / "out" / "evaluation.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_any_sentences_are_scored_and_every_line_keeps_its_place(runs, tmp_path, capsys):
    sentences = [*SENTENCES.values(), *list(INVISIBLE.values())[2:], "the dog . " * 300]
    content = run_evaluate(runs, tmp_path, [(sentence, sentence) for sentence in sentences])
    assert content["corpus"]["n"] == len(sentences)
    for path in (tmp_path / "out").glob("*.hyp"):
        assert path.read_text(encoding="utf-8").count("\n") == len(sentences)
    assert {letter for letter in capsys.readouterr().out if printable(letter) != letter} == {"\n"}


def test_one_word_is_scored(runs, tmp_path):
    content = run_evaluate(runs, tmp_path, [("a", "a")], ["0-0"])
    assert content["alignment"]["baselines"]["diagonal"]["error_rate"]["value"] == 0


def test_links_none_of_which_is_sure_have_no_recall(runs, tmp_path):
    content = run_evaluate(runs, tmp_path, [("the dog .", "der Hund .")], ["0p0 1p1"])
    found = content["alignment"]["models"]["transformer"]["attention"]
    assert found["recall"] is None
    assert 0 <= found["precision"] <= 1
    assert " – |" in (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")


def test_links_of_sentences_that_cannot_be_read_word_by_word_are_said_to_be_unknown(runs, tmp_path):
    unreadable = ("the\u200bdog", "der Hund")
    content = run_evaluate(runs, tmp_path, [unreadable], ["0-0"])
    assert content["alignment"]["models"]["transformer"] == {"attention": None, "saliency": None}
    content = run_evaluate(runs, tmp_path, [unreadable, ("a dog", "ein Hund")], ["0-0", ""])
    per_phenomenon = content["alignment"]["models"]["transformer"]["attention"]["per_phenomenon"]
    assert per_phenomenon["all"] == {**dict.fromkeys(per_phenomenon["all"]), "n": 1}


def test_maps_of_sentences_that_would_fill_the_memory_are_left_out(translator):
    pairs = [
        SentencePair("a dog", TEN_THOUSAND_WORDS),
        SentencePair("a dog", "ein Hund"),
        SentencePair("a " * 300, "a"),
    ]
    assert [found.index for found in attention_words(translator, pairs)] == [1]


# Checkpoints


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["hyper_parameters"].update(name="../../gru"), "calls its model '../../gru'; expected a word"),
        (lambda c: c["hyper_parameters"].update(name="\x1b[31m"), r"calls its model '\\x1b\[31m'"),
        (lambda c: c["hyper_parameters"].update(name=7), "is not a checkpoint of this project"),
        (lambda c: c["hyper_parameters"]["network"].update(class_path="pipeline.models.none.Net"), "No module named"),
        (lambda c: c["hyper_parameters"]["network"].update(class_path=7), "is not a checkpoint of this project"),
        (lambda c: c["hyper_parameters"]["network"]["init_args"].update(num_heads=3), "does not make a model"),
        (lambda c: c["TranslationData"].update(tokenizer=b"junk"), "tokenizer in .* is broken"),
        (lambda c: next(iter(c["state_dict"].values())).fill_(math.nan), "weights that are no numbers"),
    ],
)
def test_a_checkpoint_with_absurd_content_is_refused(checkpoint, tmp_path, change, message):
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=message):
        Translator.load(tmp_path / "best.ckpt")


def test_an_empty_translation_has_a_map_too(translator):
    found = translator.forced("a dog", "")
    assert found.ids == [EOS]
    assert translator.saliency_map_of(found).weights.shape == (1, 1, 3)
