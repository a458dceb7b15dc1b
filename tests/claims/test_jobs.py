"""Jobs are done once, and one that fails takes no other with it."""

import os
import re
import signal
from pathlib import Path

import pytest
import torch

from pipeline.claims import natural_text
from pipeline.claims.jobs import _ROOT, _SHARED, Done, Job, Results, _code_hash, job, run_jobs
from pipeline.errors import UserError
from scripts.claims import PAGES, page_of
from tests.test_dependencies import imports_of

_CLAIMS = _ROOT / "claims"

SCALE = 2


@pytest.fixture(autouse=True)
def code_may_change():
    """Between tests, which a real call does not do."""
    _code_hash.cache_clear()
    yield
    _code_hash.cache_clear()


def counted(number: int, log: str) -> dict:
    """Doubles a number, and leaves a line that it was called."""
    with open(log, "a") as file:
        file.write(f"{number}\n")
    return {"double": double(number)}


@torch.no_grad()
def double(number: int) -> int:
    return SCALE * number


def fails(number: int) -> dict:
    raise RuntimeError(f"no {number}")


def calls(log) -> list[str]:
    return sorted(log.read_text().split()) if log.exists() else []


def test_a_job_that_several_findings_read_took_its_time_once():
    one, two = (job(double, number=number) for number in (1, 2))
    results = Results({one: Done({}, "cpu", 1.0), two: Done({}, "cuda", 2.0)})
    assert results.effort([one, two, two]) == {"jobs": 2, "seconds": 3.0, "trained_on": ["cpu", "cuda"]}


def test_what_is_kept_is_not_run_again(tmp_path):
    log = tmp_path / "log"
    first = [job(counted, number=n, log=str(log)) for n in (1, 2)]
    results, failures = run_jobs(first, tmp_path / "cache", workers=1)
    assert (results.of(first[1]), failures) == ({"double": 4}, [])
    more = [*first, job(counted, number=3, log=str(log))]
    done = []
    results, _ = run_jobs(more, tmp_path / "cache", workers=1, on_done=done.append)
    assert calls(log) == ["1", "2", "3"]
    assert set(done) == set(more)
    assert results.seeds(more) == [{"double": 2}, {"double": 4}, {"double": 6}]


def test_the_same_job_asked_for_twice_runs_once(tmp_path):
    log = tmp_path / "log"
    same = job(counted, number=1, log=str(log))
    run_jobs([same, same], tmp_path / "cache", workers=1)
    assert calls(log) == ["1"]


def test_a_failed_job_is_named_with_its_settings_and_the_others_are_kept(tmp_path):
    log = tmp_path / "log"
    good, bad = job(counted, number=1, log=str(log)), job(fails, number=7)
    results, (failure,) = run_jobs([bad, good], tmp_path / "cache", workers=1)
    assert results.of(good) == {"double": 2}
    assert results.of(bad) is None
    assert results.seeds([good, bad]) == []
    assert "fails(number=7)" in str(failure.job)
    assert "RuntimeError: no 7" in failure.error
    assert len(list((tmp_path / "cache").glob("*.json"))) == 1


def is_killed(number: int) -> dict:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_the_system_kills_is_said_with_what_it_may_have_lacked(tmp_path):
    with pytest.raises(UserError, match=r"one of 2 processes was ended, .*: give fewer .* goes on from there"):
        run_jobs([job(is_killed, number=n) for n in (1, 2)], tmp_path / "cache", workers=2)


def test_processes_give_what_one_gives(tmp_path):
    log = tmp_path / "log"
    jobs = [job(counted, number=n, log=str(log)) for n in range(4)]
    one, _ = run_jobs(jobs, tmp_path / "one", workers=1)
    two, _ = run_jobs(jobs, tmp_path / "two", workers=2)
    assert one.seeds(jobs) == two.seeds(jobs)


def test_the_key_changes_with_settings_code_and_what_the_code_reads(tmp_path, monkeypatch):
    one = job(counted, number=1, log="x")
    assert one.key() == job(counted, log="x", number=1).key()
    assert one.key() != job(counted, number=2, log="x").key()
    assert one.key() != job(fails, number=1).key()
    before = one.key()
    monkeypatch.setattr("tests.claims.test_jobs.SCALE", 3)  # read by `double`, which `counted` calls
    _code_hash.cache_clear()
    assert one.key() != before


# Pages draw as well; errors are no results; a corpus is in the settings by its content; no job takes a fast path or
# makes an interval. The claims' own files are followed function by function.
NO_PART_OF_THE_KEY = ("measures", "panels", "errors", "data.corpus", "data.loading", "fast", "statistics", "claims")


def imported_by(path: Path, found: set[Path]) -> set[Path]:
    """Adds to `found` the files of pipeline/ that a file imports, and those that these import."""
    for name in imports_of(path):
        if not re.match(rf"pipeline\.(?!({'|'.join(map(re.escape, NO_PART_OF_THE_KEY))})(\.|$))", name):
            continue
        place = _ROOT.parent / name.replace(".", "/")
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file() and file not in found:
                found.add(file)
                imported_by(file, found)
    return found


def test_the_key_changes_with_whatever_the_measuring_code_imports():
    jobs = [one for name in PAGES for one in page_of(name).jobs("quick")]
    jobs += natural_text.jobs("C0", "quick", natural_text.Text("a folder", "text", "its hash"))
    measuring = {_ROOT.parent / f"{one.function.partition(':')[0].replace('.', '/')}.py" for one in jobs}
    measuring |= {path for pattern in ("*_models.py", "training.py", "variants.py") for path in _CLAIMS.glob(pattern)}
    assert _CLAIMS / "c7_direction.py" in measuring  # a page that measures by itself
    files = {file for path in measuring for file in imported_by(path, set())}
    assert files >= {_ROOT / "optimizer.py", _ROOT / "models" / "__init__.py", _ROOT / "data" / "phrases.py"}
    assert files <= {path for pattern in _SHARED for path in _ROOT.glob(pattern)}


def test_what_only_shares_a_name_with_an_attribute_is_not_part_of_the_key(tmp_path, monkeypatch):
    one = job(counted, number=1, log="x")
    before = one.key()
    monkeypatch.setattr("tests.claims.test_jobs.write", fails, raising=False)  # `file.write` is something else
    _code_hash.cache_clear()
    assert one.key() == before


def test_the_device_is_no_part_of_the_key_but_is_written_down(tmp_path):
    log = tmp_path / "log"
    one, two = (job(counted, number=n, log=str(log)) for n in (1, 2))
    run_jobs([one], tmp_path / "cache", workers=1, device="meta")
    results, _ = run_jobs([one, two], tmp_path / "cache", workers=1, device="cpu")
    assert calls(log) == ["1", "2"]
    assert results.effort([one])["trained_on"] == ["meta"]
    assert results.effort([one, two, two])["trained_on"] == ["cpu", "meta"]
    assert results.effort([one, two, two])["jobs"] == 2


def test_a_broken_result_is_made_again(tmp_path):
    log = tmp_path / "log"
    one = job(counted, number=1, log=str(log))
    run_jobs([one], tmp_path / "cache", workers=1)
    (path,) = (tmp_path / "cache").glob("*.json")
    path.write_text('{"double"')
    results, _ = run_jobs([one], tmp_path / "cache", workers=1)
    assert results.of(one) == {"double": 2}


def test_jobs_read_as_calls():
    assert str(Job("pipeline.claims.bottleneck_jobs:copy_run", (("seed", 1),))) == "bottleneck_jobs:copy_run(seed=1)"
