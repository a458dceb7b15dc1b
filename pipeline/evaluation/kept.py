"""Scores that an earlier evaluation left, to be put beside new ones without the checkpoints they were made with.

So the seeds of a model may be trained on several machines, and none of them has to be kept for the next.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.alignment import Sharpness
from pipeline.atomic import lock, write_text
from pipeline.data.corpus import SentencePair
from pipeline.errors import UserError
from pipeline.json_files import read_json_lines, write_json_lines
from pipeline.metrics import SentenceScore
from pipeline.scoring import Search

EVALUATION = "evaluation.json"
STAGED = ".new"  # the folder in which an evaluation is written, before it is moved to where it belongs
# Of an evaluation's JSON: where its numbers come from.
_ORIGIN = ("command", "date", "commit", "versions", "hardware")


class KeptRun(NamedTuple):
    """What an evaluation keeps of a run.

    Attributes:
        model: Its name.
        seed: Of its training.
        scores: In the order of the sentences.
        shape: How its mean attention looks; None where it has none, or where gold links are known.
        network: Its `class_path` and `init_args`; None where the evaluation is of a version that did not keep them.
        origin: Of the evaluation that scored it: `command`, `date`, `commit`, `versions`, `hardware`.
    """

    model: str
    seed: int
    scores: list[SentenceScore]
    shape: Sharpness | None
    network: dict[str, Any] | None
    origin: dict[str, Any]


def is_evaluation(path: Path) -> bool:
    """Whether `path` is a folder that `scripts.evaluate` wrote."""
    return (path / EVALUATION).is_file()


def settle(folder: Path) -> None:
    """Goes on with moving an evaluation into `folder`, where a process was stopped at it; one that is not stopped is
    left to do so itself."""
    if not is_evaluation(folder / STAGED):
        return
    try:
        handle = lock(folder)
    except BlockingIOError:
        return
    try:
        _move_staged(folder)
    finally:
        os.close(handle)


def _move_staged(folder: Path) -> None:
    """Moves the evaluation that is staged in `folder`, which is locked, there, in the place of the one before.

    Of both, the JSON is written and moved last and removed first: where there is one, there is all that it speaks of.
    """
    staged = folder / STAGED
    if not is_evaluation(staged):  # moved by another process, until this one had the lock
        return
    if is_evaluation(folder):
        for path in folder.glob("length_*_joined*.png"):
            path.unlink()
        (folder / EVALUATION).unlink()
    for path in sorted(staged.iterdir(), key=lambda path: path.name == EVALUATION):
        path.replace(folder / path.name)
    staged.rmdir()


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Where an evaluation is written: it comes into `folder` when all is there. The one before, which may hold the only
    scores of its runs, stays until then, and no other evaluation is written to `folder` meanwhile.

    Raises:
        UserError: Another process evaluates into it.
        OSError: Nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = lock(folder)
    except BlockingIOError as error:
        raise UserError(
            f"another evaluation is writing to {folder}; wait for it, or write to another folder (--out)"
        ) from error
    try:
        staged = folder / STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        try:
            yield staged
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        _move_staged(folder)
    finally:
        os.close(handle)


class Evaluated(NamedTuple):
    """What an evaluation is of: `sentences_hash` of its sentences, model and seed of each of its runs, up to how many
    sentences were joined, and whether links were scored."""

    sentences: str
    runs: list[tuple[str, int]]
    joined: int
    has_links: bool


def evaluated(folder: Path) -> Evaluated | None:
    """What the evaluation in `folder` is of; None where there is none.

    Raises:
        UserError: There is one that this version cannot read.
    """
    if not is_evaluation(folder):
        return None
    try:
        content = _content(folder)
        models = content["scores"]["models"]
        return Evaluated(
            content["corpus"]["sentences_hash"],
            [(name, seed) for name in models for seed in models[name]["seeds"]],
            max((joined["k"] for joined in content.get("concatenated", [])), default=1),
            "alignment" in content,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder} has an evaluation that cannot be read ({type(error).__name__}: {error}) and would be lost: "
            "write to another folder (--out), or remove that one"
        ) from error


def _content(folder: Path) -> dict[str, Any]:
    """The evaluation in `folder`: not by `read_json`, whose errors say what to do, which here depends on who asks."""
    return json.loads((folder / EVALUATION).read_text(encoding="utf-8"))


def sentences_hash(pairs: Sequence[SentencePair]) -> str:
    """SHA-256 (hex) of the sentences, which says whether scores are of the same ones."""
    return hashlib.sha256("".join(f"{pair.src}\t{pair.tgt}\n" for pair in pairs).encode()).hexdigest()


def write_scores(folder: Path, model: str, seed: int, scores: Sequence[SentenceScore]) -> None:
    """The translations (`.hyp`), a line each, and the other fields of `SentenceScore` (`.jsonl`), an object each:

    {"index": 0, "nats": 2.31, "tokens": 9, "correct": 8}
    """
    translations, numbers = _files(folder, model, seed)
    rows = [score._asdict() for score in scores]
    write_text(translations, "".join(f"{row.pop('hypothesis')}\n" for row in rows))
    write_json_lines(numbers, rows)


def longest_trained(folder: Path) -> int | None:
    """Words of the longest training source, as the evaluation in `folder` has it; None if unknown.

    Raises:
        UserError: The evaluation is broken.
    """
    try:
        return _content(folder)["corpus"]["longest_training_source_words"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _lacking(folder, error) from error


def read_kept(folder: Path, pairs: Sequence[SentencePair], search: Search) -> list[KeptRun]:
    """All runs of the evaluation in `folder`.

    Raises:
        UserError: It is of other sentences or another search, or lacks what this version keeps.
    """
    try:
        content = _content(folder)
        made_of, search_of = content["corpus"]["sentences_hash"], content["search"]
        models = content["scores"]["models"]
        runs = [_read(folder, content, name, n) for name in models for n in range(len(models[name]["seeds"]))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _lacking(folder, error) from error
    if made_of != sentences_hash(pairs):
        raise UserError(f"{folder} holds scores of other sentences than are to be scored now")
    if search_of != {"beam": search.beam, "alpha": search.alpha}:
        wanted = "--beam {beam} --alpha {alpha:g}".format(**search_of)
        raise UserError(f"{folder} holds translations by another search; to put others beside them, give {wanted}")
    if any([score.index for score in run.scores] != list(range(len(pairs))) for run in runs):
        raise UserError(f"{folder} does not hold one score for each sentence; evaluate its runs again")
    return runs


def _lacking(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"{folder} does not hold what a later evaluation needs ({type(error).__name__}: {error}); "
        "evaluate its runs again"
    )


def _read(folder: Path, content: dict[str, Any], name: str, index: int) -> KeptRun:
    """Run number `index` of a model, from the JSON's `content` and the file of its scores."""
    seed = content["scores"]["models"][name]["seeds"][index]
    translations, numbers = _files(folder, name, seed)
    lines = translations.read_text(encoding="utf-8").split("\n")[:-1]
    rows = zip(read_json_lines(numbers), lines, strict=True)
    scores = [SentenceScore(**row, hypothesis=line) for row, line in rows]
    attention = content.get("attention", {}).get(name)
    shape = attention["per_seed"][index] if attention else None
    origin = next((run for run in content["earlier"] if (run["model"], run["seed"]) == (name, seed)), content)
    networks = content.get("networks", {}).get(name)
    network = networks[index] if networks else None
    return KeptRun(name, seed, scores, shape and Sharpness(**shape), network, {key: origin[key] for key in _ORIGIN})


def _files(folder: Path, model: str, seed: int) -> tuple[Path, Path]:
    """Where the translations and the scores of a run stand, sentence by sentence."""
    return folder / f"{model}-seed{seed}.hyp", folder / f"{model}-seed{seed}.jsonl"
