"""Checkpoint files: written as a whole or not at all, checked by their SHA-256, read as data and never as code."""

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.atomic import write_atomically, write_text
from pipeline.errors import UserError
from pipeline.paths import is_plain_word

# Goes up when checkpoints of before can no longer be read.
FORMAT = 2
# What every checkpoint of this project holds, whoever reads it.
_FORM = (
    (("hyper_parameters", "name"), str),
    (("hyper_parameters", "network", "class_path"), str),
    (("hyper_parameters", "network", "init_args"), dict),
    (("state_dict",), dict),
    (("TranslationData", "tokenizer"), bytes),
    (("TranslationData", "src"), str),
    (("TranslationData", "tgt"), str),
    (("TranslationData", "content_hash"), str),
)


def checked_name(name: str, who: str) -> str:
    """The name of a model. Files are called by it, and terminals show it: nothing but a plain word is taken.

    Raises:
        UserError: It is none; `who` gives it.
    """
    if not is_plain_word(name):
        raise UserError(f"{who} calls its model {name[:100]!r}; expected a word, like transformer")
    return name


def checksum_file(path: Path) -> Path:
    """Where the SHA-256 of a checkpoint stands, as `sha256sum --check` reads it."""
    return path.with_name(f"{path.name}.sha256")


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Replaces the checkpoint at `path`, and its checksum.

    Two files cannot be replaced in one go, so for a moment the sums of the old and of the new content are both there:
    killed at any moment, this leaves a checkpoint and a sum that belong together.
    """
    # In memory first: where the disk is full, torch's own writer would hide the system's reason.
    buffer = io.BytesIO()
    torch.save({**content, "format": FORMAT}, buffer)
    new = hashlib.sha256(buffer.getbuffer()).hexdigest()
    old = _checksums(path) or ({_sha256(path)} if path.is_file() else set())
    _write_checksums(path, {new} | old)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))
    _write_checksums(path, {new})


def settle_checksum(path: Path) -> None:
    """Leaves one sum of the checkpoint at `path` where its writer was killed while two were there."""
    checksums = _checksums(path)
    if len(checksums) > 1 and path.is_file() and (own := _sha256(path)) in checksums:
        _write_checksums(path, {own})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint: tensors and plain values; nothing in the file is executed.

    Raises:
        UserError: The file is broken, is not the one that its checksum was made of, holds more than data, or is no
            checkpoint of this version of this project.
    """
    checksums = _checksums(path)
    data = path.read_bytes()
    checksums |= _checksums(path)  # of both sides of a moment in which a training replaced the file
    if checksums and hashlib.sha256(data).hexdigest() not in checksums:
        raise UserError(
            f"{path} was changed or damaged after it was written: its SHA-256 is not the one in "
            f"{checksum_file(path).name}; take it from a copy (both files), or train anew with RETRAIN=1"
        )
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the reader stumble in any way
        raise UserError(f"{path} is not a checkpoint of this project: {_reason(error)}") from error
    _check_form(content, path)
    return content


def refuse_other_weights(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Compares the names and shapes of the weights in the checkpoint `path` with those of the model.

    Raises:
        UserError: They are those of another model, or of one with another vocabulary or size.
    """
    differing = [
        f"{name} is {_shape(found.get(name))}, expected {_shape(expected.get(name))}"
        for name in sorted(found.keys() | expected.keys())
        if _shape(found.get(name)) != _shape(expected.get(name))
    ]
    if differing:
        more = f", and {len(differing) - 2} more" if len(differing) > 2 else ""
        raise UserError(f"{path} holds the weights of another model: {'; '.join(differing[:2])}{more}")


def _shape(weights: Any) -> str:
    return str(tuple(weights.shape)) if isinstance(weights, Tensor) else "not there"


def _check_form(content: Any, path: Path) -> None:
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"{path} has format {content['format']} and this version of the project reads format {FORMAT}; "
            "use the version that wrote it, or train anew with RETRAIN=1"
        )
    for keys, kind in _FORM:
        value = content
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, kind):
            raise UserError(
                f"{path} is not a checkpoint of this project: {'.'.join(keys)} should be {kind.__name__}, "
                f"but {'is missing' if value is None else f'is {type(value).__name__}'}"
            )
    if not all(isinstance(name, str) for name in content["state_dict"]):
        raise UserError(f"{path} is not a checkpoint of this project: state_dict has weights without a name")


def _reason(error: Exception) -> str:
    """Why a file could not be read. Not torch's own words: they advise to run what is in it."""
    foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
    if foreign:
        return f"it holds more than data ({foreign[1]}), and code in a checkpoint is never run"
    return f"it is damaged, cut off, or another kind of file ({type(error).__name__})"


def _checksums(path: Path) -> set[str]:
    """The sums that the file at `path` may have; empty where none were kept."""
    kept = checksum_file(path)
    return {line.split()[0] for line in kept.read_text().splitlines() if line.strip()} if kept.is_file() else set()


def _write_checksums(path: Path, checksums: set[str]) -> None:
    text = "".join(f"{checksum}  {path.name}\n" for checksum in sorted(checksums))
    write_text(checksum_file(path), text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
