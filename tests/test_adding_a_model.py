"""The fourth model of docs/adding-a-model.md works as the page says: one file, one YAML, and nothing else."""

import inspect
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

from pipeline import recipes
from pipeline.models import GRUSeq2Seq
from pipeline.translator import Translator
from scripts import train
from tests.commands import GRU_SIZES, SMALL, write_corpus
from tests.conftest import D_MODEL, VOCAB_SIZE
from tests.documents import FOURTH_MODEL, code_of, forget_fourth_model, text_of, write_fourth_model
from tests.models import test_contract

PROMISES = [
    promise
    for name, promise in vars(test_contract).items()
    if name.startswith("test_") and set(inspect.signature(promise).parameters) == {"network", "sentences"}
]


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """The page's Python file, found as if it stood in pipeline/models/."""
    yield write_fourth_model(tmp_path, monkeypatch)
    forget_fourth_model(sys.modules)


@pytest.fixture
def network(model_file):
    """Stands in for the fixture of tests/conftest.py, which goes through the shipped models."""
    from pipeline.models.convolution import ConvSeq2Seq

    torch.manual_seed(0)
    return ConvSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL).eval()


def test_there_are_promises_to_keep():
    assert len(PROMISES) >= 12


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_model_of_the_page_keeps_what_every_model_promises(promise, network, sentences):
    promise(network, sentences)


def test_without_the_line_that_the_page_points_at_padding_is_seen(model_file, sentences):
    code = model_file.read_text(encoding="utf-8")
    without = "".join(line for line in code.splitlines(keepends=True) if "masked_fill" not in line)
    assert without != code
    model_file.write_text(without, encoding="utf-8")
    from pipeline.models.convolution import ConvSeq2Seq

    torch.manual_seed(0)
    broken = ConvSeq2Seq(VOCAB_SIZE, "all", d_embed=6, d_model=D_MODEL).eval()
    with pytest.raises(AssertionError):
        test_contract.test_padding_is_invisible_to_every_model(broken, sentences)


def test_a_state_knows_two_words_to_either_side(network):
    vectors = torch.randn(1, 9, 6, requires_grad=True)
    states = network.encode_vectors(vectors, torch.ones(1, 9, dtype=torch.bool)).states
    (gradient,) = torch.autograd.grad(states[0, 4].sum(), vectors)
    assert gradient[0].abs().sum(1).ne(0).nonzero().flatten().tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("recipe", ["toy", "other", "multi30k"])
def test_with_the_sizes_of_the_page_it_has_as_many_parameters_as_the_others_within_a_percent(model_file, recipe):
    from pipeline.models.convolution import ConvSeq2Seq

    of_page, of_other, of_multi30k = (sizes_in(text) for text in code_of(FOURTH_MODEL, "yaml"))
    own = {"toy": {}, "other": of_other, "multi30k": of_multi30k}[recipe]
    ours = recipes.CONFIGS / recipe / "gru.yaml"
    of_gru = sizes_in(ours.read_text()) if ours.is_file() else {}
    vocab_size = yaml.safe_load((recipes.CONFIGS / "corpus" / f"{recipe}.yaml").read_text())["data"]["vocab_size"]
    conv, gru = ConvSeq2Seq(vocab_size, **of_page | own), GRUSeq2Seq(vocab_size, **of_gru)
    conv, gru = (sum(p.numel() for p in network.parameters()) for network in (conv, gru))
    assert abs(conv - gru) / gru < 0.01


def test_on_multi30k_it_has_the_dropout_of_the_others_with_a_recurrent_decoder():
    *_, on_multi30k = code_of(FOURTH_MODEL, "yaml")
    ours = (recipes.CONFIGS / "multi30k" / "gru.yaml").read_text()
    assert yaml.safe_load(on_multi30k)["dropout"] == yaml.safe_load(ours)["dropout"]


def sizes_in(text: str) -> dict:
    return yaml.safe_load(text)["model"]["network"]["init_args"]


def test_the_yaml_of_the_page_trains_it_through_the_command_line(model_file, tmp_path, monkeypatch, capsys):
    corpus = write_corpus(tmp_path / "little")
    folders = ["--data.corpus", str(corpus), "--data.cache_dir", str(tmp_path / "cache"), "--runs_dir", str(tmp_path)]
    _, on_other_text, _ = code_of(FOURTH_MODEL, "yaml")
    (tmp_path / "configs/other/conv.yaml").write_text(on_other_text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "CONFIGS", Path("configs"))
    files = [word for file in recipes.config_files(str(corpus), None, "conv") for word in ("-c", str(file))] + SMALL
    monkeypatch.setattr(sys, "argv", ["train", "fit", *files, *GRU_SIZES, *folders])
    train.main()
    assert re.search(r"^\| conv +\|", capsys.readouterr().out, re.MULTILINE)
    checkpoint = tmp_path / "little" / "conv" / "seed1" / "checkpoints" / "best.ckpt"
    translator = Translator.load(checkpoint)
    assert type(translator.network).__name__ == "ConvSeq2Seq"
    assert translator.origin.init_args["embedding_scale"] == 4.0


def test_the_line_for_the_tests_of_the_contract_makes_the_model(network):
    line = re.search(r'^    "conv": lambda: (.*),$', text_of(FOURTH_MODEL), re.MULTILINE)[1]
    names = {"ConvSeq2Seq": type(network), "VOCAB_SIZE": VOCAB_SIZE, "D_MODEL": D_MODEL}
    assert type(eval(line, names)) is type(network)  # our own page
