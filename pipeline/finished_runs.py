"""Where finished runs are, and their results. No torch here: the report finds them at once."""

import glob
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.json_files import read_json

# What every training leaves in results.json.
_RESULTS = ("model", "seed", "corpus", "parameters", "steps", "target_tokens_seen", "seconds", "nats_per_token", "test")


def finished_runs(folder: Path) -> list[Path]:
    """The run folders with results anywhere inside `folder`, behind links too, but for those that were set aside."""
    found = glob.glob("**/seed*/results.json", root_dir=folder, recursive=True)
    runs = sorted((folder / results).parent for results in found)
    return [run for run in runs if not is_set_aside(run)]


def is_set_aside(run: Path) -> bool:
    """Whether a run folder has the name of one that was trained anew: seed1.2026-11-28T16-00-00."""
    return "." in run.name


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of the lowest validation loss in a run folder, whether it is there or not."""
    return run / "checkpoints" / "best.ckpt"


def read_results(run: Path) -> dict[str, Any]:
    """The results.json of a finished run.

    Raises:
        UserError: The run is not finished, or the file is damaged.
    """
    path = run / "results.json"
    if not path.is_file():
        raise UserError(f"{run} has no results.json: it is not finished; train it with make train")
    results = read_json(path)
    missing = [name for name in _RESULTS if name not in results]
    if not missing and not (isinstance(results["corpus"], dict) and "content_hash" in results["corpus"]):
        missing = ["corpus.content_hash"]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}, which a training leaves there; restore it, or RETRAIN=1")
    return results
