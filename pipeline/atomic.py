"""Files that are whole or not there: whatever a program is killed in, nobody ever sees half of one; and folders that
one program at a time writes to."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_SUFFIX = ".partial"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` on a temporary file in the folder of `path`, syncs it to the disk, and renames it.

    In that folder, because a rename from another file system would be a copy, which can be cut off. Where anything
    fails, what stood at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
    temporary.touch(exist_ok=False)  # with the permissions of any file that its user makes
    try:
        write(temporary)
        _sync(temporary, os.O_RDWR)  # some shared file systems refuse it of a file that is only read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # some shared file systems cannot, and the file is there
        _sync(path.parent, os.O_RDONLY)  # or the new name may not survive a power cut, though the content does


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def remove_partial_files(folder: Path) -> None:
    """Removes what writers that were killed left in `folder` and below, where nobody writes now."""
    for left in folder.rglob(f".*{_SUFFIX}"):
        left.unlink(missing_ok=True)


def lock(folder: Path) -> int:
    """Keeps every other process that asks for `folder` out of it until this one closes the handle that is returned, or
    ends, in whatever way. A file system that knows no locks lets everybody in.

    Raises:
        BlockingIOError: Another process has it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        pass  # it knows none
    return handle


def _sync(path: Path, access: int) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
