import errno

import pytest
import torch

from pipeline.callbacks import AtomicCheckpointIO


def test_a_checkpoint_that_cannot_be_written_keeps_the_last_good_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"step": 1}, path)

    def full_disk(checkpoint, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        io.save_checkpoint({"step": 2}, path)
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_the_new_file_is_written_in_the_folder_it_will_stand_in(tmp_path, monkeypatch):
    """A rename across file systems would be a copy, which can be cut off."""
    seen = []
    save = torch.save

    def watched(checkpoint, file):
        save(checkpoint, file)
        seen.extend(p.name for p in tmp_path.iterdir())

    monkeypatch.setattr(torch, "save", watched)
    AtomicCheckpointIO().save_checkpoint({"step": 1}, tmp_path / "best.ckpt")
    assert len(seen) == 1
    assert seen[0].startswith(".best.ckpt.")
