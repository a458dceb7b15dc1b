"""Results that never were: what a criterion must say of numbers that are given to it."""

from collections.abc import Callable
from typing import Any

from pipeline.claims import verdict
from pipeline.claims.jobs import Job, Results


def verdict_of(page, answer: Callable[[str, dict[str, Any]], dict[str, Any] | None], profile: str = "quick") -> str:
    """The verdict of a page whose every job gave `answer(name of the job's function, its settings)`; None is a job
    that failed."""
    found = {job: answer(job.function.rpartition(":")[2], job.options) for job in page.jobs(profile)}
    results = Results({job: result for job, result in found.items() if result is not None})
    findings, numbers = page.judge(results, profile)
    page.draw(numbers)  # whatever the numbers are, they can be drawn
    return verdict.judge(findings).verdict


def ran(page, job: Job) -> dict[str, Any]:
    """What a job really gives, without the cache."""
    module, _, name = job.function.partition(":")
    assert module == page.__name__
    return getattr(page, name)(**job.options)
