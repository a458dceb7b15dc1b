"""Networks and measurements of C5: how many steps depend on one another, and how long they take."""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.data.tokenizer import FIRST_PIECE
from pipeline.models import GRUSeq2Seq, Memory, Seq2Seq


class StepwiseGRU(nn.Module):
    """The same numbers as a one-layer `nn.GRU` with its weights, in a loop that can be seen: one cell, once per step.

    The library's GRU may hide its steps in one kernel, and then they cannot be counted; they are there all the same.
    """

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.cell = nn.GRUCell(gru.input_size, gru.hidden_size)
        with torch.no_grad():
            for name, weight in self.cell.named_parameters():
                weight.copy_(getattr(gru, f"{name}_l0"))

    def forward(self, vectors: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As nn.GRU: `vectors` (batch, len, d_embed), `hidden` (1, batch, d_model) → states and the last of them."""
        state = vectors.new_zeros(len(vectors), self.cell.hidden_size) if hidden is None else hidden[0]
        states = []
        for vector in vectors.unbind(1):
            state = self.cell(vector, state)
            states.append(state)
        return torch.stack(states, dim=1), state.unsqueeze(0)


class StepwiseSeq2Seq(GRUSeq2Seq):
    """The GRU with attention, whose encoder and decoder take their steps one by one; weights as in GRUSeq2Seq."""

    def __init__(self, vocab_size: int, d_embed: int, d_model: int, dropout: float) -> None:
        super().__init__(vocab_size, "all", d_embed, d_model, dropout=dropout)
        self.encoder.forward_gru = StepwiseGRU(self.encoder.forward_gru)
        self.decoder = StepwiseGRU(self.decoder)


def encode_random(network: Seq2Seq, length: int, batch_size: int, device: str = "cpu") -> tuple[Tensor, Memory]:
    """Vectors of random ids, as leaves of the autograd graph, and the memory made from them."""
    src = torch.randint(FIRST_PIECE, network.vocab_size, (batch_size, length), device=device)
    vectors = network.embed_source(src).detach().requires_grad_()
    return vectors, network.encode_vectors(vectors, torch.ones_like(src, dtype=torch.bool))


def longest_chain(result: Tensor) -> int:
    """Nodes on the longest path of the autograd graph that ends in `result`: operations that must wait for each other,
    and that no number of processors can do at once."""
    depth: dict[object, int] = {}
    stack = [result.grad_fn]
    while stack:  # depth first, without recursion: paths are longer than Python's stack
        node = stack[-1]
        before = [parent for parent, _ in node.next_functions if parent is not None]
        waiting = [parent for parent in before if parent not in depth]
        if waiting:
            stack += waiting
        else:
            depth[node] = 1 + max((depth[parent] for parent in before), default=0)
            stack.pop()
    return depth[result.grad_fn]


def seconds(work: Callable[[], object], device: str) -> float:
    """How long `work` takes, to the end of what it gave an accelerator to do."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def encode_and_back(network: Seq2Seq, length: int, batch_size: int, device: str) -> None:
    """Forward and backward of the encoder."""
    network.zero_grad()
    _, memory = encode_random(network, length, batch_size, device)
    memory.states.sum().backward()


@torch.no_grad()
def write_tokens(network: Seq2Seq, memory: Memory, length: int, *, keep_state: bool) -> None:
    """Writes `length` tokens one by one, as search does; without `keep_state` each call reads all before it again."""
    tgt = torch.full((len(memory.states), length), FIRST_PIECE, device=memory.states.device)
    state = None
    for step in range(length):
        if keep_state:
            state = network.decode(tgt[:, step : step + 1], memory, state).state
        else:
            network.decode(tgt[:, : step + 1], memory)


@torch.no_grad()
def order_error(network: Seq2Seq, length: int, permutations: Sequence[int]) -> float:
    """The largest |encode(permuted) − permuted encode|: 0 where the encoder treats its source as a bag of words."""
    worst = 0.0
    for seed in permutations:
        generator = torch.Generator().manual_seed(seed)
        src = torch.randint(FIRST_PIECE, network.vocab_size, (2, length), generator=generator)
        order = torch.randperm(length, generator=generator)
        mask = torch.ones_like(src, dtype=torch.bool)
        straight, permuted = (network.encode(ids, mask).states for ids in (src, src[:, order]))
        worst = max(worst, (permuted - straight[:, order]).abs().max().item())
    return worst


def fused_gap(fused: GRUSeq2Seq, stepwise: StepwiseSeq2Seq, length: int) -> float:
    """The largest difference between the two in states and their gradients, from the same vectors."""
    found = []
    for network in (fused, stepwise):
        torch.manual_seed(0)
        vectors, memory = encode_random(network, length, batch_size=2)
        memory.states.pow(2).sum().backward()
        found.append((memory.states.detach(), vectors.grad))
    return max((ours - theirs).abs().max().item() for ours, theirs in zip(*found, strict=True))
