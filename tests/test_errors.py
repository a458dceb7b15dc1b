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


@pytest.mark.parametrize(
    ("number", "inherited"),
    [(signal.SIGTERM, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_IGN), (signal.SIGHUP, signal.SIG_DFL)],
)
def test_on_a_signal_a_command_cleans_up_before_it_ends(number, inherited, request):
    outer = signal.signal(number, inherited)
    request.addfinalizer(lambda: signal.signal(number, outer))
    cleaned = []

    def command():
        with exit_on_error():
            try:
                os.kill(os.getpid(), number)
            finally:
                cleaned.append(True)

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 128 + number
    assert cleaned
    assert signal.getsignal(number) is inherited


def test_under_nohup_a_closed_terminal_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with exit_on_error():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
