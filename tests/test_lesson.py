"""The lesson works: its commands run, on small models trained for a moment, and its hand computations are right.

Run are the commands of docs/lesson.md (the Korean page has the same ones) and docs/evaluating.md that need no more than
finished runs. Training itself, the claims, the report and what asks at a prompt have tests of their own.
"""

import itertools
import math
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from pipeline.models.attention import dot_product_attention
from scripts import train
from tests.commands import ROOT, fit_arguments, write_corpus
from tests.documents import code_of, commands_of

LESSON, EVALUATING = (ROOT / "docs" / name for name in ("lesson.md", "evaluating.md"))
LESSONS = [LESSON, ROOT / "docs" / "lesson.ko.md"]
MODELS = ("gru", "gru_attention", "transformer")
COMMANDS = [
    command.words
    for page in (LESSON, EVALUATING)
    for command in commands_of(page)
    if command.words[0] != "make" and not any(word.startswith("runs/multi30k") for word in command.words)
]


@pytest.fixture(scope="module")
def classroom(tmp_path_factory) -> Path:
    """A folder as after the preparation of the lesson: configs/, and runs/ of models that learned next to nothing; what
    is there of a second seed are copies of the first."""
    folder = tmp_path_factory.mktemp("classroom")
    (folder / "configs").symlink_to(ROOT / "configs")
    corpus = write_corpus(folder / "toy")
    (folder / "sentences.txt").write_text("the dog sleeps .\na cat .\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for model in MODELS:
            patch.setattr(sys, "argv", ["train", *fit_arguments(corpus, folder, model, "--trainer.max_epochs", "1")])
            train.main()
            run = folder / "runs" / "toy" / model
            shutil.copytree(run / "seed1", run / "seed2")
            for name, old, new in (
                ("results.json", '"seed": 1', '"seed": 2'),
                ("config.yaml", "seed_everything: 1", "seed_everything: 2"),
            ):
                text = (run / "seed2" / name).read_text(encoding="utf-8")
                assert old in text
                (run / "seed2" / name).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_there_are_commands_to_run():
    run = {words[words.index("-m") + 1] for words in COMMANDS if "-m" in words}
    assert run == {"scripts.compare", "scripts.align", "scripts.evaluate", "scripts.translate"}


@pytest.mark.parametrize("words", dict.fromkeys(COMMANDS), ids=" ".join)
def test_the_command_runs(words, classroom, monkeypatch, capsys):
    monkeypatch.chdir(classroom)
    if words[0] == "diff":
        done = subprocess.run(words, capture_output=True, text=True)
        differing = re.findall(r"^[<>] ([^#].*)$", done.stdout, re.MULTILINE)
        assert {line.strip() for line in differing} == {
            *("name: gru", "memory: last"),
            *("name: gru_attention", "memory: all"),
        }
        return
    given, words = standard_input(words)
    module, *arguments = words[words.index("-m") + 1 :]
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else None
    if out is not None:
        shutil.rmtree(out, ignore_errors=True) if out.is_dir() else out.unlink(missing_ok=True)
    with open(os.devnull if given is None else given, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        import_module(module).main()
    assert capsys.readouterr().out.strip()
    if out is not None:
        assert out.exists()


def test_the_python_of_the_page_runs(classroom, monkeypatch, capsys):
    monkeypatch.chdir(classroom)
    of_maps, of_one = code_of(EVALUATING, "python")
    names: dict[str, object] = {}
    exec(of_maps, names)
    _, *maps = capsys.readouterr().out.splitlines()
    exec(of_one, names)
    assert capsys.readouterr().out.startswith("[[")
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")
    assert {kind for line in maps for kind in ("cross", "encoder") if f" {kind} (" in line} == {"cross", "encoder"}


def standard_input(words: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The file that a command reads, as `< FILE` or `echo TEXT |`, and the rest of the command."""
    if "|" in words:
        end = words.index("|")
        assert words[0] == "echo"
        Path("echoed.txt").write_text(" ".join(words[1:end]) + "\n", encoding="utf-8")
        return "echoed.txt", list(words[end + 1 :])
    if "<" in words:
        at = words.index("<")
        return words[at + 1], [*words[:at], *words[at + 2 :]]
    return None, list(words)


@pytest.fixture(params=LESSONS, ids=lambda page: page.name)
def lesson(request) -> str:
    """The text of each lesson, where numbers may be broken over lines."""
    return re.sub(r"\s+", " ", request.param.read_text(encoding="utf-8"))


def decimals(numbers: torch.Tensor) -> str:
    """ "(0.665, 0.090, 0.245)" """
    return "(" + ", ".join(f"{number:.3f}" for number in numbers.flatten().tolist()) + ")"


def test_attention_by_hand(lesson):
    states = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    for hidden in (torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]])):
        context, weights = dot_product_attention(hidden, states, states, None, 1.0)
        assert f"A = {decimals(weights)}" in lesson
        if hidden[0, 0] == 1:
            assert f"C = 0.665·h₁ + 0.090·h₂ + 0.245·h₃ = {decimals(context)}" in lesson


def test_gradients_by_hand(lesson):
    def states(inputs: torch.Tensor, w: float) -> list[torch.Tensor]:
        found = [inputs[0]]
        for vector in inputs[1:]:
            found.append(w * found[-1] + vector)
        return found

    def change(w: float, is_mean: bool) -> float:
        inputs = torch.zeros(10, dtype=torch.float64, requires_grad=True)
        found = states(inputs, w)
        (torch.stack(found).mean() if is_mean else found[-1]).backward()
        return inputs.grad[0].item()

    assert f"0.5⁹ ≈ {change(0.5, False):.5f}" in lesson
    assert f"+ 0.5⁹) / 10 ≈ {change(0.5, True):.4f}" in lesson
    assert f" {change(0.5, True) - 0.1:.4f}" in lesson  # through time
    assert f"0.9⁹ ≈ {change(0.9, False):.3f}" in lesson
    assert 95 < change(0.5, True) / change(0.5, False) < 105  # "a hundred times"


@pytest.mark.parametrize(("width", "counts"), [(2, {-2: 1, 0: 2, 2: 1}), (4, {-4: 1, -2: 4, 0: 6, 2: 4, 4: 1})])
def test_products_of_random_signs_by_hand(width, counts, lesson):
    signs = list(itertools.product((-1, 1), repeat=width))
    products = [sum(a * b for a, b in zip(q, k, strict=True)) for q in signs for k in signs]
    share = len(products) // 2**width
    assert {product: products.count(product) // share for product in set(products)} == counts
    variance = sum(product**2 for product in products) / len(products)
    assert variance == width
    assert f"= {width} = d_k" in lesson
    assert f"√2 ≈ {math.sqrt(2):.3f}" in lesson


@pytest.mark.parametrize("gap", [4.0, 2.0])
def test_softmax_of_two_scores_by_hand(gap, lesson):
    large, small = torch.tensor([gap, 0.0]).softmax(0).tolist()
    assert re.search(rf"{large:.3f}( and |와 |과 ){small:.3f}", lesson)
    assert f"p(1 − p) ≈ {large * small:.3f}" in lesson


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.name)
def test_the_code_of_the_lesson_prints_its_answers(page, capsys):
    (code,) = code_of(page, "python")
    exec(compile(code, page.name, "exec"), {})  # our own page
    shown = capsys.readouterr().out
    for number in ("0.6652", "0.0900", "0.2447", "1.5752", "0.4248"):
        assert number in shown
