"""What only a process of its own can tell: start-up, validation and the peak of memory."""

import os
import subprocess
import sys
import time
from typing import Any, NamedTuple

from pipeline.errors import UserError


class Run(NamedTuple):
    """A command that ended well: seconds from start to end, and the most memory it held, in megabytes."""

    seconds: float
    peak_megabytes: float


def run_command(module: str, *arguments: str, threads: int) -> Run:
    """Runs `python -m module …` and waits for it.

    Raises:
        UserError: The command failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        errors = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"python -m {module} {' '.join(arguments)} failed:\n{errors[-2000:]}")
    per_megabyte = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in kilobytes elsewhere
    return Run(time.perf_counter() - start, usage.ru_maxrss / per_megabyte)


def measure_commands(model_config: str, data_arguments: list[str], steps: int, threads: int) -> dict[str, Any]:
    """Start-up (a run of one step and one validation batch), and peak memory of `steps` steps, readable and fast."""
    command = ["fit", "-c", "configs/base.yaml", "-c", "configs/corpus/multi30k.yaml", "-c", model_config]
    command += [*data_arguments, "--trainer.enable_progress_bar", "false"]
    one = run_command("scripts.train", *command, "--trainer.fast_dev_run", "1", threads=threads)
    found: dict[str, Any] = {"start_up_seconds": one.seconds}
    for name, fast in (("readable", "false"), ("fast", "true")):
        more = ["--model.fast", fast, "--trainer.fast_dev_run", str(steps)]
        found[f"peak_megabytes_{name}"] = run_command("scripts.train", *command, *more, threads=threads).peak_megabytes
    return found
