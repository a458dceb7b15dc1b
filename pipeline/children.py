"""Commands that run side by side, and never longer than the program that started them."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import NamedTuple, Self

import joblib


def num_processors() -> int:
    """As many as this process may use: in a job of a queue, under taskset, or in a container with a quota, fewer than
    the machine has."""
    return joblib.cpu_count()


def threads_each(threads: int | None, jobs: int, num_commands: int) -> int:
    """How many of `threads` (all processors, if None) each command gets where `jobs` of `num_commands` run at once."""
    return max(1, (threads or num_processors()) // min(jobs, num_commands))


def with_threads(threads: int) -> dict[str, str]:
    """The environment of a command that is to use so many `threads`, unless the user has said how many."""
    return {"OMP_NUM_THREADS": str(threads)} | os.environ


def ended_by_signal(status: int, remedy: str) -> str:
    """How a command ended that could not say so itself: "was ended by SIGTERM".

    Args:
        status: Below 0, as `subprocess` has it where a signal ended the command.
        remedy: What to do where it was for lack of memory, for which the system kills.
    """
    why = f" (as the system does where memory runs out: {remedy})" if status == -signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-status).name}{why}"


class Children:
    """Processes, started from any thread, that are ended with the block that uses them: nothing trains on unseen."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            process.wait()

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], echo: Callable[[str], None] = lambda line: None
    ) -> tuple[int, str]:
        """Runs `command` to its end; its status, and all that it said. Once the block is over: not run, status −15.

        Args:
            echo: Gets each line as soon as it is said.
        """
        with self._lock:
            if self._is_over:
                return -signal.SIGTERM, ""
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            self._running.add(process)
        said = []
        for line in process.stdout:
            said.append(line)
            echo(line)
        process.wait()
        with self._lock:
            self._running.remove(process)
        return process.returncode, "".join(said)


class Finished(NamedTuple):
    """A command that has come to its end: its place among those that were given, its status, and all that it said."""

    place: int
    status: int
    said: str


@contextmanager
def side_by_side(
    commands: Sequence[Sequence[str]],
    jobs: int,
    starting: Callable[[Sequence[str]], None] = lambda command: None,
    echo: Callable[[str], None] = lambda line: None,
) -> Iterator[Iterator[Finished]]:
    """Runs the commands, `jobs` at once, which share the processors; gives each as it ends. Those that have not come to
    their end when the block does are ended with it, and no other starts.

    Args:
        starting: Gets each command before it is started, in a thread of its own.
        echo: Gets each line that one of them says, likewise.
    """
    environment = with_threads(threads_each(None, jobs, len(commands)))

    def run(place: int) -> Finished:
        starting(commands[place])
        return Finished(place, *children.run(commands[place], environment, echo))

    # Never in the main thread, where a signal could come between the start of a process and the note of it.
    with ThreadPoolExecutor(jobs) as pool, Children() as children:
        calls = [pool.submit(run, place) for place in range(len(commands))]
        try:
            yield (call.result() for call in as_completed(calls))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # or those that wait would be announced, one after another
