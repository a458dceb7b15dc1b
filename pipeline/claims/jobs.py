"""Independent jobs, run in parallel and kept: a training is done once, and an interrupted call goes on where it was.

A job is a function of a claim's file with its settings; it returns numbers as JSON. Its result is kept under a hash of
what determines it: the function and what it calls, the settings, the code of models and training, libraries' versions.
"""

import dis
import functools
import hashlib
import importlib
import inspect
import json
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import joblib
import torch

from pipeline.atomic import write_text
from pipeline.claims.training import training_on
from pipeline.errors import UserError

_ROOT = Path(__file__).parent.parent
_LIBRARIES = ("numpy", "sentencepiece", "sacrebleu")  # beside torch: a release may change what they give
# What jobs are made of beside their own file.
_SHARED = (
    *("models/*.py", "data/probes/*.py", "data/batching.py", "data/tokenizer.py", "decoding.py", "scoring.py"),
    *(
        "alignment.py",
        "metrics.py",
        "objective.py",
        "optimizer.py",
        "data/grammar.py",
        "data/phrases.py",
        "data/lexicon.py",
        "data/inflection.py",
        "claims/training.py",
    ),
)


class Job(NamedTuple):
    """One unit of work: `function(**settings, **places)`, where `function` is "module:name".

    Attributes:
        settings: Plain values that determine the result.
        places: Those that only say where something lies that the settings determine by its content: no part of the key.
    """

    function: str
    settings: tuple[tuple[str, Any], ...]
    places: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.settings + self.places)

    def at(self, **places: Any) -> "Job":
        """The same job with its `places`."""
        return self._replace(places=tuple(sorted(places.items())))

    def __str__(self) -> str:
        return f"{self.function.rpartition('.')[2]}({', '.join(f'{k}={v}' for k, v in self.settings)})"

    def key(self) -> str:
        """Where its result is kept: a SHA-256 (hex) of what determines it."""
        parts = [self.function, self.settings, torch.__version__, _code_hash(self.function), *map(version, _LIBRARIES)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Failure(NamedTuple):
    """A job that raised: what it was, and where it went wrong."""

    job: Job
    error: str


class Done(NamedTuple):
    """A job that ran: what it gave, where its trainings ran, and how long it took."""

    result: dict[str, Any]
    device: str
    seconds: float


class Results:
    """What jobs gave; a job that failed or did not run is missing."""

    def __init__(self, found: dict[Job, Done]) -> None:
        self._found = found

    def of(self, job: Job) -> dict[str, Any] | None:
        """The result of one job; None where it is missing."""
        return self._found[job].result if job in self._found else None

    def seeds(self, jobs: Iterable[Job]) -> list[dict[str, Any]]:
        """The results of jobs that differ in their seed only; empty unless all are there."""
        found = [self.of(job) for job in jobs]
        return found if all(result is not None for result in found) else []

    def effort(self, jobs: Iterable[Job]) -> dict[str, Any]:
        """What these jobs took: `jobs`, `seconds` on the whole (other jobs ran beside them), `trained_on`."""
        done = [self._found[job] for job in dict.fromkeys(jobs) if job in self._found]
        seconds = round(sum(one.seconds for one in done), 1)
        return {"jobs": len(done), "seconds": seconds, "trained_on": sorted({one.device for one in done})}


def job(function: Callable[..., dict[str, Any]], **settings: Any) -> Job:
    """The job that calls `function`, which must stand at the top of its module, with `settings`."""
    return Job(f"{function.__module__}:{function.__name__}", tuple(sorted(settings.items())))


def run_jobs(
    jobs: Iterable[Job],
    cache: Path,
    workers: int,
    on_done: Callable[[Job], None] = lambda job: None,
    device: str = "cpu",
) -> tuple[Results, list[Failure]]:
    """Runs what is not kept yet, `workers` at once (joblib processes; a joblib.parallel_config around this call takes
    them to other backends and machines), and reads the rest from `cache`. A job that fails takes no other with it.

    Args:
        device: Where trainings run: cpu, or cuda, which all workers share.
        on_done: Called after each job, kept ones included.

    Raises:
        UserError: A worker was killed.
    """
    wanted = list(dict.fromkeys(jobs))
    paths = {job: cache / f"{job.key()}.json" for job in wanted}
    kept = {job: _read(path) for job, path in paths.items()}
    found = {job: done for job, done in kept.items() if done is not None}
    for job in found:
        on_done(job)
    failures = []
    missing = [job for job in wanted if job not in found]
    calls = (joblib.delayed(_run)(job, paths[job], device) for job in missing)
    try:
        for job, done in joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(calls):
            if isinstance(done, Done):
                found[job] = done
            else:
                failures.append(done)
            on_done(job)
    except BrokenProcessPool as error:
        raise UserError(
            f"one of {workers} processes was ended, as the system does where memory runs out: give fewer (JOBS, "
            "--jobs). What is done is kept; the same command goes on from there"
        ) from error
    return Results(found), failures


def _run(job: Job, path: Path, device: str) -> tuple[Job, Done | Failure]:
    torch.set_num_threads(1)  # many small jobs side by side: threads would only wait for each other
    start = time.monotonic()
    try:
        with training_on(device):
            result = _load(job.function)(**job.options)
        text = json.dumps(Done(result, device, time.monotonic() - start)._asdict())
    except Exception:
        return job, Failure(job, traceback.format_exc())
    write_text(path, text)
    return job, Done(**json.loads(text))


def _read(path: Path) -> Done | None:
    """What is kept of a job; None where there is nothing, or a file that was broken from outside."""
    try:
        return Done(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _load(function: str) -> FunctionType:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


@functools.cache
def _code_hash(function: str) -> str:
    """SHA-256 (hex) of all code that a job's result depends on; it does not change during a call."""
    shared = (path.read_text(encoding="utf-8") for pattern in _SHARED for path in sorted(_ROOT.glob(pattern)))
    return hashlib.sha256("".join([*_sources(_load(function), set()), *shared]).encode()).hexdigest()


def _sources(function: Callable, seen: set[str]) -> list[str]:
    """The source of a function, of what it uses of its own module and of the claims, and the values it reads."""
    function = inspect.unwrap(function)  # decorated, `__code__` would be the decorator's
    name = f"{function.__module__}.{function.__qualname__}"
    if name in seen:
        return []
    seen.add(name)
    texts = [inspect.getsource(function)]
    methods = [m for m in vars(function).values() if inspect.isfunction(m)] if inspect.isclass(function) else [function]
    for method in map(inspect.unwrap, methods):
        for name in sorted(_names(method.__code__)):
            value = method.__globals__.get(name)
            if inspect.ismodule(value) and value.__name__.startswith(__package__):
                texts.append(inspect.getsource(value))
            elif (inspect.isfunction(value) or inspect.isclass(value)) and _is_near(value, method):
                texts += _sources(value, seen)
            elif isinstance(value, int | float | str | tuple | list | dict | range | set | frozenset):
                texts.append(f"{name} = {value!r}")
    return texts


def _is_near(value: Any, method: Any) -> bool:
    """Whether something is of the same module as the function that uses it, or of a claim."""
    return value.__module__ == method.__module__ or value.__module__.startswith(__package__)


def _names(code: CodeType) -> set[str]:
    """The global names that a function reads, also in functions inside it."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    read = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return read.union(*(_names(part) for part in inner))
