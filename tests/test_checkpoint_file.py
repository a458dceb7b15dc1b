import contextlib
import errno
import hashlib
import pickle
import random
import resource
import signal
import warnings

import pytest
import torch

from pipeline import atomic, checkpoint_file
from pipeline.checkpoint_file import (
    checksum_file,
    read_checkpoint,
    refuse_other_weights,
    settle_checksum,
    write_checkpoint,
)
from pipeline.errors import UserError
from tests.commands import said_by_a_child

ORIGIN = {"class_path": "pipeline.models.GRUSeq2Seq", "init_args": {"d_model": 8}}
DATA = {"tokenizer": b"proto", "src": "en", "tgt": "de", "content_hash": "0"}


def content(step: int = 1, **changes) -> dict:
    form = {"hyper_parameters": {"name": "mine", "network": ORIGIN}, "state_dict": {}, "TranslationData": DATA}
    return form | {"step": step, "weights": torch.arange(1000.0)} | changes


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    write_checkpoint(content(1), path)
    return path


def names(path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir())


def test_a_checkpoint_comes_back_as_it_was_and_its_checksum_is_that_of_sha256sum(path):
    assert read_checkpoint(path)["step"] == 1
    assert torch.equal(read_checkpoint(path)["weights"], torch.arange(1000.0))
    assert names(path) == ["last.ckpt", "last.ckpt.sha256"]
    assert checksum_file(path).read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  last.ckpt\n"


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_whole(path, monkeypatch):
    read_bytes = type(path).read_bytes

    def and_replace(self) -> bytes:
        data = read_bytes(self)
        monkeypatch.setattr("pathlib.Path.read_bytes", read_bytes)
        write_checkpoint(content(2), path)
        return data

    monkeypatch.setattr("pathlib.Path.read_bytes", and_replace)
    assert read_checkpoint(path)["step"] == 1
    assert read_checkpoint(path)["step"] == 2


def full_disk(temporary, data) -> None:
    with open(temporary, "wb") as file:
        file.write(data[:100])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_checkpoint_that_cannot_be_written_keeps_the_last_good_one(path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(content(2), path)
    assert names(path) == ["last.ckpt", "last.ckpt.sha256"]
    assert read_checkpoint(path)["step"] == 1


def test_where_the_system_takes_no_more_bytes_it_says_so_itself(path):
    """torch's own writer would hide the reason behind "unexpected pos"."""

    def write_too_much():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        write_checkpoint(content(2), path)

    assert "File too large" in said_by_a_child(write_too_much)
    assert read_checkpoint(path)["step"] == 1


@pytest.mark.parametrize("killed_in", [1, 2, 3])
def test_killed_between_checkpoint_and_checksum_they_still_belong_together(path, monkeypatch, killed_in):
    writes = []
    write = checkpoint_file.write_atomically

    def stop_at(*arguments):
        writes.append(arguments)
        if len(writes) == killed_in:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patch:
        for module in (atomic, checkpoint_file):
            patch.setattr(module, "write_atomically", stop_at)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(content(2), path)
    assert read_checkpoint(path)["step"] == (2 if killed_in == 3 else 1)
    settle_checksum(path)
    assert checksum_file(path).read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  last.ckpt\n"


def test_the_sum_of_a_damaged_file_is_never_made_the_right_one(path):
    checksum_file(path).write_text(f"{'0' * 64}  last.ckpt\n{'1' * 64}  last.ckpt\n")
    settle_checksum(path)
    with pytest.raises(UserError, match="changed or damaged"):
        read_checkpoint(path)
    checksum_file(path).unlink()
    settle_checksum(path)
    assert not checksum_file(path).exists()


def test_a_file_that_was_changed_after_it_was_written_is_refused(path):
    torch.save(content(7), path)
    with pytest.raises(UserError, match=r"last.ckpt was changed or damaged .* not the one in last.ckpt.sha256"):
        read_checkpoint(path)
    checksum_file(path).unlink()
    assert read_checkpoint(path)["step"] == 7


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint was executed')",))


def test_code_in_a_checkpoint_is_named_and_never_run(path):
    checksum_file(path).unlink()
    torch.save(content(extra=Malicious()), path)
    with pytest.raises(UserError, match=r"holds more than data \(exec\), and code in a checkpoint is never run"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Malicious(), protocol=2))
    with pytest.raises(UserError, match=r"is not a checkpoint of this project: it"):
        read_checkpoint(path)


def test_wherever_a_file_is_cut_or_damaged_it_is_refused_by_name_or_still_has_our_form(path):
    checksum_file(path).unlink()
    whole, random_ = path.read_bytes(), random.Random(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(150):
            cut, place = random_.randrange(len(whole)), random_.randrange(len(whole))
            path.write_bytes(whole[:cut])
            with pytest.raises(UserError, match=r"last.ckpt is not a checkpoint of this project: it"):
                read_checkpoint(path)
            path.write_bytes(whole[:place] + random_.randbytes(3) + whole[place + 3 :])
            with contextlib.suppress(UserError):
                assert isinstance(read_checkpoint(path)["hyper_parameters"]["name"], str)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1}, "has format 1 and this version of the project reads format 2"),
        ({"TranslationData": {}}, "TranslationData.tokenizer should be bytes, but is missing"),
        ({"TranslationData": DATA | {"tokenizer": "text"}}, "TranslationData.tokenizer should be bytes, but is str"),
        ({"hyper_parameters": 3}, "hyper_parameters.name should be str, but is missing"),
        ({"state_dict": [1]}, "state_dict should be dict, but is list"),
        ({"state_dict": {1: torch.zeros(2)}}, "state_dict has weights without a name"),
    ],
)
def test_a_checkpoint_of_another_form_or_version_is_refused(path, changes, message):
    checksum_file(path).unlink()
    torch.save(content(**changes), path)
    with pytest.raises(UserError, match=message):
        read_checkpoint(path)


def test_weights_of_another_model_or_vocabulary_are_named(path):
    expected = {"embedding": torch.zeros(11, 8), "bias": torch.zeros(8)}
    refuse_other_weights(path, {"embedding": torch.ones(11, 8), "bias": torch.ones(8)}, expected)
    with pytest.raises(UserError, match=r"another model: embedding is \(12, 8\), expected \(11, 8\)$"):
        refuse_other_weights(path, expected | {"embedding": torch.zeros(12, 8)}, expected)
    with pytest.raises(UserError, match=r"bias is not there, expected \(8,\); query is \(3,\), expected not there"):
        refuse_other_weights(path, {"embedding": torch.zeros(11, 8), "query": torch.zeros(3)}, expected)
