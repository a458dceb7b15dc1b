import os
import sys

from pipeline.children import Children, with_threads


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
