"""The command of the claims: verdicts, files, going on, and failures that take nothing else with them."""

import json
from types import MappingProxyType

import pytest

from pipeline.claims import verdict
from pipeline.claims.jobs import job
from pipeline.claims.verdict import Claim
from pipeline.errors import UserError
from pipeline.panels import Line, LinePanel
from scripts import claims

CALLS: list[int] = []


def measure(seed: int) -> dict:
    CALLS.append(seed)
    if seed == 13:
        raise RuntimeError("an unlucky seed")
    return {"error": 1e-9}


class Page:
    """A page as a module would be."""

    CLAIM = Claim("C9", "Test", "Nothing is claimed.")
    PROFILES = MappingProxyType({"quick": {"seeds": (1, 2)}, "full": {"seeds": (1, 13)}})

    @classmethod
    def jobs(cls, profile):
        return [job(measure, seed=seed) for seed in cls.PROFILES[profile]["seeds"]]

    @classmethod
    def judge(cls, results, profile):
        runs = results.seeds(cls.jobs(profile))
        errors = [run["error"] for run in runs]
        return [verdict.exact("error", max(errors, default=None), 1e-6, is_primary=True)], {"errors": errors}

    @staticmethod
    def draw(numbers):
        return [LinePanel("errors", "seed", "error", [Line("error", range(len(numbers["errors"])), numbers["errors"])])]


@pytest.fixture(autouse=True)
def page(monkeypatch):
    CALLS.clear()
    monkeypatch.setattr(claims, "PAGES", {"C9": "test"})
    monkeypatch.setattr(claims, "page_of", lambda name: Page)


def test_a_claim_leaves_its_verdict_numbers_figure_and_the_table(tmp_path, capsys):
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    assert content["verdict"] == "holds"
    assert content["findings"][0]["rule"] == "at most 1e-06 (exact)"
    assert content["numbers"] == {"errors": [1e-9, 1e-9]}
    assert {"profile", "settings", "command", "commit", "hardware"} <= content.keys()
    assert (tmp_path / "out" / "C9.png").is_file()
    assert list((tmp_path / "out" / "events" / "C9").glob("events.out.*"))
    table = (tmp_path / "out" / "claims.md").read_text()
    assert "| C9 Test | **holds** |" in table
    assert table.strip() in capsys.readouterr().out


def test_a_second_call_only_draws(tmp_path):
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    assert sorted(CALLS) == [1, 2]


def test_a_failed_job_is_reported_and_the_verdict_says_so(tmp_path, capsys):
    claims.run(["C9"], "full", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    assert content["verdict"] == "undecided"
    assert "measurements are missing" in content["why"]
    assert content["missing_jobs"] == ["test_claims:measure(seed=13)"]
    assert "an unlucky seed" in capsys.readouterr().err
    assert "1 jobs failed: test_claims:measure(seed=13)" in (tmp_path / "out" / "claims.md").read_text()


def test_an_unknown_claim_is_named_with_those_that_exist(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"no claim 'C99'; there are .*C1"):
        claims.page_of("C99")


def test_every_page_is_complete(monkeypatch):
    monkeypatch.undo()
    for name in claims.PAGES:
        page = claims.page_of(name)
        assert name == page.CLAIM.name
        assert page.PROFILES.keys() == {"quick", "full"}
        assert page.__doc__.startswith(f"{name}: ")
        assert "does not show" in page.__doc__
        for profile in page.PROFILES:
            assert page.jobs(profile)
