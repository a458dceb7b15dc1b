"""The objective and its gradient, a few rows of logits at a time.

The readable way (`pipeline.objective`) holds all logits, (batch, tgt_len, vocab_size), and reads or writes arrays of
that size a dozen times, forward and backward. They do not fit in a cache, and a small model spends half of its time on
them. Here a chunk of rows is made, turned into its share of the loss and of the gradient, and forgotten while it is
still in the cache.
"""

import torch
from torch import Tensor

from pipeline.fast.product import product
from pipeline.objective import Objective

# Logits of one chunk, in numbers: with float32 as many bytes as a core's share of a cache, and still a good shape for a
# matrix product. On a GPU, launches cost more than memory.
CHUNK_SIZE = {"cpu": 1 << 21, "cuda": 1 << 26}


def chunked_objective(output: Tensor, matrix: Tensor, tgt_out: Tensor, pad: int, label_smoothing: float) -> Objective:
    """`pipeline.objective.objective` of the logits `output` · `matrix`ᵀ, without ever holding them all.

    Products are computed in the precision of autocast where that is on, everything else in float32.

    Args:
        output: (batch, tgt_len, d).
        matrix: (vocab_size, d).
        tgt_out: (batch, tgt_len) ids; positions with `pad` count for nothing.
        pad: The id of padding.
        label_smoothing: ε in [0, 1).
    """
    real = (tgt_out != pad).flatten().nonzero().squeeze(1)
    rows = output.flatten(0, 1).index_select(0, real)
    objective, nats = _ChunkedObjective.apply(rows, matrix, tgt_out.flatten()[real], label_smoothing)
    return Objective(objective, nats)


class _ChunkedObjective(torch.autograd.Function):
    """With e = exp(logits − max), s = Σ e, ε the smoothing and V the vocabulary's size, per row:

        nats      = log s + max − logit of the expected token
        objective = (1 − ε) · nats + ε · (log s + max − mean logit)
        ∂ objective / ∂ logits = e / s − (1 − ε) · onehot − ε / V

    Of the gradient only e is as wide as the vocabulary. What is multiplied with 1 / s, with one row of the matrix or
    with the mean of all rows is added where it is narrow.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, matrix: Tensor, expected: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        device = rows.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            rows, matrix = rows.float(), matrix.float()
            mean_row, expected_rows = matrix.mean(0), matrix[expected]
            factor, factor_t = matrix.to(dtype), matrix.t().to(dtype).contiguous()
            objective = nats = rows.new_zeros(())
            grad_rows, grad_matrix_t = torch.empty_like(rows), matrix.new_zeros(matrix.t().shape)
            size = max(1, CHUNK_SIZE.get(device, 1 << 24) // len(matrix))
            for chunk, expected_row, grad in zip(
                rows.split(size), expected_rows.split(size), grad_rows.split(size), strict=True
            ):
                logits = product(chunk.to(dtype), factor).float()  # (size, vocab_size)
                largest = logits.amax(1, keepdim=True)
                e = logits.sub_(largest).exp_()
                s = e.sum(1, keepdim=True)
                log_sum = (s.log() + largest).squeeze(1)
                chunk_nats = (log_sum - (chunk * expected_row).sum(1)).sum()
                nats = nats + chunk_nats
                objective = objective + (1 - smoothing) * chunk_nats + smoothing * (log_sum - chunk @ mean_row).sum()
                e = e.to(dtype)
                torch.div(product(e, factor_t), s, out=grad)
                grad_matrix_t += product((chunk / s).t().to(dtype), e.t())
            grad_rows.sub_(expected_rows, alpha=1 - smoothing).sub_(mean_row, alpha=smoothing)
            grad_matrix = grad_matrix_t.t().contiguous()
            grad_matrix.index_add_(0, expected, rows, alpha=smoothing - 1)
            grad_matrix.sub_(rows.sum(0), alpha=smoothing / len(matrix))
        ctx.save_for_backward(grad_rows, grad_matrix)
        ctx.mark_non_differentiable(nats)
        return objective, nats

    @staticmethod
    def backward(ctx, grad_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_rows, grad_matrix = ctx.saved_tensors
        return grad_rows * grad_objective, grad_matrix * grad_objective, None, None


def chunked_r_drop_objective(
    output: Tensor, matrix: Tensor, tgt_out: Tensor, pad: int, label_smoothing: float, weight: float
) -> Objective:
    """`pipeline.objective.r_drop_objective` of the logits `output` · `matrix`ᵀ, without ever holding them all.

    Args:
        output: (2 · batch, tgt_len, d), every sentence twice.
        matrix: (vocab_size, d).
        tgt_out: (2 · batch, tgt_len) ids; positions with `pad` count for nothing.
        pad: The id of padding.
        label_smoothing: ε in [0, 1).
        weight: α > 0.
    """
    expected = tgt_out.chunk(2)[0].flatten()
    real = (expected != pad).nonzero().squeeze(1)
    rows = output.unflatten(0, (2, -1)).flatten(1, 2).index_select(1, real)
    objective, nats = _ChunkedRDrop.apply(rows, matrix, expected[real], label_smoothing, weight)
    return Objective(objective, nats)


class _ChunkedRDrop(torch.autograd.Function):
    """With z the logits of the first pass and y those of the second, p and q their softmax, D = z − y, α the weight:

        KL(p‖q) + KL(q‖p)      = Σ p D − Σ q D
        ∂ objective / ∂ z      = p (½ + ¼ α (1 + D − Σ p D)) − ¼ α q − ½ target
        ∂ objective / ∂ y      = q (½ + ¼ α (1 − D + Σ q D)) − ¼ α p − ½ target

    target = (1 − ε) · onehot + ε / V is added where it is narrow, as above.
    """

    @staticmethod
    def forward(
        ctx, rows: Tensor, matrix: Tensor, expected: Tensor, smoothing: float, weight: float
    ) -> tuple[Tensor, Tensor]:
        device = rows.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            rows, matrix = rows.float(), matrix.float()  # (2, real, d) and (vocab_size, d)
            mean_row, expected_rows = matrix.mean(0), matrix[expected]
            factor, factor_t = matrix.to(dtype), matrix.t().to(dtype).contiguous()
            objective = nats = rows.new_zeros(())
            grad_rows, grad_matrix_t = torch.empty_like(rows), matrix.new_zeros(matrix.t().shape)
            size = max(1, CHUNK_SIZE.get(device, 1 << 24) // (4 * len(matrix)))
            quarter = weight / 4
            for chunk, expected_row, grad in zip(
                rows.split(size, 1), expected_rows.split(size), grad_rows.split(size, 1), strict=True
            ):
                logits = product(chunk.to(dtype), factor).float()  # (2, size, vocab_size)
                difference = logits[0] - logits[1]
                log_sum = logits.logsumexp(2, keepdim=True)
                p, q = logits.sub_(log_sum).exp_()
                log_sum = log_sum.squeeze(2)
                p_mean, q_mean = torch.linalg.vecdot(p, difference), torch.linalg.vecdot(q, difference)
                chunk_nats = (log_sum - (chunk * expected_row).sum(2)).sum() / 2
                nats = nats + chunk_nats
                uniform = (log_sum - chunk @ mean_row).sum() / 2
                objective = objective + (1 - smoothing) * chunk_nats + smoothing * uniform
                objective = objective + quarter * (p_mean - q_mean).sum()
                difference.mul_(quarter)
                grad_p = (difference + (0.5 + quarter - quarter * p_mean).unsqueeze(1)).mul_(p).sub_(q, alpha=quarter)
                grad_q = difference.neg_().add_((0.5 + quarter + quarter * q_mean).unsqueeze(1)).mul_(q)
                grad_q.sub_(p, alpha=quarter)
                grad_logits = torch.stack([grad_p.to(dtype), grad_q.to(dtype)])
                grad.copy_(product(grad_logits, factor_t))
                grad_matrix_t += product(chunk.flatten(0, 1).t().to(dtype), grad_logits.flatten(0, 1).t())
            grad_rows.sub_(expected_rows, alpha=(1 - smoothing) / 2).sub_(mean_row, alpha=smoothing / 2)
            grad_matrix = grad_matrix_t.t().contiguous()
            both = rows.sum(0)
            grad_matrix.index_add_(0, expected, both, alpha=(smoothing - 1) / 2)
            grad_matrix.sub_(both.sum(0), alpha=smoothing / 2 / len(matrix))
        ctx.save_for_backward(grad_rows, grad_matrix)
        ctx.mark_non_differentiable(nats)
        return objective, nats

    @staticmethod
    def backward(ctx, grad_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_rows, grad_matrix = ctx.saved_tensors
        return grad_rows * grad_objective, grad_matrix * grad_objective, None, None, None
