"""What training asks of Lightning."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pipeline import task as task_module
from pipeline.data.batching import Batch
from pipeline.data.tokenizer import PAD
from pipeline.fast.attention import FastMultiHeadAttention
from pipeline.fast.objective import batch_objective
from pipeline.objective import objective
from pipeline.task import TranslationTask
from tests.conftest import make_network


@pytest.mark.parametrize(("scaler", "fused"), [(None, True), (object(), False)])
def test_gradients_that_are_scaled_are_clipped_at_their_own_size(scaler, fused):
    """Lightning undoes the scale before clipping, but not for a fused optimiser, which does so itself, in its step."""
    task = TranslationTask(make_network("gru"), name="gru")
    task._trainer = SimpleNamespace(
        precision_plugin=SimpleNamespace(scaler=scaler), estimated_stepping_batches=10, global_step=0
    )
    assert task.configure_optimizers()["optimizer"].defaults["fused"] is fused


@pytest.mark.parametrize(("limit", "norm"), [(1.0, 1.0), (None, 4.0), (0, 4.0), (9.0, 4.0)])
def test_gradients_are_clipped_by_their_norm_over_all_parameters(limit, norm):
    task = TranslationTask(make_network("gru"), name="gru")
    for parameter in task.parameters():
        parameter.grad = torch.zeros_like(parameter)
    task.network.combine.weight.grad[0, 0] = 4.0
    task.configure_gradient_clipping(None, limit)
    gradients = torch.cat([parameter.grad.flatten() for parameter in task.parameters()])
    assert float(gradients.norm()) == pytest.approx(norm, abs=1e-4)


def test_the_optimiser_has_the_settings_of_the_task():
    task = TranslationTask(make_network("gru"), name="gru", lr=0.25, warmup_steps=1, weight_decay=0.125)
    task._trainer = SimpleNamespace(
        precision_plugin=SimpleNamespace(scaler=None), estimated_stepping_batches=10, global_step=0
    )
    (group,) = task.configure_optimizers()["optimizer"].param_groups
    assert (group["initial_lr"], group["betas"], group["weight_decay"]) == (0.25, (0.9, 0.98), 0.125)
    assert len(group["params"]) == len(list(task.network.parameters()))


def test_dropout_masks_are_those_of_seed_batch_and_process():
    def drawn(seed, batch, rank):
        task = TranslationTask(make_network("gru"), name="gru", seed=seed)
        task._trainer = SimpleNamespace(datamodule=SimpleNamespace(num_consumed=batch), global_rank=rank)
        task.on_train_batch_start(None, 0)
        return torch.rand(()).item()

    places = [(seed, batch, rank) for seed in (1, 2) for batch in (0, 1, 2) for rank in (0, 1)]
    numbers = [drawn(*place) for place in places]
    assert len(set(numbers)) == len(places)
    assert [drawn(*place) for place in places] == numbers


@pytest.mark.parametrize("fast", [False, True])
def test_the_fast_paths_are_taken_where_they_are_asked_for(sentences, monkeypatch, fast):
    src, mask, tgt = sentences
    taken = []
    monkeypatch.setattr(task_module, "batch_objective", lambda *a: taken.append(a) or batch_objective(*a))
    task = TranslationTask(make_network("transformer"), "any", fast=fast)
    task.objective_of(Batch(src, mask, tgt, tgt.roll(-1, 1), torch.arange(len(src)), tgt.numel()))
    assert bool(taken) is fast
    assert any(isinstance(module, FastMultiHeadAttention) for module in task.network.modules()) is fast


@pytest.mark.parametrize(
    ("changed", "captures"),
    [
        ({}, True),
        ({"precision": "bf16-mixed"}, True),
        ({"accumulate_grad_batches": 2}, False),
        ({"precision": "16-mixed"}, False),
        ({"device": "cpu"}, False),
        ({"strategy": None}, False),
        ({"fast": False}, False),
    ],
)
def test_steps_are_graphs_only_where_a_batch_is_a_step_on_one_gpu(monkeypatch, changed, captures):
    monkeypatch.setattr(task_module, "CapturedSteps", lambda *_: "graphs")
    given = {"fast": True, "device": "cuda", "accumulate_grad_batches": 1, "precision": "32-true"}
    given |= {"strategy": object.__new__(task_module.SingleDeviceStrategy)} | changed
    task = TranslationTask(make_network("gru"), "gru", fast=given.pop("fast"))
    monkeypatch.setattr(TranslationTask, "device", torch.device(given.pop("device")))
    task._trainer = SimpleNamespace(**given, gradient_clip_val=1.0, optimizers=[None])
    task._decide_on_graphs()
    assert (task._captured is not None) is captures


@pytest.mark.parametrize(("smoothing", "is_logged"), [(0.0, False), (0.1, True)])
def test_the_objective_is_logged_where_it_is_not_the_loss(smoothing, is_logged):
    task = TranslationTask(make_network("gru"), name="gru", label_smoothing=smoothing)
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    task._trainer = SimpleNamespace(world_size=1, optimizers=[optimizer], global_step=3, precision_plugin=None)
    task._window.nats, task._window.objectives = [torch.tensor(4.0)], [torch.tensor(6.0)]
    task._window.tokens = 2
    task._window.go_on(torch.device("cpu"))
    logged = {}
    task._log = logged.update
    task._log_window()
    assert logged["loss/train"] == 2
    assert logged.get("loss/objective") == (3 if is_logged else None)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_objective_is_torch_s_cross_entropy_without_padding(smoothing):
    torch.manual_seed(0)
    logits, tgt_out = torch.randn(3, 4, 7), torch.randint(PAD + 1, 7, (3, 4))
    tgt_out[1, 2:] = PAD
    real = tgt_out != PAD
    summed = partial(F.cross_entropy, logits[real], tgt_out[real], reduction="sum")
    found = objective(logits, tgt_out, smoothing)
    torch.testing.assert_close(found.objective, summed(label_smoothing=smoothing))
    torch.testing.assert_close(found.nats, summed())


def test_what_is_minimised_is_the_mean_over_the_tokens_of_all_processes(sentences):
    src, mask, tgt = sentences
    task = TranslationTask(make_network("gru"), name="gru")
    task._trainer = SimpleNamespace(world_size=3, datamodule=SimpleNamespace(on_batch_consumed=lambda: None))
    batch = Batch(src, mask, tgt, tgt.roll(-1, 1), torch.arange(3), 10)
    torch.testing.assert_close(task.training_step(batch, 0), task.objective_of(batch).objective * 3 / 10)


def test_what_callbacks_do_after_a_validation_is_no_time_of_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    for name in ("on_validation_epoch_start", "on_validation_epoch_end"):
        monkeypatch.setattr(f"pipeline.scored_task.ScoredTask.{name}", lambda self: None)
    task = TranslationTask(make_network("gru"), name="gru")
    for seconds, hook in ((0, "on_validation_epoch_start"), (3, "on_validation_epoch_end"), (4, "on_validation_end")):
        now[0] += seconds
        getattr(task, hook)()
    assert (task.seconds, task._window.seconds()) == (3, 0)
