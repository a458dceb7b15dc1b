"""Differences between models, sizes and seeds are paired over test items: all runs must be tested on the same ones."""

import importlib

import pytest

from pipeline.claims import c1_bottleneck, c2_gradient_paths, c5_time_steps, c6_long_term, c7_direction, c8_seven_steps
from pipeline.data.batching import make_batch
from tests.claims.synthetic import ran, shrunk

SMALL = {"steps": 1, "pairs": 3, "items": 3, "d_model": 16, "d_k": 4, "heads": 2}


@pytest.mark.parametrize(
    ("page", "function", "task"),
    [
        (c1_bottleneck, "copy_run", {"order": "copy"}),
        (c1_bottleneck, "copy_run", {"order": "reverse"}),
        (c2_gradient_paths, "recall_run", {}),
        (c2_gradient_paths, "copy_run", {}),
        (c5_time_steps, "order_run", {"order": "copy"}),
        (c6_long_term, "distance_run", {"task": "agreement"}),
        (c6_long_term, "distance_run", {"task": "recall"}),
        (c7_direction, "cue_run", {}),
        (c8_seven_steps, "copy_run", {}),
    ],
)
def test_another_model_with_another_seed_is_tested_on_the_same_items(page, function, task, monkeypatch):
    jobs = [
        job
        for job in page.jobs("quick")
        if job.function.endswith(f":{function}") and task.items() <= job.options.items()
    ]
    module = importlib.import_module(jobs[0].function.partition(":")[0])
    tested: list[list[list[int]]] = []

    def watched(pairs):
        tested[-1] += [pair.src.tolist() + pair.tgt.tolist() for pair in pairs]
        return make_batch(pairs)

    monkeypatch.setattr(module, "make_batch", watched)  # training makes its batches in a module of its own
    for job in (jobs[0], jobs[-1]):
        tested.append([])
        ran(shrunk(job, **SMALL))
    assert jobs[0].options["seed"] != jobs[-1].options["seed"]
    assert len(tested[0]) >= SMALL["items"]
    assert tested[0] == tested[1]
