"""Commands that run side by side, and never longer than the program that started them."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import joblib


def processors() -> int:
    """As many as this process may use: in a job of a queue, under taskset, or in a container with a quota, fewer than
    the machine has."""
    return joblib.cpu_count()


def threads_each(threads: int | None, jobs: int, num_commands: int) -> int:
    """How many of `threads` (all processors, if None) each command gets where `jobs` of `num_commands` run at once."""
    return max(1, (threads or processors()) // min(jobs, num_commands))


def with_threads(threads: int) -> dict[str, str]:
    """The environment of a command that is to use so many `threads`, unless the user has said how many."""
    return {"OMP_NUM_THREADS": str(threads)} | os.environ


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
