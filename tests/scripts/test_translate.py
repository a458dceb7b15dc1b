"""Translation as a filter, in processes of its own as in a shell, and the parts that need none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.loaded_runs import load_labelled
from pipeline.scoring import Search
from pipeline.standard_input import read_lines_as_they_come
from pipeline.translator import LONGEST_SOURCE, Translator
from scripts.translate import main, translate_lines
from tests.commands import ROOT, run
from tests.tiny_runs import write_run, write_text_corpus

LONG = "the dog sleeps . " * 100


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("translate")
    write_text_corpus(folder / "little")
    for model in ("gru", "transformer"):
        write_run(folder / "runs", folder / "little", model)
    return folder / "runs" / "little"


def translate(folder: Path, text: bytes, *options: str, expect: int = 0) -> subprocess.CompletedProcess:
    return run(str(folder), "--beam", "2", *options, module="scripts.translate", stdin=text, expect=expect)


def test_a_line_for_a_line_and_empty_lines_stay_empty(runs):
    done = translate(runs / "gru" / "seed1", b"the dog sleeps .\n\na cat sees the dog .\r\n")
    lines = done.stdout.split("\n")
    assert len(lines) == 4
    assert lines[0]
    assert lines[1] == ""
    assert lines[2]
    assert lines[3] == ""


def test_several_runs_stand_in_columns(runs):
    done = translate(runs, b"the dog sleeps .\n\n")
    assert done.stdout.count("\t") == 1
    assert done.stdout.endswith("\n\n")  # an empty line stays empty


def test_broken_utf8_is_an_error_with_its_line_and_what_is_before_is_out(runs):
    done = translate(runs / "gru" / "seed1", b"the dog sleeps .\na \xff cat\nthe dog .\n", expect=2)
    assert done.stdout.count("\n") == 1
    assert "standard input, line 2: not UTF-8" in done.stderr


def test_a_long_line_is_refused_with_its_number_or_split_as_told(runs):
    text = f"the dog sleeps .\n{LONG}\n".encode()
    length = len(translator(runs).source_ids([LONG])[0])
    refused = translate(runs / "gru" / "seed1", text, expect=2)
    assert refused.stdout.count("\n") == 1
    assert f"line 2: {length} pieces, but at most {LONGEST_SOURCE} are taken" in refused.stderr
    split = translate(runs / "gru" / "seed1", text, "--long", "split")
    assert split.stdout.count("\n") == 2


def test_json_has_pieces_scores_and_alignments(runs):
    done = translate(runs, b"the dog sleeps .\n\n", "--json", "--nbest", "2")
    first, second = map(json.loads, done.stdout.splitlines())
    gru, transformer = first["models"]
    assert second["models"][0]["translations"] == []
    for translation in transformer["translations"]:
        assert translation["source_words"] == ["the", "dog", "sleeps", ".", "</s>"]
        assert len(translation["alignment"]) == len(translation["target_words"])
        assert all(abs(sum(row) - 1) < 0.01 for row in translation["alignment"])
        assert translation["log_prob"] < 0
    best, next_best = transformer["translations"]
    assert best["score"] >= next_best["score"] or not next_best["finished"]
    assert gru["translations"][0]["alignment"] is None


def test_nbest_and_alignments_as_text(runs):
    several = translate(runs / "transformer" / "seed1", b"the dog .\na cat .\n", "--nbest", "2").stdout
    assert [line.split(" ||| ")[0] for line in several.split("\n")[:-1]] == ["1", "1", "2", "2"]
    aligned = translate(runs / "transformer" / "seed1", b"the dog .\n", "--align", "pharaoh").stdout
    text, links = aligned.rstrip("\n").split(" ||| ")
    assert len(links.split()) == len(text.split())


def test_links_do_not_count_other_words_than_the_line_has(runs):
    done = translate(runs / "transformer" / "seed1", "the dog´s cat .\nthe dog .\n".encode(), "--align", "pharaoh")
    odd, plain = done.stdout.splitlines()
    assert odd.endswith(" ||| ")  # the tokenizer's NFKC parts the second word
    assert not plain.endswith(" ||| ")
    assert "line 1: Transformer reads other words than those between the spaces; no links" in done.stderr


def test_links_of_a_model_that_reads_one_vector_are_said_to_be_none_once(runs):
    done = translate(runs / "gru" / "seed1", b"the dog .\na cat .\n", "--align", "pharaoh")
    assert all(line.endswith(" ||| ") for line in done.stdout.splitlines())
    assert done.stderr.count("GRU, no attention reads one vector; no links") == 1


def test_two_files_of_one_run_are_told_apart(runs):
    checkpoints = runs / "gru" / "seed1" / "checkpoints"
    shutil.copy(checkpoints / "best.ckpt", checkpoints / "last.ckpt")
    models = load_labelled([checkpoints / "best.ckpt", checkpoints / "last.ckpt"], "cpu")
    assert [model.label for model in models] == [
        f"GRU, no attention, seed 1 ({name})" for name in ("best.ckpt", "last.ckpt")
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nbest", "3"], "need 1 ≤ --nbest ≤ --beam"),
        (["--nbest", "2", "--align", "pharaoh"], "--nbest goes neither with --align"),
        (["--json", "--long", "split"], "cannot join parts"),
        (["--json", "--align", "pharaoh"], "--json has alignments"),
    ],
)
def test_options_that_do_not_go_together_are_refused(runs, refuse, options, message):
    assert message in refuse(main, str(runs / "gru" / "seed1"), "--beam", "2", *options)


def test_several_runs_show_their_next_best_at_a_prompt_but_not_as_columns(runs, refuse, monkeypatch):
    asked = []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(
        "scripts.translate.prompt", lambda translators, search: asked.append((len(translators), search))
    )
    monkeypatch.setattr("sys.argv", ["translate", str(runs), "--beam", "2", "--nbest", "2"])
    main()
    assert asked == [(2, Search(beam=2, num_best=2))]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert "--nbest of several runs is written as --json only" in refuse(main, str(runs), "--beam", "2", "--nbest", "2")


def test_a_closed_pipe_ends_quietly(runs):
    command = (
        f"yes 'the dog sleeps .' | {sys.executable} -m scripts.translate {runs / 'gru' / 'seed1'} --beam 1 | head -1"
    )
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=120)
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert b"error" not in done.stderr


def test_without_standard_input_it_says_so(runs, refuse, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert "there is no standard input" in refuse(main, str(runs / "gru" / "seed1"))


def translator(runs: Path) -> Translator:
    return Translator.load(runs / "transformer" / "seed1" / "checkpoints" / "best.ckpt")


def test_parts_of_a_long_line_fit_and_are_all_of_it(runs):
    model = translator(runs)
    parts = model.split(LONG, 50)
    assert " ".join(parts) == LONG.strip()
    assert all(len(model.source_ids([part])[0]) <= 50 for part in parts)
    assert all(part.endswith(".") for part in parts)  # cut after punctuation
    no_stops = model.split("the dog " * 100, 50)
    assert " ".join(no_stops) == ("the dog " * 100).strip()


def test_a_split_line_has_the_translations_of_its_parts_one_after_the_other(runs, monkeypatch):
    monkeypatch.setattr("scripts.translate.LONGEST_SOURCE", 12)
    model, search = translator(runs), Search(beam=2)
    line = "the dog sleeps . a cat sees the dog . " * 2
    parts = [best for best, *_ in translate_lines(model, model.split(line, 12), search)]
    assert len(parts) > 1
    ((joined,),) = translate_lines(model, [line], search, "split")
    assert joined.text == " ".join(part.text for part in parts)
    assert joined.ids == [token for part in parts for token in part.ids]
    assert joined.log_prob == pytest.approx(sum(part.log_prob for part in parts))


def test_lines_are_translated_as_each_alone(runs):
    model, search = translator(runs), Search(beam=2)
    lines = ["the dog sleeps .", "", "a small cat sees the dog that sleeps .", "the dog ."]
    together = translate_lines(model, lines, search)
    assert together[1] == []
    for line, found in zip(lines, together, strict=True):
        alone = translate_lines(model, [line], search)[0]
        assert [t.text for t in found] == [t.text for t in alone]


def test_lines_come_as_soon_as_they_are_there():
    read, write = os.pipe()
    lines = read_lines_as_they_come(read)
    os.write(write, b"eins\nzwei\ndr")
    first = next(lines)
    assert (first.first, first.lines) == (1, ["eins", "zwei"])
    os.write(write, b"ei\n\n")
    second = next(lines)
    assert (second.first, second.lines) == (3, ["drei", ""])
    os.write(write, b"vier ohne Ende")
    os.close(write)
    last = next(lines)
    assert (last.first, last.lines) == (5, ["vier ohne Ende"])
    assert next(lines, None) is None
