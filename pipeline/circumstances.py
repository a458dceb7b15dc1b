"""What must be the same for a run that goes on to end as if it had never stopped; which code runs, where, and with how
many threads."""

import functools
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.children import num_processors

# Their releases change kernels, random streams or the order of events.
_PACKAGES = ("torch", "pytorch-lightning", "numpy", "sentencepiece")


def circumstances(processes: int, device: torch.device) -> dict[str, str | int]:
    """{"processes": 2, "device": "cpu", "torch": "2.13", …}: versions up to the number that may change results."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"processes": processes, "device": name} | {package: _release(version(package)) for package in _PACKAGES}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of `now` is not as it was, in words: ["processes: 1 → 2"]."""
    return [f"{name}: {before[name]} → {value}" for name, value in now.items() if before.get(name, value) != value]


@functools.cache
def commit() -> str | None:
    """The git commit of the code, with "+changes" where files differ from it; None outside a repository.

    As it was at the first call: what is committed while a process runs is not what it runs.
    """
    root = Path(__file__).parent.parent

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", "pipeline", "scripts", "configs")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def default_device() -> str:
    """A GPU with CUDA if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def limit_threads() -> None:
    """Has torch use no more threads than this process may use processors: torch looks at the machine, not at the quota
    of a container. Where the user says how many, so many."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), num_processors()))


def _release(full: str) -> str:
    return ".".join(full.split("+")[0].split(".")[:2])
