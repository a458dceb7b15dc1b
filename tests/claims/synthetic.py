"""Results that never were: what a criterion must say of numbers that are given to it."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.claims import verdict
from pipeline.claims.jobs import Done, Job, Results
from pipeline.data.batching import Batch, EncodedPair, make_batch
from pipeline.data.corpus import SentencePair
from pipeline.data.probes import translation


def verdict_of(page, answer: Callable[[str, dict[str, Any]], dict[str, Any] | None], profile: str = "quick") -> str:
    """The verdict of a page whose every job gave `answer(name of the job's function, its settings)`; None is a job
    that failed."""
    return verdict.judge(findings_of(page, answer, profile)).verdict


def findings_of(page, answer: Callable[[str, dict[str, Any]], dict[str, Any] | None], profile: str = "quick"):
    """The findings that `verdict_of` judges."""
    findings, numbers = page.judge(results_of(page.jobs(profile), answer), profile)
    page.draw(numbers)  # whatever the numbers are, they can be drawn
    return findings


def results_of(jobs: Iterable[Job], answer: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> Results:
    """What `answer` gives of each job."""
    found = {job: answer(job.function.rpartition(":")[2], job.options) for job in jobs}
    return Results({job: Done(result, "cpu", 1.0) for job, result in found.items() if result is not None})


def answer_without(setting: str, value: Any, answer: Callable[[str, dict[str, Any]], dict[str, Any] | None]):
    """The same answer, but what has that setting could not be trained."""
    return lambda name, options: None if options[setting] == value else answer(name, options)


def shrunk(job: Job, **sizes: Any) -> Job:
    """The job with these sizes in the place of its own, as far as it has settings of these names."""
    return job._replace(settings=tuple((name, sizes.get(name, value)) for name, value in job.settings))


def ran(job: Job) -> dict[str, Any]:
    """What a job really gives, without the cache."""
    module, _, name = job.function.partition(":")
    return getattr(importlib.import_module(module), name)(**job.options)


def assert_no_test_sentence_is_trained_on(run: Callable[[], Any], monkeypatch) -> None:
    """Of a measurement on sentences of the toy grammar: what is drawn for training is kept apart from its tests."""
    unseen, test_sentences = translation.unseen, translation.test_sentences
    kept_apart: list[set[str]] = []
    tests: list[SentencePair] = []

    def watched_unseen(rng, longest, apart):
        kept_apart.append(apart)
        return unseen(rng, longest, apart)

    def watched_test_sentences(*arguments):
        tests.extend(test_sentences(*arguments))
        return tests

    monkeypatch.setattr(translation, "unseen", watched_unseen)
    monkeypatch.setattr(translation, "test_sentences", watched_test_sentences)
    run()
    assert kept_apart
    assert all(apart == {pair.src for pair in tests} for apart in kept_apart)


class Oracle:
    """In the place of a trained network: gives the expected tokens of the last batch 1 and all others 0.

    With `is_contrary` the expected ones get −1.
    """

    def __init__(self, vocab_size: int, *, is_contrary: bool = False) -> None:
        self.vocab_size = vocab_size
        self.sign = -1.0 if is_contrary else 1.0
        self.expected: Tensor | None = None

    def make_batch(self, pairs: Sequence[EncodedPair]) -> Batch:
        """In the place of the function of this name, which makes the batches that the network gets."""
        batch = make_batch(pairs)
        self.expected = batch.tgt_out
        return batch

    def __call__(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        return self.sign * torch.nn.functional.one_hot(self.expected, self.vocab_size).float()
