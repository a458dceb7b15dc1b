"""The comparison with other toolkits, with small programs in their place that write what the real ones write."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.bench import comparison
from pipeline.bench.comparison import compare, search_speed
from pipeline.bench.peers import (
    TOOLKITS,
    PeerError,
    Workload,
    find_toolkits,
    search,
    settings,
    train,
    write_sentences,
)
from pipeline.data.batching import encode_pairs
from pipeline.data.datamodule import TranslationData
from pipeline.data.tokenizer import EOS
from pipeline.errors import UserError
from pipeline.models import GRUSeq2Seq
from tests.commands import write_corpus

SIZES = {"num_layers": 3, "d_model": 8, "d_ff": 12, "num_heads": 2, "dropout": 0.25}
WORK = Workload("transformer", SIZES, batch_tokens=64, steps=2, length=7, beam=5, threads=1)
OPENNMT, JOEYNMT, SOCKEYE, EOLE, CTRANSLATE2 = TOOLKITS
LOGS = {
    OPENNMT.train: (
        "INFO] Step  6/ 12; acc: 1.2; ppl: 9.4; bsz: 3063/3361/266; 1243/1364 tok/s;     12 sec;\n"
        "INFO] Step 12/ 12; acc: 6.9; ppl: 8.4; bsz: 3235/3693/221; 1764/ 914 tok/s;     21 sec;\n",
        [1364, 914],
    ),
    OPENNMT.search: ("INFO] Total translation time (s): 9.7\nINFO] Average translation time (ms): 9.7\n", [9.7]),
    JOEYNMT.train: (
        "Step:        6, Batch Acc: 0.048347, Tokens per Sec:      579, Lr: 0.001000\n"
        "Step:       12, Batch Acc: 0.065212, Tokens per Sec:     1639, Lr: 0.001000\n",
        [579, 1639],
    ),
    JOEYNMT.search: ("Generation took 1.5000[sec].\n…\nGeneration took 22.2500[sec].\n", [22.25]),
    SOCKEYE.train: (
        "E=0 B=6\ts/sec=90.20 tok/sec=1662.21 u/sec=0.50\tppl=9329.158856 \n"
        "E=0 B=12\ts/sec=32.56 tok/sec=552.69 u/sec=0.17\tppl=8096.707219 \n",
        [1662.21, 552.69],
    ),
    SOCKEYE.search: ("Processed 3 lines. Total time: 64.5419, sec/sent: 0.0645, sent/sec: 15.4938\n", [64.5419]),
    EOLE.train: ("lr: 1.00e-03; sents: 1329; bsz: 3063/3361/266; 1782/1956 tok/s;      9 sec;\n", [1956]),
    EOLE.search: (
        "INFO] Step 0 time (s): 0.30\nINFO] Enc/Step 0 tokens / sec: 45636.6\n"
        "INFO] Subsequent prediction time including all (s): 12.73\nINFO] Average prediction time (ms): 12.7\n",
        [0.3, 12.73],
    ),
    CTRANSLATE2.search: ("search took 3.394 s\n", [3.394]),
}
COMMANDS = [
    pytest.param(command, model, id=f"{toolkit.package}-{kind}-{model}")
    for toolkit in TOOLKITS
    for model in toolkit.models
    for kind, command in (("train", toolkit.train), ("search", toolkit.search))
    if command
]


@pytest.fixture
def little(tmp_path):
    source = str(write_corpus(tmp_path / "little"))
    data = TranslationData(source, vocab_size=700, batch_tokens=64, cache_dir=str(tmp_path / "cache"))
    data.setup()
    return data


def make_interpreter(folder: Path, programs: dict[str, dict[str, str]]) -> Path:
    """An interpreter beside which packages are installed: package → module path → its source."""
    for package, modules in programs.items():
        information = folder / "packages" / f"{package.replace('-', '_')}-3.2.1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3.2.1\n")
        for module, source in modules.items():
            path = folder / "packages" / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "packages"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


# Writes the log of two windows, the second as fast as there are threads and training sentences.
TRAIN = """
import os, sys, yaml
found = yaml.safe_load(open(sys.argv[-1]))
print("1/1 tok/s")
print(f"1/{os.environ['OMP_NUM_THREADS']}{len(open('train.src').readlines())} tok/s")
open(f"{found['save_model']}_step_{found['train_steps']}.pt", "w")
"""
SEARCH = """
import sys, yaml
found = yaml.safe_load(open(sys.argv[-1]))
open(found["model"])
print("Total translation time (s):", found["max_length"])
"""


def opennmt(train: str = TRAIN, search: str = SEARCH) -> dict[str, dict[str, str]]:
    return {"OpenNMT-py": {"onmt/bin/train.py": train, "onmt/bin/translate.py": search}}


@pytest.mark.parametrize(("command", "log"), list(LOGS.items()), ids=[c.settings[0] for c in LOGS])
def test_speeds_are_found_in_what_the_toolkits_say(command, log, tmp_path):
    program = f"print({log[0]!r})"
    modules = {f"{command.arguments[1].replace('.', '/')}.py": program} if command.arguments[0] == "-m" else {}
    if not modules:
        command = command._replace(arguments=("-c", program))
    python = make_interpreter(tmp_path, {"some": modules})
    toolkit = OPENNMT._replace(train=command, search=command)
    (tmp_path / "test.src").write_text("▁a\n▁b\n▁c\n")
    assert search(python, toolkit, tmp_path, WORK) == pytest.approx(3 / sum(log[1]))
    if len(log[1]) == 2:
        assert train(python, toolkit, tmp_path, WORK) == log[1][1]
    else:
        with pytest.raises(PeerError, match="no speed of a second window"):
            train(python, toolkit, tmp_path, WORK)


@pytest.mark.parametrize(("command", "model"), COMMANDS)
def test_settings_are_the_workload_in_the_toolkits_own_words(command, model):
    text = settings(command, WORK._replace(model=model))
    assert "$" not in text
    found = list(leaves(yaml.safe_load(text)))
    if command in (OPENNMT.train, JOEYNMT.train, SOCKEYE.train, EOLE.train):
        assert {8, 0.25, 64, 2, 4, 0.1, 0.001} <= set(found)
    if command in (OPENNMT.search, JOEYNMT.search, SOCKEYE.search, EOLE.search, CTRANSLATE2.search):
        assert {5, 7, 64} <= set(found)
    if model == "transformer" and command in (OPENNMT.train, JOEYNMT.train, SOCKEYE.train, EOLE.train):
        assert {3, 12, 2} <= set(found)


def leaves(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


def test_sentences_are_written_in_pieces_and_those_to_translate_by_length(little, tmp_path):
    pairs = encode_pairs(little.corpus.test, little.tokenizer)
    write_sentences(tmp_path, little.tokenizer, pairs[:3], pairs)
    written = (tmp_path / "train.src").read_text(encoding="utf-8").splitlines()
    assert ["".join(line.split()).replace("▁", " ").strip() for line in written] == [
        pair.src for pair in little.corpus.test[:3]
    ]
    lengths = [len(line.split()) for line in (tmp_path / "test.src").read_text(encoding="utf-8").splitlines()]
    assert lengths == sorted(len(pair.src) - 1 for pair in pairs)
    vocabulary = (tmp_path / "vocab").read_text(encoding="utf-8").splitlines()
    assert len(set(vocabulary)) == len(vocabulary) == little.tokenizer.size - 4
    assert {piece for line in written for piece in line.split()} <= set(vocabulary)


def test_source_and_target_stay_in_step_when_sorted(little, tmp_path):
    write_sentences(tmp_path, little.tokenizer, [], encode_pairs(little.corpus.test, little.tokenizer))
    sides = [
        [
            "".join(line.split()).replace("▁", " ").strip()
            for line in (tmp_path / f"test.{side}").read_text().splitlines()
        ]
        for side in ("src", "tgt")
    ]
    assert set(zip(*sides, strict=True)) == {(pair.src, pair.tgt) for pair in little.corpus.test}


class EndsAtOnce(GRUSeq2Seq):
    """Would rather write EOS than anything else."""

    output_matrix = None  # its logits are no product, so search asks for them

    def decode(self, *arguments, **named):
        output = super().decode(*arguments, **named)
        output.logits[..., EOS] += 100
        return output


def test_this_project_writes_as_many_pieces_as_the_toolkits(little, monkeypatch):
    written = []
    beam_search = comparison.beam_search

    def spy(*arguments, **named):
        written.append(beam_search(*arguments, **named).ids[:, 0])
        return beam_search(*arguments, **named)

    monkeypatch.setattr(comparison, "beam_search", spy)
    network = EndsAtOnce(little.vocab_size, d_embed=8, d_model=12)
    assert search_speed(network, little, WORK) > 0
    assert sum(len(ids) for ids in written) == len(little.corpus.test)
    assert all(ids.size(1) == 7 and bool((ids > 3).all()) for ids in written)
    assert not network.training


def test_the_project_and_each_toolkit_take_turns_and_a_failure_costs_only_itself(little, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "_SIZES", {"transformer": SIZES, "gru_attention": {"d_model": 8, "dropout": 0.25}})
    small = {model: lambda vocab: GRUSeq2Seq(vocab, d_embed=8, d_model=8) for model in comparison._MODELS}
    monkeypatch.setattr(comparison, "_MODELS", small)
    broken = {"joeynmt": {"joeynmt/__main__.py": "print('first words'); raise SystemExit('it is old')"}}
    python = make_interpreter(tmp_path, opennmt() | broken)
    found = compare(little, python, rounds=2, steps=2, threads=1)
    assert found["versions"] == {"OpenNMT-py": "3.2.1", "joeynmt": "3.2.1"}
    assert found["failures"] == {"joeynmt, transformer": "it ended with status 1: it is old"}
    ours, theirs = "this project, fast", "OpenNMT-py"
    for model in ("transformer", "gru_attention"):
        training = found["training"][model]
        assert list(training) == ["this project, readable", ours, theirs]
        assert training[theirs]["per_second"] == {"median": 160, "low": 160, "high": 160, "n": 2}
        ratio = training[theirs]["ours_times_this"]
        assert ratio["high"] == pytest.approx(training[ours]["per_second"]["high"] / 160)
        assert training[ours]["ours_times_this"]["median"] == 1
        searched = found["search"][model][theirs]["per_second"]
        assert searched["median"] == pytest.approx(11 / found["pieces_per_sentence"])


def test_every_round_trains_with_dropout(little, tmp_path, monkeypatch):
    modes = []
    monkeypatch.setattr(comparison, "_SIZES", {"gru_attention": {"d_model": 8, "dropout": 0.25}})
    monkeypatch.setattr(comparison, "_MODELS", {"gru_attention": lambda vocab: GRUSeq2Seq(vocab, d_embed=8, d_model=8)})
    monkeypatch.setattr(
        comparison, "through_pipeline", lambda way, network, *_: modes.append(network.training) or [1.0]
    )
    compare(little, make_interpreter(tmp_path, opennmt()), rounds=2, steps=2, threads=1)
    assert modes == [True] * 4


def test_an_interpreter_without_toolkits_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has none of OpenNMT-py, joeynmt, sockeye, eole, ctranslate2; install one"):
        find_toolkits(make_interpreter(tmp_path, {}))


def test_what_is_no_interpreter_is_refused(tmp_path):
    with pytest.raises(UserError, match="no Python interpreter that runs"):
        find_toolkits(tmp_path / "missing")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho hello\n")
    os.chmod(script, 0o755)
    with pytest.raises(UserError, match="no Python interpreter that runs"):
        find_toolkits(script)
