"""The documents are true as far as a machine can tell: tables, commands, links.

What is proven of a command here is that it would start: its make target, variables, script, options and the files that
it names exist (`make -n` and the scripts' own parsers). That the scripts do what the pages say is for the tests of each
script; the commands of the lesson and of docs/evaluating.md are run, on small models, in tests/test_lesson.py; those of
docs/scaling.md that start several processes are only parsed.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pipeline.bench_table import bench_table
from pipeline.claims_table import claims_table
from pipeline.data.corpus import SentencePair
from pipeline.data.files import read_folder
from pipeline.documents import read_claims, with_tables
from pipeline.errors import UserError
from pipeline.evaluation_tables import tables_and_origin
from pipeline.json_files import read_json
from pipeline.recipes import config_files
from scripts.train import TranslationCLI
from tests.commands import ROOT
from tests.documents import PAGES, code_of, commands_of, forget_fourth_model, write_fourth_model

COMMANDS = [command for page in PAGES for command in commands_of(page)]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# What a reader brings along.
READERS_OWN = {"path/to/folder", "path/to/multi30k_tok", "owner/name", "my.en", "my.de", "sentences.txt"}
# Where commands of a page are cut, and what else begins one.
_SHELL = {"|", "<", ">", "&&"}
_LAUNCHERS = {".venv/bin/python", ".venv/bin/torchrun", "srun"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_what_the_published_json_says(page):
    text = page.read_text(encoding="utf-8")
    assert with_tables(text, ROOT / "results") == text, "run python -m scripts.publish"


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/evaluation/tables.md")), ids=str)
def test_the_tables_of_an_evaluation_are_what_its_json_says(path):
    content = json.loads(path.with_name("evaluation.json").read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == tables_and_origin(content)


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "bench").glob("bench*.md")), ids=str)
def test_the_tables_of_the_bench_are_what_its_json_says(path):
    content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == bench_table(content)


def test_the_table_of_the_claims_is_what_their_json_says():
    kept = ROOT / "results" / "claims"
    assert (kept / "claims.md").read_text(encoding="utf-8") == claims_table(read_claims(kept))


@pytest.mark.parametrize(("page", "word"), [("README.md", " times"), ("README.ko.md", "배")])
def test_how_much_less_gradients_vanish_is_what_was_measured(page, word):
    findings = read_json(ROOT / "results" / "claims" / "C2.json")["findings"]
    (found,) = (f for f in findings if "after training, with attention over without" in f["what"])
    assert f"({10 ** found['value']:.1f}{word}" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert links, "not even one back"
    for link in links:
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if heading:
            assert heading in headings(target), f"{page.name} links to {link}"


def test_text_in_one_piece_is_parted_as_its_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for side in ("en", "fr"):
        Path(f"all.{side}").write_text(
            "".join(f"{side} {n}\n" for n in range(2010)) + (" \n" if side == "fr" else "x\n")
        )
    (code,) = code_of(ROOT / "docs" / "your-corpus.md", "python")
    exec(code, {})
    splits = read_folder(Path("mine"), "en", "fr")
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 10, "val": 1000, "test": 1000}
    pairs = {pair for of_split in splits.values() for pair in of_split}
    assert pairs == {SentencePair(f"en {n}", f"fr {n}") for n in range(2010)}  # once each, and none without a side


def headings(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_has_commands_and_the_lessons_have_the_same():
    assert {command.page for command in COMMANDS} == {page.name for page in PAGES}
    english, korean = ([c.words for c in COMMANDS if c.page == name] for name in ("lesson.md", "lesson.ko.md"))
    assert english == korean


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Checks a command, in a folder with the configurations and with the fourth model of its page."""
    write_fourth_model(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TranslationCLI, "_run_subcommand", lambda self, subcommand: None)
    yield check_words
    forget_fourth_model(sys.modules)


@pytest.mark.parametrize("words", dict.fromkeys(command.words for command in COMMANDS), ids=shlex.join)
def test_every_command_of_a_page_would_start(words, check):
    check(words)


def check_words(words: tuple[str, ...]) -> None:
    """Refuses what would not start, and what it does not know how to check."""
    for part in parts(words):
        if part[0] == "make":
            check_make(part)
        elif part[0] in _LAUNCHERS:
            check_module(part)
        elif part[0] == "diff":
            assert all((ROOT / name).is_file() for name in part[1:])
        elif tuple(part[:3]) == ("python3", "-m", "venv") or part[0].endswith("/bin/pip"):
            check_installing(part)
        else:
            assert part[0] in ("echo", "cd", "sha256sum") or part[0] in READERS_OWN, f"{part[0]} is not checked here"
        for word in part:
            check_run_folder(word)


def check_installing(part: tuple[str, ...]) -> None:
    """Nothing is installed here, and nothing of the project's own: an environment of the reader's, and packages."""
    if part[0] == "python3":
        assert len(part) == 4
        return
    assert part[0].split("/")[0] != ".venv"
    assert part[1] == "install"
    for package in part[2:]:
        assert package == "--no-deps" or Requirement(package).name, package


def parts(words: tuple[str, ...]) -> list[list[str]]:
    """The programs of a line, without the variables set for them alone; a file that is read is a part of its own."""
    found: list[list[str]] = [[]]
    for word in words:
        if word in _SHELL:
            found.append([])
        elif found[-1] or not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    return found


def check_make(words: list[str]) -> None:
    targets = [word for word in words[1:] if "=" not in word]
    variables = [word.partition("=")[0] for word in words[1:] if "=" in word]
    assert len(targets) == 1
    assert re.search(rf"^{targets[0]}:.*## ", MAKEFILE, re.MULTILINE), f"make {targets[0]} is not in the Makefile"
    for variable in variables:
        assert re.search(rf"^{variable} \?=", MAKEFILE, re.MULTILINE), f"{variable}= is not in the Makefile"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    dry = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr
    for line in dry.stdout.splitlines():
        if "-m scripts." in line or "-m tests." in line:
            check_module([word for word in shlex.split(line) if word not in _SHELL])


def check_module(words: list[str]) -> None:
    module, *arguments = words[words.index("-m") + 1 :]
    if module == "pytest":
        assert (ROOT / arguments[0]).is_file()
        return
    main = import_module(module)
    parse = TranslationCLI if module == "scripts.train" else main._parser().parse_args
    if "--help" in arguments:
        with pytest.raises(SystemExit) as exit_:
            parse(arguments)
        assert exit_.value.code == 0
        return
    options = parse(arguments)
    if module == "scripts.train_all":
        assert options.corpus in {"auto", "toy", "multi30k"} | READERS_OWN
        for model in options.models.split():
            files = config_files(options.corpus, options.recipe, model)
            TranslationCLI(["fit", *(word for file in files for word in ("-c", str(file))), *options.arguments])
    if module == "scripts.claims":
        assert set(options.claims) <= set(main.PAGES)


def check_run_folder(word: str) -> None:
    """A folder under runs/ is one that the commands of these pages make."""
    if not word.startswith("runs/"):
        return
    room, *rest = Path(word).parts[1:]
    assert room in ("toy", "multi30k", "claims", "comparison", "ablation"), word
    if rest in (["evaluation", "test"], ["evaluation", "val"]):
        assert room in ("toy", "multi30k"), word
    elif room in ("toy", "multi30k") and rest:
        model, *seed = rest
        assert model == "*" or Path(f"configs/model/{model}.yaml").is_file(), word
        assert not seed or re.fullmatch(r"seed\d+", seed[0]), word


@pytest.mark.parametrize(
    "line",
    [
        "make trian",
        "make train CORPSU=toy",
        "make train MODELS=lstm",
        "make train ARGS=--model.lrr=1",
        "make claims CLAIMS=C17",
        ".venv/bin/python -m scripts.align runs/toy",
        ".venv/bin/python -m scripts.evaluate runs/tyo",
        ".venv/bin/python -m scripts.compare runs/toy/lstm/seed1",
        ".venv/bin/python -m scripts.train fit -c configs/model/lstm.yaml",
        ".venv/bin/python -m pytest tests/test_nothing.py",
        "diff configs/model/gru.yaml configs/model/lstm.yaml",
        "bash run.sh",
    ],
)
def test_a_wrong_command_is_found(line, check):
    with pytest.raises((AssertionError, SystemExit, UserError)):
        check(tuple(shlex.split(line)))


def test_the_citation_names_the_version_of_the_package():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    assert f"Version {version}}}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "CORPUS=/data/my corpora/m30k/"], "scripts.evaluate 'runs/m30k'"),
        (["evaluate", "CORPUS=auto", "RUNS=~/runs"], "scripts.evaluate 'HOME/runs'"),
        (["train", "RETRAIN=False"], "--runs_dir 'runs' --"),
        (["train", "RETRAIN=off"], "--runs_dir 'runs' --"),
        (["train", "RETRAIN=1"], "--runs_dir 'runs' --retrain --"),
        (["evaluate", "FAST=1"], "scripts.evaluate 'runs' --fast"),
        (["translate", "FAST=1", "CORPUS=toy"], "scripts.translate 'runs/toy' --fast"),
        (["claims", "RUNS=/drive/my runs"], "scripts.claims --profile quick --runs_dir '/drive/my runs'"),
        (["bench", "RUNS=/drive/runs"], "scripts.bench --corpus 'toy' --out '/drive/runs/bench'"),
        (["report", "RUNS=results"], "scripts.report 'results' --claims 'results/claims'"),
    ],
)
def test_what_make_is_given_comes_to_the_script_as_it_is_meant(words, said, monkeypatch):
    monkeypatch.setenv("HOME", "HOME")
    dry = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True)
    assert said in " ".join(dry.stdout.split())
