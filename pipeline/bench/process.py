"""What only a process of its own can tell: start-up and the peak of memory."""

import os
import signal
import subprocess
import sys
import time
from typing import Any, NamedTuple

from pipeline.errors import UserError

# A small process between this one and the command: Linux counts into the peak of a process what its parent held when it
# was started, and this one holds gigabytes.
_BETWEEN = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode  # for the error, should it fail
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status != 0)
"""


class Run(NamedTuple):
    """A command that ended well: seconds from start to end, and the most memory it held, in megabytes."""

    seconds: float
    peak_megabytes: float


def run_command(module: str, *arguments: str, threads: int) -> Run:
    """Runs `python -m module …` and waits for it.

    Raises:
        UserError: The command failed; what it said last is on the standard error.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _BETWEEN, sys.executable, "-m", module, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        peak, said = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)  # the command too, not only what stands between: nothing runs on unseen
        process.wait()
        raise
    seconds = time.perf_counter() - start
    if process.returncode:
        print(said[-2000:], file=sys.stderr)
        raise UserError(f"python -m {' '.join([module, *arguments])} failed; the lines above say why")
    per_megabyte = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in kilobytes elsewhere
    return Run(seconds, int(peak) / per_megabyte)


def measure_commands(model_config: str, data_arguments: list[str], steps: int, threads: int) -> dict[str, Any]:
    """Start-up (a run of one step and one validation batch), and peak memory of `steps` steps, readable and fast."""
    command = ["fit", "-c", "configs/base.yaml", "-c", "configs/corpus/multi30k.yaml", "-c", model_config]
    command += [*data_arguments, "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    one = run_command("scripts.train", *command, "--trainer.fast_dev_run", "1", threads=threads)
    found: dict[str, Any] = {"start_up_seconds": one.seconds}
    for name, fast in (("readable", "false"), ("fast", "true")):
        more = ["--model.fast", fast, "--trainer.fast_dev_run", str(steps)]
        found[f"peak_megabytes_{name}"] = run_command("scripts.train", *command, *more, threads=threads).peak_megabytes
    return found
