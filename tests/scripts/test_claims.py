"""The command of the claims: verdicts, files, going on, and failures that take nothing else with them."""

import inspect
import json
from types import MappingProxyType
from unittest.mock import Mock

import pytest
import torch

from pipeline.claims import natural_text, natural_text_findings, verdict
from pipeline.claims.jobs import job
from pipeline.claims.verdict import Claim
from pipeline.claims_table import conditions
from pipeline.errors import UserError
from pipeline.panels import Line, LinePanel
from pipeline.report import short_commit
from scripts import claims
from tests.commands import ROOT
from tests.documents import code_of

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


def test_its_figure_says_how_many_seeds_and_on_what_code(tmp_path, monkeypatch):
    feet = []
    monkeypatch.setattr(claims, "save_panels", lambda path, heading, panels, foot: feet.append(foot))
    monkeypatch.setattr(claims.SummaryWriter, "add_image", lambda *_, **__: None)
    monkeypatch.setattr(claims, "imread", lambda path: None)
    claims.run(["C9"], "full", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    made_by = f"{short_commit(content['commit'])}, {content['hardware']['processor']}"
    assert feet == [[f"full profile: seeds 1/13. Commit {made_by}."]]
    assert conditions(content) == feet[0]  # of what was read back, too: it would be drawn again otherwise


def test_results_and_kept_jobs_go_where_the_runs_are(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(claims, "run", lambda names, profile, jobs, cache, out, *_: asked.append((cache, out)) or [])
    monkeypatch.setattr("sys.argv", ["claims", "--runs_dir", str(tmp_path), "--profile", "full"])
    claims.main()
    assert asked == [(tmp_path / "claims/cache", tmp_path / "claims/full")]


def test_settings_under_a_figure_are_short():
    text = {"corpus": "captions", "content_hash": "5f", "steps": 8, "seeds": [4, 5, 6]}
    settings = {
        "seeds": {"one way": [1, 2, 3, 4], "both": [1]},
        "copy_steps": 400,
        "widths": [16, 256],
        "distances": [1, 2, 5, 10],
        "rates": [0.1, 1, 2],
    }
    made = {"commit": None, "hardware": {"processor": "x86_64", "gpu": "H200"}}
    assert conditions({"profile": "quick", "settings": settings, "natural_text": text, **made}) == [
        "quick profile: seeds (one way 1–4, both 1), copy_steps 400, widths 16/256, distances 1/2/5/10, "
        "rates 0.1/1/2. "
        "Commit unknown, H200.",
        "On captions: steps 8, seeds 4–6.",
    ]


def test_where_the_figure_was_not_drawn_there_is_no_verdict_to_publish(tmp_path, monkeypatch):
    out = tmp_path / "out"
    claims.run(["C9"], "quick", 1, tmp_path / "cache", out)
    monkeypatch.setattr(claims, "save_panels", Mock(side_effect=OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        claims.run(["C9"], "full", 1, tmp_path / "cache", out)
    assert not (out / "C9.json").exists()


def test_where_nothing_can_be_written_no_job_is_run(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FileExistsError):
        claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    assert not CALLS


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


@pytest.mark.parametrize(("profile", "ends"), [("quick", None), ("full", 1)])
def test_the_command_fails_where_a_job_failed(tmp_path, monkeypatch, profile, ends):
    where = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["claims", "C9", "--profile", profile, "--jobs", "1", *where])
    if ends:
        with pytest.raises(SystemExit) as ended:
            claims.main()
        assert ended.value.code == ends
    else:
        claims.main()
    assert (tmp_path / "out" / "C9.json").is_file()


def test_a_claim_on_natural_text_says_so_when_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setitem(natural_text.MODELS_OF, "C9", ("all",))
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    assert content["verdict"] == "holds"
    assert content["why"].endswith("on natural text: not run")
    assert content["natural_text"] is None
    assert "On natural text: not run (`make claims TEXT=multi30k`" in (tmp_path / "out" / "claims.md").read_text()


def test_the_call_on_the_page_on_many_machines_is_one_that_run_takes(monkeypatch):
    asked, signature = [], inspect.signature(claims.run)
    monkeypatch.setattr(claims, "run", lambda *given, **named: asked.append(signature.bind(*given, **named)))
    (code,) = code_of(ROOT / "docs" / "scaling.md", "python")
    exec(code, {})
    assert len(asked) == 1


def test_natural_text_adds_jobs_findings_and_panels(tmp_path, monkeypatch):
    extra = job(measure, seed=5)
    failing = verdict.exact("captions: error", 3.0, 1.0)
    monkeypatch.setitem(natural_text.MODELS_OF, "C9", ("all",))
    monkeypatch.setattr(natural_text, "jobs", lambda claim, profile, text: [extra])
    monkeypatch.setattr(natural_text_findings, "judge", lambda *args: ([failing], {"errors": [3.0]}))
    monkeypatch.setattr(natural_text_findings, "draw", Page.draw)
    text = natural_text.Text("a/folder", "captions", "abc")
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out", text)
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    assert sorted(CALLS) == [1, 2, 5]
    assert (content["verdict"], content["why"]) == ("holds in part", "but fails: captions: error")
    assert content["natural_text"]["corpus"] == "captions"
    assert content["numbers"]["natural_text"] == {"errors": [3.0]}
    assert "a/folder" not in json.dumps(content)
    assert "On natural text: captions" in (tmp_path / "out" / "claims.md").read_text()


def test_what_the_jobs_took_and_where_they_ran_is_written_down(tmp_path):
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    assert (content["jobs"], content["trained_on"]) == (2, ["cpu"])
    assert isinstance(content["seconds"], float)


def test_the_table_keeps_claims_that_were_tested_before_and_corrects_for_them(tmp_path, capsys):
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "C9.json").read_text())
    (finding,) = content["findings"]
    measured = finding | {"low": 0.1, "high": 0.3, "p_value": 0.01}
    (tmp_path / "out" / "C8.json").write_text(
        json.dumps(
            content
            | {"claim": content["claim"] | {"name": "C8"}}
            | {"findings": [measured | {"what": what} for what in ("one", "another", "a third")]}
        )
    )
    capsys.readouterr()
    claims.run(["C9"], "quick", 1, tmp_path / "cache", tmp_path / "out")
    said, table = capsys.readouterr().out, (tmp_path / "out" / "claims.md").read_text()
    assert "| C8 Test |" in table
    assert "| C9 Test |" in table
    assert "p 0.030" in table
    assert "| C8 Test |" not in said
    assert "corrected (Holm 1979) for all primary findings that C8 and C9 have." in said


def test_no_jobs_at_once_are_refused(refuse):
    assert "--jobs is 0; it must be at least 1" in refuse(claims.main, "C9", "--jobs", "0")


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert claims._device("auto") == "cpu"
    with pytest.raises(UserError, match="torch finds no GPU"):
        claims._device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert claims._device("auto") == "cuda"


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
        for heading in ("Set-up", "Criterion", "What this does not show"):
            assert f"\n\n{heading}: " in page.__doc__
        for profile in page.PROFILES:
            assert page.jobs(profile)
