"""Commands beside each other: their share of the processors, what they say, and their end."""

import os
import subprocess
import sys
import time

from pipeline.children import Children, side_by_side, threads_each, with_threads
from tests.commands import ROOT

TWO_OF_THREE = """
import signal, sys
from pipeline.children import side_by_side
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
commands = [["sh", "-c", "echo $$ > $0; exec sleep 600", f"{sys.argv[1]}/{i}.pid"] for i in range(3)]
with side_by_side(commands, 2) as finished:
    list(finished)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_threads_are_shared_out_of_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert [threads_each(None, jobs, 3) for jobs in (1, 2, 3, 8)] == [4, 2, 1, 1]
    assert threads_each(6, 3, 3) == 2
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert threads_each(None, 1, 3) == 2


def test_a_number_of_threads_that_the_user_set_wins(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert with_threads(3)["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert with_threads(3) == dict(os.environ)


def test_what_a_command_says_is_read_as_utf_8_whatever_the_locale(monkeypatch):
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    code = r"import sys; sys.stdout.buffer.write('GRU → Ä …\n'.encode() + b'\xff\n')"
    lines = []
    with Children() as children:
        status, said = children.run([sys.executable, "-c", code], os.environ, lines.append)
    assert (status, said) == (0, "GRU → Ä …\n\ufffd\n")
    assert "".join(lines) == said


def test_each_command_is_given_as_it_ends_with_what_it_said():
    commands = [
        ["sh", "-c", f"sleep {seconds}; echo $OMP_NUM_THREADS $0; exit {code}", str(code)]
        for seconds, code in ((1, 4), (0, 5))
    ]
    started, lines = [], []
    with side_by_side(commands, 2, started.append, lines.append) as finished:
        ended = [(place, status, said.split()[-1]) for place, status, said in finished]
    assert ended == [(1, 5, "5"), (0, 4, "4")]
    assert sorted(started) == sorted(commands)
    assert [line.split()[-1] for line in lines] == ["5", "4"]


def test_a_command_that_waits_when_one_fails_is_not_announced():
    commands = [[sys.executable, "-c", code] for code in ("raise SystemExit(3)", "import time; time.sleep(60)", "")]
    started = []
    with side_by_side(commands, 1, started.append) as finished:
        assert next(finished).status == 3
    assert started in (commands[:1], commands[:2])  # the second may have begun before the first was looked at


def test_when_a_program_is_ended_so_are_its_commands(tmp_path):
    """Ended as a queue does it, by SIGTERM, while two wait: neither goes on, and no third starts."""
    script = tmp_path / "two_of_three.py"
    script.write_text(TWO_OF_THREE)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while len(pids := [path.read_text() for path in tmp_path.glob("*.pid")]) < 2 or not all(pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.terminate()
    assert parent.wait(timeout=60) == 143
    assert not any(is_running(int(pid)) for pid in pids)
    assert not (tmp_path / "2.pid").exists()
