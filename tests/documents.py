"""What the documents say: their commands, their code, their links."""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from pipeline import models
from pipeline.documents import documents
from tests.commands import ROOT

PAGES = documents(ROOT)
FOURTH_MODEL = ROOT / "docs" / "adding-a-model.md"

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`((?:make|\.venv/bin/python) [^`]+)`(?!`)")
_GENERATED = re.compile(r"<!-- \w+:[\w.-]+(?: ko)? -->.*?<!-- end -->", re.DOTALL)


class Command(NamedTuple):
    """A command of a page; `words` are the shell's, with variables of earlier lines put in."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def text_of(page: Path) -> str:
    """A page without its generated tables, which may tell of commands of the past."""
    return _GENERATED.sub("", page.read_text(encoding="utf-8"))


def commands_of(page: Path) -> list[Command]:
    """The commands in blocks without a language, and those within sentences, in the page's order: of the line
    `make claims CLAIMS="C1 C5"  # two of them`, the words are "make", "claims" and "CLAIMS=C1 C5"."""
    text = text_of(page)
    found = [(block.start(), _lines(block[2])) for block in _FENCED.finditer(text) if not block[1]]
    outside = _FENCED.sub(lambda block: " " * len(block[0]), text)
    found += [(span.start(), [span[1]]) for span in _INLINE.finditer(outside)]
    variables: dict[str, str] = {}
    commands = []
    for _, lines in sorted(found):
        for line in lines:
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            words = _words(line)
            if len(words) == 1 and re.match(r"[A-Z]+=", words[0]):
                name, _, value = words[0].partition("=")
                variables[name] = value
            elif words:
                commands.append(Command(page.name, words))
    return commands


def cells(row: str) -> list[str]:
    """Of a row of a Markdown table."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def _lines(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def _words(line: str) -> tuple[str, ...]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return tuple(lexer)


def code_of(page: Path, language: str) -> list[str]:
    """The blocks in `language`."""
    return [block[2] for block in _FENCED.finditer(text_of(page)) if block[1] == language]


def file_of(page: Path, name: str) -> str:
    """The block under the line that is nothing but a file's name."""
    return re.search(rf"^`{re.escape(name)}`\n\n```\w+\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)[1]


def write_fourth_model(folder: Path, monkeypatch) -> Path:
    """Makes `folder`/configs with the page's YAML beside ours, and the page's Python file found as if it stood in
    pipeline/models/; returns that file. Whoever imports it has to forget it (`forget_fourth_model`)."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "configs/model/conv.yaml").write_text(file_of(FOURTH_MODEL, "configs/model/conv.yaml"), encoding="utf-8")
    (folder / "models").mkdir()
    file = folder / "models" / "convolution.py"
    file.write_text(file_of(FOURTH_MODEL, "pipeline/models/convolution.py"), encoding="utf-8")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(file.parent)])
    return file


def forget_fourth_model(modules: dict) -> None:
    """Takes the page's module out of Python's table of modules, `sys.modules`."""
    if modules.pop("pipeline.models.convolution", None):
        del models.convolution
