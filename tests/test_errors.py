"""How commands end."""

import io
import os
import signal

import pytest

from pipeline.errors import UserError, exit_on_error


@pytest.mark.parametrize(
    ("raised", "status"), [(UserError("no"), 2), (FileNotFoundError("gone"), 2), (KeyboardInterrupt(), 130)]
)
def test_what_ends_a_command_decides_its_status(raised, status):
    with pytest.raises(SystemExit) as end, exit_on_error():
        raise raised
    assert end.value.code == status


def test_what_a_command_prints_is_utf8_whatever_the_locale(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    with exit_on_error():
        print("░▒▓█ 나무", flush=True)
    assert written.getvalue().decode() == "░▒▓█ 나무\n"


def test_on_sigterm_a_command_cleans_up_before_it_ends():
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def command():
        with exit_on_error():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                cleaned.append(True)

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 128 + signal.SIGTERM
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is before
