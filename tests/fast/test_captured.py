"""Steps from CUDA graphs against the same steps made eagerly, and against the readable way. Need a GPU."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.data.batching import Batch
from pipeline.data.tokenizer import PAD
from pipeline.errors import UserError
from pipeline.fast import captured
from pipeline.fast.captured import CapturedSteps
from pipeline.fast.objective import batch_objective
from pipeline.objective import Objective, objective
from tests.commands import fit, weights_of, write_corpus
from tests.conftest import NETWORKS, VOCAB_SIZE, make_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
STEPS = 20


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Deterministic kernels, and products in full float32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def batches() -> list[Batch]:
    """Batches of three shapes, in turns."""
    generator = torch.Generator().manual_seed(2)
    made = []
    for step in range(STEPS):
        rows, src_len, tgt_len = ((3, 7, 5), (4, 5, 6), (2, 9, 8))[step % 3]
        src = torch.randint(4, VOCAB_SIZE, (rows, src_len), generator=generator)
        src[1, 3:] = PAD
        tgt = torch.randint(4, VOCAB_SIZE, (rows, tgt_len), generator=generator)
        tgt_out = tgt.roll(-1, 1)
        tgt_out[0, 4:] = PAD
        made.append(Batch(src, src != PAD, tgt, tgt_out, torch.arange(rows), int((tgt_out != PAD).sum())))
    return made


class Training:
    """A model on the GPU, and its optimiser."""

    def __init__(self, name: str, dropout: float) -> None:
        self.network = make_network(name).cuda().train()
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, fused=True)

    def fast_objective(self, batch: Batch) -> Objective:
        return batch_objective(self.network, batch, 0.1)

    def prepare(self, step: int) -> None:
        """As Lightning and the schedule do before a step."""
        torch.cuda.manual_seed(step)
        self.optimizer.param_groups[0]["lr"] = 1e-3 * (1 + step)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.network.state_dict().items()}


def train_fast(name: str, dropout: float) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The weights at the end, and what each step found."""
    training = Training(name, dropout)
    steps = CapturedSteps(training.fast_objective, training.optimizer, max_norm=1.0)
    found = []
    for step, batch in enumerate(batches()):
        training.prepare(step)
        found.append(steps(batch))
    return training.weights(), torch.stack(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_replayed_steps_are_those_that_are_made_eagerly(name, monkeypatch):
    replayed, found = train_fast(name, dropout=0.3)
    monkeypatch.setattr(captured, "MOST_GRAPHS", 0)
    eager, expected = train_fast(name, dropout=0.3)
    assert torch.equal(found, expected)
    assert all(torch.equal(replayed[key], eager[key]) for key in eager)


# A Transformer that attends to one vector has gradients of 0 for its queries and keys, but for rounding, and Adam makes
# steps of the usual size from what rounding leaves; so those are not the same in any two ways.
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("transformer_last", "transformer_mean")])
def test_twenty_replayed_steps_lead_to_the_weights_of_the_readable_way(name):
    readable = Training(name, dropout=0.0)
    for step, batch in enumerate(batches()):
        readable.prepare(step)
        src, mask, tgt_in, tgt_out = (part.cuda() for part in batch[:4])
        (objective(readable.network(src, mask, tgt_in), tgt_out, 0.1).objective / batch.num_tokens).backward()
        nn.utils.clip_grad_norm_(readable.network.parameters(), 1.0)
        readable.optimizer.step()
        readable.optimizer.zero_grad()
    replayed, _ = train_fast(name, dropout=0.0)
    for key, expected in readable.weights().items():
        torch.testing.assert_close(replayed[key], expected, atol=2e-4, rtol=1e-3)


def said_of_a_model_that_waits() -> str:
    training = Training("gru", dropout=0.0)

    def waiting(batch: Batch) -> Objective:
        found = training.fast_objective(batch)
        found.nats.item()
        return found

    steps = CapturedSteps(waiting, training.optimizer, max_norm=1.0)
    steps(batches()[0])
    with pytest.raises(UserError) as refused:
        steps(batches()[0])
    return str(refused.value)


def test_a_model_that_waits_for_the_gpu_is_refused_with_what_to_do():
    # In a process of its own, as CUDA may be in any state afterwards.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        said = process.submit(said_of_a_model_that_waits).result()
    assert "cannot be captured as a CUDA graph" in said
    assert "leave out FAST=1" in said


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_trainings_with_graphs_and_without_end_with_the_same_weights(precision, tmp_path):
    corpus = write_corpus(tmp_path / "little")
    weights = []
    for most in ("0", "1000"):
        graphs = ["--trainer.callbacks+", "tests.stop_at.WithGraphs", "--trainer.callbacks.init_args.most", most]
        on_gpu = ["--trainer.accelerator", "gpu", "--model.fast", "true", "--trainer.precision", precision]
        fit(corpus, tmp_path / most, "gru_attention", *on_gpu, *graphs)
        weights.append(weights_of(tmp_path / most / "runs/little/gru_attention/seed1/checkpoints/last.ckpt"))
    eager, replayed = weights
    assert all(torch.equal(eager[key], replayed[key]) for key in eager)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_stopped_run_goes_on_to_the_same_weights(precision, tmp_path):
    corpus = write_corpus(tmp_path / "little")
    on_gpu = ["--trainer.accelerator", "gpu", "--model.fast", "true", "--trainer.precision", precision]
    fit(corpus, tmp_path / "whole", "transformer", *on_gpu)
    stop = ["--trainer.callbacks+", "tests.stop_at.StopAt", "--trainer.callbacks.init_args.step", "13"]
    fit(corpus, tmp_path / "stopped", "transformer", *on_gpu, *stop, expect=7)
    fit(corpus, tmp_path / "stopped", "transformer", *on_gpu, *stop)
    path = Path("runs/little/transformer/seed1/checkpoints/last.ckpt")
    one, other = weights_of(tmp_path / "whole" / path), weights_of(tmp_path / "stopped" / path)
    assert all(torch.equal(one[key], other[key]) for key in one)
