"""Where commands write what they are told to."""

from pathlib import Path

import pytest

from scripts import ablate, align, bench, claims, compare, evaluate, report

# Each command with the arguments that it cannot do without.
COMMANDS = {
    ablate: ["--corpus", "toy"],
    align: ["run", "--sentence", "a dog ."],
    bench: [],
    claims: [],
    compare: ["run"],
    evaluate: ["run"],
    report: [],
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_out_may_begin_at_the_home_folder(monkeypatch, tmp_path, command):
    monkeypatch.setenv("HOME", str(tmp_path))
    out = command._parser().parse_args([*COMMANDS[command], "--out=~/new/page.html"]).out
    assert out == tmp_path / "new" / "page.html"


@pytest.mark.parametrize(
    ("given", "page"),
    [("a.html", "a.html"), ("a.HTM", "a.HTM"), ("a", "a/index.html"), (".", "index.html"), ("v1.2", "v1.2/index.html")],
)
def test_a_report_is_a_page_that_a_browser_takes_for_one(given, page):
    assert report._parser().parse_args(["--out", given]).out == Path(page)
