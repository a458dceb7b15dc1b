"""Results that never were: what a criterion must say of numbers that are given to it."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.claims import verdict
from pipeline.claims.jobs import Done, Job, Results


def verdict_of(page, answer: Callable[[str, dict[str, Any]], dict[str, Any] | None], profile: str = "quick") -> str:
    """The verdict of a page whose every job gave `answer(name of the job's function, its settings)`; None is a job
    that failed."""
    findings, numbers = page.judge(results_of(page.jobs(profile), answer), profile)
    page.draw(numbers)  # whatever the numbers are, they can be drawn
    return verdict.judge(findings).verdict


def results_of(jobs: Iterable[Job], answer: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> Results:
    """What `answer` gives of each job."""
    found = {job: answer(job.function.rpartition(":")[2], job.options) for job in jobs}
    return Results({job: Done(result, "cpu", 1.0) for job, result in found.items() if result is not None})


def ran(job: Job) -> dict[str, Any]:
    """What a job really gives, without the cache."""
    module, _, name = job.function.partition(":")
    return getattr(importlib.import_module(module), name)(**job.options)
