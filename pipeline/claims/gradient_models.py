"""Networks and measurements of C2: which way a gradient goes from a prediction back to a source symbol."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.claims.variants import UniformGRU
from pipeline.data.batching import Batch
from pipeline.models import GRUSeq2Seq, Memory, Seq2Seq, TransformerSeq2Seq

Route = Callable[[Memory], Memory]


class TanhSeq2Seq(GRUSeq2Seq):
    """Plain recurrent networks h = tanh(W x + U h) in place of the GRUs: those whose gradient is known to vanish."""

    def __init__(self, vocab_size: int, d_embed: int, d_model: int, dropout: float) -> None:
        super().__init__(vocab_size, "last", d_embed, d_model, dropout=dropout)
        self.encoder.forward_gru = nn.RNN(d_embed, d_model, batch_first=True)
        self.decoder = nn.RNN(d_embed, d_model, batch_first=True)


class KeepingGRU(GRUSeq2Seq):
    """Gates that start open to the past: 1 is added to the bias of z, and z is the share of the state that is kept."""

    def __init__(self, vocab_size: int, d_embed: int, d_model: int, dropout: float) -> None:
        super().__init__(vocab_size, "last", d_embed, d_model, dropout=dropout)
        for gru in (self.encoder.forward_gru, self.decoder):
            with torch.no_grad():
                gru.bias_hh_l0[d_model : 2 * d_model] += 1  # torch's order: r, z, n


class OneStep(nn.Module):
    """The same states as `gru` gives, but no gradient goes back by more than one step.

    All states are computed as they are; then each is computed once more from the one before, now a constant.
    """

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.gru = gru

    def forward(self, vectors: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As nn.GRU: `vectors` (batch, len, d_embed), `hidden` (1, batch, d_model) → states and the last of them."""
        batch, length, _ = vectors.shape
        if hidden is None:
            hidden = vectors.new_zeros(1, batch, self.gru.hidden_size)
        with torch.no_grad():
            states, _ = self.gru(vectors, hidden)
            before = torch.cat([hidden.transpose(0, 1), states[:, :-1]], dim=1)  # (batch, len, d_model)
        again, _ = self.gru(vectors.flatten(0, 1).unsqueeze(1), before.flatten(0, 1).unsqueeze(0))
        again = again.view(batch, length, -1)
        return again, again[:, -1].unsqueeze(0)


def cut_through_time(network: GRUSeq2Seq) -> GRUSeq2Seq:
    """A copy of `network` with the same outputs in which gradients go back by one step, in encoder and decoder.

    The decoder's start is such a step too: so with attention the only way back to the source is through attention, and
    without it there is none but the context C of the last state.
    """
    network = copy.deepcopy(network)
    network.encoder.forward_gru = OneStep(network.encoder.forward_gru)
    network.decoder = OneStep(network.decoder)
    return network


def network_of(model: str, vocab_size: int, d_model: int, seed: int) -> Seq2Seq:
    """An untrained network of those compared, of one size."""
    torch.manual_seed(seed)
    sizes = {"d_embed": d_model, "d_model": d_model, "dropout": 0.0}
    if model == "transformer":
        return TransformerSeq2Seq(vocab_size, d_model=d_model, d_ff=2 * d_model, dropout=0.0)
    if model == "tanh":
        return TanhSeq2Seq(vocab_size, **sizes)
    if model == "keeping":
        return KeepingGRU(vocab_size, **sizes)
    if model == "uniform":
        return UniformGRU(vocab_size, "all", **sizes)
    network = GRUSeq2Seq(vocab_size, "last" if model == "gru" else "all", **sizes)
    return cut_through_time(network) if model == "cut" else network


def through_both(memory: Memory) -> Memory:
    """Every way back."""
    return memory


def through_attention(memory: Memory) -> Memory:
    """Only through what attention reads: the decoder's start is a constant."""
    return memory._replace(summary=memory.summary.detach())


def through_start(memory: Memory) -> Memory:
    """Only through the decoder's start, the encoder's last state: what attention reads is a constant."""
    return memory._replace(states=memory.states.detach())


def source_gradients(network: Seq2Seq, batch: Batch, step: int, route: Route = through_both) -> Tensor:
    """∂ loss_t / ∂ e_j ÷ ‖∂ loss_t / ∂ logits_t‖, (batch, src_len, d): what a unit of error at `step` is worth in e_j.

    The division takes away how wrong the prediction is, so that a network which knows the answer, and one which does
    not, can be compared. In float64, as gradients get very small.
    """
    network = copy.deepcopy(network).double()
    vectors = network.embed_source(batch.src).detach().requires_grad_()
    memory = route(network.encode_vectors(vectors, batch.src_mask))
    logits = network.decode(batch.tgt_in[:, : step + 1], memory).logits[:, step]
    loss = -logits.log_softmax(-1).gather(1, batch.tgt_out[:, step : step + 1]).sum()
    by_vectors, by_logits = torch.autograd.grad(loss, (vectors, logits))
    return by_vectors / by_logits.norm(dim=-1)[:, None, None]


def log_gradients(network: Seq2Seq, batch: Batch) -> list[float]:
    """log10 g of the first source symbol, for the first prediction of every pair."""
    norms = source_gradients(network, batch, step=0)[:, 0].norm(dim=-1)
    return norms.clamp_min(1e-300).log10().tolist()


@torch.no_grad()
def answers_right(network: Seq2Seq, batch: Batch) -> list[int]:
    """0 or 1 for every pair: whether the first target token is the most likely one."""
    batch = batch.on(next(network.parameters()).device)  # in the midst of a training, which may be on a GPU
    predicted = network(batch.src, batch.src_mask, batch.tgt_in[:, :1]).argmax(-1)
    return (predicted[:, 0] == batch.tgt_out[:, 0]).int().tolist()


def ways_back(network: GRUSeq2Seq, tests: dict[str, Batch]) -> dict[str, Any]:
    """How g of the first source symbol divides among the ways from the first prediction, for each batch of `tests`.

    Returns:
        `ways`: name of the batch → mean norm along attention alone, along attention and then time, and along the
        decoder's start and then time. `rest`: the largest share of a whole gradient that the three do not add up to.
    """
    ways, rest = {}, 0.0
    cut = cut_through_time(network)
    for distance, batch in tests.items():
        whole = source_gradients(network, batch, 0)[:, 0]
        alone = source_gradients(cut, batch, 0)[:, 0]  # no step through time
        attention = source_gradients(network, batch, 0, through_attention)[:, 0]
        start = source_gradients(network, batch, 0, through_start)[:, 0]
        left = (whole - attention - start).norm(dim=-1) / whole.norm(dim=-1)
        rest = max(rest, left.max().item())
        ways[distance] = [way.norm(dim=-1).mean().item() for way in (alone, attention - alone, start)]
    return {"ways": ways, "rest": rest}
