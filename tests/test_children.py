import os
import sys

from pipeline.children import Children, threads_each, with_threads


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
