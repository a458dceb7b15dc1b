"""A GRU with products in bfloat16 on a CPU, for which torch has none.

The gradient of its weights is one product at the end, over all steps; going back, a step passes on only the gradient of
the state.
"""

import torch
from torch import Tensor

from pipeline.models.recurrent import UncastGRU


class FastGRU(UncastGRU):
    """An `UncastGRU` of one layer, one way, that under autocast on a CPU multiplies in the precision of autocast.

    Its sums and states keep that of the weights. Anywhere else, and without gradients, it is the class above.
    """

    def forward(self, vectors: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        is_cast = vectors.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not (is_cast and torch.is_grad_enabled()):
            return super().forward(vectors, hidden)
        start = vectors.new_zeros(len(vectors), self.hidden_size) if hidden is None else hidden.squeeze(0)
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        states = gru(vectors.float(), start.float(), *weights, torch.get_autocast_dtype("cpu"))
        return states, states[:, -1].unsqueeze(0)


def gru(
    vectors: Tensor, start: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The states (batch, len, size) of a GRU.

    Args:
        vectors: (batch, len, d), float32.
        start: The state before the first, (batch, size), float32.
        w: (3 · size, d), rows for r, z and n, as in `nn.GRU`.
        u: (3 · size, size).
        b: (3 · size,), as is `c`.
        dtype: Of the factors of products; everything else is float32.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        return _GRU.apply(vectors, start, w, u, b, c, dtype)


class _GRU(torch.autograd.Function):
    """Cho et al. 2014 (§2.3) as torch has it, r after the product, with x the input and h the state before:

    r, z  = σ(W_r x + b_r + U_r h + c_r), σ(W_z x + b_z + U_z h + c_z)
    m     = U_n h + c_n
    n     = tanh(W_n x + b_n + r ⊙ m)
    state = (1 − z) ⊙ n + z ⊙ h = n + z ⊙ (h − n)
    """

    @staticmethod
    def forward(
        ctx, vectors: Tensor, start: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor, dtype: torch.dtype
    ) -> Tensor:
        batch, length, _ = vectors.shape
        size = start.size(1)
        x = vectors.transpose(0, 1).to(dtype).flatten(0, 1)  # (length · batch, d), a step's rows together
        from_input = torch.add(b, x @ w.to(dtype).t()).view(length, batch, -1)  # (length, batch, 3 · size)
        u_t = u.to(dtype).t()
        states = torch.cat([start.unsqueeze(0), vectors.new_empty(length, batch, size)])
        gates = vectors.new_empty(length, batch, 2 * size)  # r and z
        m = vectors.new_empty(length, batch, size)
        n = vectors.new_empty(length, batch, size)
        for t in range(length):
            h = states[t]
            from_state = torch.add(c, h.to(dtype) @ u_t)
            torch.add(from_input[t, :, : 2 * size], from_state[:, : 2 * size], out=gates[t]).sigmoid_()
            r, z = gates[t].split(size, dim=1)
            m[t] = from_state[:, 2 * size :]
            torch.addcmul(from_input[t, :, 2 * size :], r, m[t], out=n[t]).tanh_()
            torch.lerp(n[t], h, z, out=states[t + 1])
        ctx.save_for_backward(x, states, gates, m, n, w, u)
        ctx.dtype = dtype
        return states[1:].transpose(0, 1)

    @staticmethod
    def backward(ctx, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        x, states, gates, m, n, w, u = ctx.saved_tensors
        length, batch, size = m.shape
        r, z = gates.split(size, dim=2)
        # Everything that a step multiplies the gradient of its state with, for all steps at once.
        to_n = (1 - z).mul_(1 - n * n)  # ∂ state / ∂ (what is in the tanh)
        to_r = (to_n * m).mul_(r * (1 - r))
        to_z = (states[:-1] - n).mul_(z * (1 - z))
        grad_input = states.new_empty(length, batch, 3 * size)  # of what is in σ and tanh
        grad_recurrent = states.new_empty(length, batch, 3 * size)  # of U h + c
        u_low, grad = u.to(ctx.dtype), states.new_zeros(batch, size)
        for t in reversed(range(length)):
            grad = grad + grad_states[:, t]
            torch.mul(grad, to_r[t], out=grad_input[t, :, :size])
            torch.mul(grad, to_z[t], out=grad_input[t, :, size : 2 * size])
            torch.mul(grad, to_n[t], out=grad_input[t, :, 2 * size :])
            grad_recurrent[t, :, : 2 * size] = grad_input[t, :, : 2 * size]
            torch.mul(grad_input[t, :, 2 * size :], r[t], out=grad_recurrent[t, :, 2 * size :])
            grad = torch.addcmul(grad_recurrent[t].to(ctx.dtype) @ u_low, grad, z[t])
        grad_input, grad_recurrent = grad_input.flatten(0, 1), grad_recurrent.flatten(0, 1)
        low = grad_input.to(ctx.dtype)
        grad_vectors = (low @ w.to(ctx.dtype)).float().view(length, batch, -1).transpose(0, 1)
        grad_w = (low.t() @ x).float()
        before = states[:-1].flatten(0, 1).to(ctx.dtype)
        grad_u = (grad_recurrent.t().to(ctx.dtype) @ before).float()
        return grad_vectors, grad, grad_w, grad_u, grad_input.sum(0), grad_recurrent.sum(0), None
