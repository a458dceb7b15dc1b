import errno
import os
import signal
import stat
from pathlib import Path

import pytest

from pipeline.atomic import remove_partial_files, write_atomically, write_text


def test_a_file_is_written_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("whole"))
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_who_may_read_a_file_is_for_its_user_to_say(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file.txt", lambda temporary: temporary.write_text("whole"))
    finally:
        os.umask(before)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("hal")
        raise error

    with pytest.raises(error):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_until_it_is_whole_a_file_is_not_there(tmp_path):
    path = tmp_path / "file.txt"

    def write(temporary):
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename is atomic only within one file system

    write_atomically(path, write)


def test_content_is_on_the_disk_before_its_name_and_the_name_before_anything_else(tmp_path, monkeypatch):
    """So that a power cut leaves the old file or the new one."""
    order, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: order.append("sync") or sync(handle))
    monkeypatch.setattr(Path, "replace", lambda self, target: order.append("name") or replace(self, target))
    write_atomically(tmp_path / "file.txt", lambda temporary: temporary.write_text("whole"))
    assert order == ["sync", "name", "sync"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    """A child is killed while it writes: no handler of its own can clean up."""
    path = tmp_path / "inner" / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))
    (path.parent / ".hidden").write_text("of somebody else")
    if not (child := os.fork()):
        write_atomically(path, lambda temporary: os.kill(os.getpid(), signal.SIGKILL))
    os.waitpid(child, 0)
    assert len(list(path.parent.iterdir())) == 3
    remove_partial_files(tmp_path)
    assert {left.name for left in path.parent.iterdir()} == {"file.txt", ".hidden"}
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_synced_does_not_undo_a_written_file(tmp_path, monkeypatch):
    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not on this file system")

    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"
