"""What a finished run leaves behind: `results.json`, with everything needed to believe and to repeat its numbers."""

import hashlib
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pipeline.circumstances import commit, default_device
from pipeline.data.corpus import SentencePair
from pipeline.data.datamodule import TranslationData
from pipeline.errors import UserError
from pipeline.json_files import read_json_lines, write_json_lines
from pipeline.metrics import SentenceScore, by_length, teacher_forced, translated

_PACKAGES = ("torch", "pytorch-lightning", "sentencepiece", "sacrebleu", "numpy", "datasets")


class Effort(NamedTuple):
    """What training took: optimiser steps, epochs, target tokens seen, seconds with validation, processes."""

    steps: int
    epochs: int
    target_tokens_seen: int
    seconds: float
    processes: int


def run_results(
    *,
    model: str,
    seed: int,
    data: TranslationData,
    network: nn.Module,
    initial_weights_hash: str,
    effort: Effort,
    best_step: int,
    scores: dict[str, list[SentenceScore]],
    val_nats_per_token: float,
    commits: Sequence[str | None],
    device: torch.device,
) -> dict[str, Any]:
    """The content of results.json.

    Args:
        network: The model with its best weights.
        best_step: The step of those weights.
        scores: Of the splits "test" and "train" (a sample as large as validation), by those weights.
        val_nats_per_token: Validation loss of those weights.
        commits: Of the code that trained.
        device: That trained.
    """
    made = provenance("scripts.train", device)
    pairs = data.corpus.test
    hypotheses = [score.hypothesis for score in scores["test"]]
    test, train = teacher_forced(scores["test"]), teacher_forced(scores["train"])
    free = translated(hypotheses, [pair.tgt for pair in pairs])
    bands = by_length(scores["test"], [pair.src for pair in pairs], [pair.tgt for pair in pairs])
    return {
        "model": model,
        "seed": seed,
        "corpus": {
            "name": data.corpus.name,
            "source": data.corpus.source,
            "languages": f"{data.src}-{data.tgt}",
            "content_hash": data.content_hash,
            "pairs": {"train": len(data.corpus.train), "val": len(data.corpus.val), "test": len(pairs)},
            "is_synthetic": data.corpus.is_synthetic,
        },
        "parameters": sum(p.numel() for p in network.parameters()),
        **effort._asdict(),
        "best_step": best_step,
        "nats_per_token": {
            "train": train.nats_per_token,
            "val": val_nats_per_token,
            "test": test.nats_per_token,
            "how": "teacher-forced, without dropout and label smoothing; train is a sample as large as validation",
        },
        "test": {
            "search": "greedy",
            "perplexity": test.perplexity,
            "token_accuracy_teacher_forced": test.token_accuracy,
            **free._asdict(),
            "by_source_length": [band._asdict() for band in bands],
        },
        "initial_weights_hash": initial_weights_hash,
        "batch_order_hash": data.order_hash(),
        **made,
        "earlier_commits": [earlier for earlier in commits if earlier != made["commit"]],
    }


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


def write_translations(path: Path, pairs: Sequence[SentencePair], scores: Sequence[SentenceScore]) -> None:
    """One JSON object per test sentence: the pair with its word links, the translation, its teacher-forced score."""
    write_json_lines(path, ({**pairs[score.index]._asdict(), **score._asdict()} for score in scores))


def read_translations(path: Path) -> list[dict[str, Any]]:
    """What `write_translations` wrote, in the order of the test set. Raises UserError where it is damaged."""
    try:
        return sorted(read_json_lines(path), key=lambda row: row["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is broken ({type(error).__name__}: {error}); bring it back, or RETRAIN=1") from error


def weights_hash(network: nn.Module) -> str:
    """SHA-256 (hex) of all weights, with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
