"""Training steps as CUDA graphs: all that a step launches on a GPU, recorded once, and then replayed by one call.

The kernels of a small model take a few microseconds each, less than Python needs to launch the next one, so that step
by step a GPU mostly waits. A graph serves batches of one shape; the shapes of `TokenBudgetBatches` come again in every
epoch.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.data.batching import Batch
from pipeline.errors import UserError
from pipeline.objective import Objective

MOST_GRAPHS = 1024  # each holds a megabyte or so; batches of further shapes are computed without


class _Recorded(NamedTuple):
    """A graph, the batch that it reads and what it finds."""

    graph: "torch.cuda.CUDAGraph"
    batch: Batch
    found: Tensor


class CapturedSteps:
    """Forward, backward, clipping and update of one batch after another, on one GPU.

    The first batch of a shape is computed as ever, the second one recorded, all others replayed: the same kernels with
    the same random numbers, so that which of them it was cannot be told from the weights.

    Args:
        objective_of: The sums over a batch that is on the GPU; must not wait for the GPU or depend on values there.
        optimizer: A fused one with one group of parameters, whose rate is a number.
        max_norm: Of the gradient over all parameters; infinite for no clipping.
    """

    def __init__(
        self, objective_of: Callable[[Batch], Objective], optimizer: torch.optim.Optimizer, max_norm: float
    ) -> None:
        [self._group] = optimizer.param_groups
        self._objective_of = objective_of
        self._optimizer = optimizer
        self._max_norm = max_norm
        self._device = self._group["params"][0].device
        # What changes from step to step is read from the GPU's memory, where a graph finds it.
        self._lr = torch.zeros((), device=self._device)
        self._scale = torch.zeros((), device=self._device)
        self._stream = torch.cuda.Stream(self._device)
        self._pool = torch.cuda.graph_pool_handle()
        self._recorded: dict[tuple[torch.Size, torch.Size], _Recorded | None] = {}  # None: computed once so far

    def __call__(self, batch: Batch) -> Tensor:
        """Takes the step of a batch in the memory of the host.

        Returns:
            (3,): objective and nats, as in `Objective`, and the norm of the gradient before it was clipped.
        """
        self._lr.fill_(self._group["lr"])
        self._scale.fill_(1 / batch.num_tokens)
        shape = (batch.src.shape, batch.tgt_in.shape)
        if shape not in self._recorded:
            if len(self._recorded) < MOST_GRAPHS:
                self._recorded[shape] = None
            with self._aside():
                return self._step(_to(batch, self._device))
        recorded = self._recorded[shape] = self._recorded[shape] or self._record(batch)
        for here, there in zip(recorded.batch[:4], batch[:4], strict=True):
            here.copy_(there, non_blocking=True)
        recorded.graph.replay()
        return recorded.found.clone()

    def _step(self, batch: Batch) -> Tensor:
        with _uncached_autocast(self._device.type):
            objective, nats = self._objective_of(batch)
        (objective * self._scale).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._group["params"], self._max_norm, foreach=True)
        rate, self._group["lr"] = self._group["lr"], self._lr
        try:
            self._optimizer.step()
        finally:
            self._group["lr"] = rate
        self._optimizer.zero_grad()
        return torch.stack([objective.detach(), nats.detach(), norm])

    def _record(self, batch: Batch) -> _Recorded:
        """The graph of a step with the shape of `batch`, of which nothing is computed yet.

        Raises:
            UserError: The model does something that a graph cannot hold.
        """
        graph = torch.cuda.CUDAGraph()
        batch = _to(batch, self._device)
        self._group["capturable"] = True
        try:
            with self._aside():
                # Not `torch.cuda.graph`, which empties the cache of memory each time.
                graph.capture_begin(pool=self._pool)
                try:
                    found = self._step(batch)
                finally:
                    graph.capture_end()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise UserError(
                f"a training step of this model cannot be recorded as a CUDA graph ({str(error).splitlines()[0]}); "
                "leave out FAST=1 (--model.fast true), or let the model compute nothing that depends on values on the "
                "GPU in its shape (.item(), lists of lengths, indexing by a mask)"
            ) from error
        finally:
            self._group["capturable"] = False
        return _Recorded(graph, batch, found)

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """On the stream that graphs are recorded on: what is recorded must not wait for anything on another one."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            yield
        main.wait_stream(self._stream)


def _to(batch: Batch, device: torch.device) -> Batch:
    tensors = (part.to(device) for part in batch[:4])
    return Batch(*tensors, batch.index, batch.num_tokens)


@contextlib.contextmanager
def _uncached_autocast(device: str) -> Iterator[None]:
    """Autocast as it is, but a weight is cast in every step: a cast one that was kept would be of another step."""
    with torch.autocast(
        device, torch.get_autocast_dtype(device), enabled=torch.is_autocast_enabled(device), cache_enabled=False
    ):
        yield
