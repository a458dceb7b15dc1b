"""The one exception that means: the user's input is at fault, and the message says what to do."""

import io
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.printable import printable


class UserError(ValueError):
    """Bad input found at the border. The message says what was given, what was expected and what to do, in one line;
    the command line prints it without a traceback and exits with status 2.

    What was given may be anything: line ends in the message become spaces, control characters pictures.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(re.sub(r"\s*[\r\n]\s*", " ", message.strip())))


@contextmanager
def exit_on_error() -> Iterator[None]:
    """How a command ends: with the message and status 2 where input or files are at fault, with 130 on Ctrl-C, with 143
    on SIGTERM and 129 on SIGHUP (its terminal was closed), which become exceptions too, so that children are ended and
    half-written files removed on the way.

    What it prints is UTF-8 whatever the locale, as all files are: words are in any script, and maps of blocks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    ended_by = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup a closed terminal ends nothing
        ended_by.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, _: sys.exit(128 + got)) for number in ended_by}
    try:
        yield
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
