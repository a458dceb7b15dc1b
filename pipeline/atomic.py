"""Files that are whole or not there: whatever a program is killed in, nobody ever sees half of one."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_SUFFIX = ".partial"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` on a temporary file in the folder of `path`, syncs it to the disk, and renames it.

    In that folder, because a rename from another file system would be a copy, which can be cut off. Where anything
    fails, what stood at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)  # or the new name may not survive a power cut, though the content does


def remove_partial_files(folder: Path) -> None:
    """Removes what writers that were killed left in `folder` and below, where nobody writes now."""
    for left in folder.rglob(f".*{_SUFFIX}"):
        left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
