"""How long `make train` takes until each model has the score that is wanted of it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.bench.process import run_command
from pipeline.curves import timed_scalar
from pipeline.json_files import read_json

BLEU = "bleu/val"


def train_to_score(
    targets: Mapping[str, float], arguments: Sequence[str], runs: Path, corpus: str, seed: int, threads: int
) -> dict[str, Any]:
    """Trains models by one `scripts.train_all`, whose start is second 0.

    A model's `seconds_to_target` end with the first validation whose BLEU, by greedy search, is at least its target;
    None if none was. Its `seconds` end when its test set is scored, and those of all, when they are compared.

    Args:
        targets: Of each model the BLEU that is wanted.
        arguments: Those of `scripts.train_all` that say on what and how to train.
        runs: Where the run folders will be; it must not exist.
        corpus: What the folder of the corpus's runs is called.
        seed: Of all models.
        threads: Of each training on a CPU.

    Raises:
        UserError: A training failed.
    """
    started = time.time()
    chosen = ["--models", " ".join(targets), "--runs_dir", str(runs), "--seed", str(seed)]
    seconds, _ = run_command("scripts.train_all", *chosen, *arguments, threads=threads)
    models, hardware = {}, {}
    for model, target in targets.items():
        folder = runs / corpus / model / f"seed{seed}"
        written = folder / "results.json"
        results = read_json(written)
        hardware = results["hardware"]
        validations = timed_scalar(folder, BLEU)
        reached = (ended - started for ended, bleu in validations if bleu >= target)
        models[model] = {
            "target": target,
            "seconds_to_target": next(reached, None),
            "last_bleu_on_validation": validations[-1][1],
            "bleu_on_test": results["test"]["bleu"],
            "seconds": written.stat().st_mtime - started,
        }
    return {"seconds": seconds, "models": models, "hardware": hardware}
