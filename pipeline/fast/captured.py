"""Training steps as CUDA graphs: all that a step launches on a GPU, captured once, and then replayed by one call.

The kernels of a small model take a few microseconds each, less than Python needs to launch the next one, so that an
eager step leaves the GPU waiting for most of its time. A graph serves batches of one shape; the shapes of
`TokenBudgetBatches` come again in every epoch.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.data.batching import Batch
from pipeline.errors import UserError
from pipeline.objective import Objective

MOST_GRAPHS = 1024  # each holds a megabyte or so; steps of further shapes stay eager


class _Captured(NamedTuple):
    """A graph, the batch that it reads and what it finds."""

    graph: "torch.cuda.CUDAGraph"
    batch: Batch
    found: Tensor


class CapturedSteps:
    """Forward, backward, clipping and update of one batch after another, on one GPU.

    The first step of a shape is eager, the second one captured, all others replayed: the same kernels with the same
    random numbers, so that which of them it was cannot be told from the weights. What a step is made of must not change
    later: a graph keeps the rates of dropout, the optimiser's settings (but for the learning rate) and `max_norm` as
    they were.

    Args:
        objective_of: The sums over a batch that is on the GPU; must not wait for the GPU or depend on values there.
        optimizer: A fused one with one group of parameters, whose rate is a number.
        max_norm: Of the gradient over all parameters; infinite for no clipping.

    Attributes:
        is_replayed: Whether the last step was; the others take many times as long.
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
        self._graphs: dict[tuple[torch.Size, torch.Size], _Captured | None] = {}  # None: one step so far, eager
        self.is_replayed = False

    def __call__(self, batch: Batch) -> Tensor:
        """Takes the step of a batch in the memory of the host.

        Returns:
            (3,): objective and nats, as in `Objective`, and the norm of the gradient before it was clipped.
        """
        self._lr.fill_(self._group["lr"])
        self._scale.fill_(1 / batch.num_tokens)
        shape = (batch.src.shape, batch.tgt_in.shape)
        self.is_replayed = self._graphs.get(shape) is not None
        if shape not in self._graphs:
            if len(self._graphs) < MOST_GRAPHS:
                self._graphs[shape] = None
            with self._aside():
                return self._step(batch.on(self._device))
        captured = self._graphs[shape] = self._graphs[shape] or self._capture(batch)
        for here, there in zip(captured.batch[:4], batch[:4], strict=True):
            here.copy_(there, non_blocking=True)
        captured.graph.replay()
        return captured.found.clone()

    def _step(self, batch: Batch) -> Tensor:
        with _uncached_autocast(self._device.type):
            objective, nats = self._objective_of(batch)
        with torch.autocast(self._device.type, enabled=False):
            (objective * self._scale).backward()
            norm = torch.nn.utils.clip_grad_norm_(self._group["params"], self._max_norm, foreach=True)
            rate, self._group["lr"] = self._group["lr"], self._lr
            try:
                self._optimizer.step()
            finally:
                self._group["lr"] = rate
            self._optimizer.zero_grad()
            return torch.stack([objective.detach(), nats.detach(), norm])

    def _capture(self, batch: Batch) -> _Captured:
        """The graph of a step with the shape of `batch`, of which nothing is computed yet.

        Raises:
            UserError: The model does something that a graph cannot hold.
        """
        graph = torch.cuda.CUDAGraph()
        batch = batch.on(self._device)
        self._group["capturable"] = True
        try:
            with self._aside():
                # Not `torch.cuda.graph`, which empties the cache of memory each time.
                graph.capture_begin(pool=self._pool)
                try:
                    found = self._step(batch)
                except BaseException:
                    with contextlib.suppress(RuntimeError):  # would hide what went wrong
                        graph.capture_end()
                    raise
                graph.capture_end()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise UserError(
                f"a training step of this model cannot be captured as a CUDA graph ({' '.join(str(error).split())}); "
                "leave out FAST=1 (--model.fast true), or let the model compute nothing that depends on values on the "
                "GPU in its shape (.item(), lists of lengths, indexing by a mask)"
            ) from error
        finally:
            self._group["capturable"] = False
        return _Captured(graph, batch, found)

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """On the stream that graphs are captured on: what is captured must not wait for anything on another one."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            yield
        main.wait_stream(self._stream)


@contextlib.contextmanager
def _uncached_autocast(device: str) -> Iterator[None]:
    """Autocast as it is, but a weight is cast in every step: a cast one that was kept would be of another step."""
    with torch.autocast(
        device, torch.get_autocast_dtype(device), enabled=torch.is_autocast_enabled(device), cache_enabled=False
    ):
        yield
