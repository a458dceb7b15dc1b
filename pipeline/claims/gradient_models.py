"""Networks and measurements of C2: which way a gradient goes from a prediction back to a source symbol."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipeline.data.batching import Batch
from pipeline.models import GRUSeq2Seq, Memory, Seq2Seq

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

    All states are computed as they are; then each is computed once more from the one before it, which is now a constant.
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
