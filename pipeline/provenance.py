"""Where numbers come from: what is written down beside each of them."""

import platform
import re
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.circumstances import commit, default_device

_PACKAGES = ("torch", "pytorch-lightning", "sentencepiece", "sacrebleu", "numpy", "datasets")


def provenance(script: str, device: torch.device | str | None = None) -> dict[str, Any]:
    """Where numbers come from: command, time, commit, versions, hardware.

    Args:
        device: That computed them; None is the GPU if there is one.
    """
    return {
        "command": " ".join(["python", "-m", script, *map(_quoted, _portable(sys.argv[1:]))]),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": _hardware(torch.device(device or default_device())),
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _hardware(device: torch.device) -> dict[str, Any]:
    """The processor, its threads as torch uses them, and the GPU if `device` is one."""
    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return _of_a_mac() or platform.processor() or platform.machine()


def _of_a_mac() -> str | None:
    asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _quoted(argument: str) -> str:
    """As a shell takes it back: in quotes where it has to be, and not for the … of a folder."""
    return argument if re.fullmatch(r"[\w…./:=,@%+-]+", argument) else shlex.quote(argument)


def _portable(arguments: list[str]) -> list[str]:
    """Arguments without the folders of this machine: what is outside the project keeps its last name only."""

    def shorten(text: str) -> str:
        return f"…/{Path(text).name}" if text.startswith(("/", "~", "..")) else text

    return ["=".join(map(shorten, argument.split("=", 1))) for argument in arguments]
