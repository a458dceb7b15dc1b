"""Where finished runs are. No torch here: the report finds them at once."""

import glob
from pathlib import Path


def finished_runs(folder: Path) -> list[Path]:
    """The run folders with results anywhere inside `folder`, behind links too, but for those that were set aside."""
    found = glob.glob("**/seed*/results.json", root_dir=folder, recursive=True)
    runs = sorted((folder / results).parent for results in found)
    return [run for run in runs if not is_set_aside(run)]


def is_set_aside(run: Path) -> bool:
    """Whether a run folder has the name of one that was trained anew: seed1.2026-11-28T16-00-00."""
    return "." in run.name
