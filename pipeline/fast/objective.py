"""The objective and its gradient, a few rows of logits at a time.

The readable way (`pipeline.objective`) holds all logits, (batch, tgt_len, vocab_size), and reads or writes arrays of
that size a dozen times, forward and backward. They do not fit in a cache, and a small model spends half of its time on
them. Here a chunk of rows is made, turned into its share of the loss and of the gradient, and forgotten while it is
still in the cache.
"""

import torch
from torch import Tensor

from pipeline.fast.product import product, rows_per_chunk
from pipeline.objective import Objective


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
    rows, expected, weights = _real_rows(output.unsqueeze(0), tgt_out, pad)
    return Objective(*_ChunkedObjective.apply(rows, matrix, expected, weights, label_smoothing))


def chunked_r_drop_objective(
    output: Tensor, matrix: Tensor, tgt_out: Tensor, pad: int, label_smoothing: float, weight: float
) -> Objective:
    """`pipeline.objective.r_drop_objective` of the logits `output` · `matrix`ᵀ, without ever holding them all.

    Args:
        output: (2 · batch, tgt_len, d), of `pipeline.data.batching.twice`.
        matrix: (vocab_size, d).
        tgt_out: (2 · batch, tgt_len) ids; positions with `pad` count for nothing.
        pad: The id of padding.
        label_smoothing: ε in [0, 1).
        weight: α > 0.
    """
    rows, expected, weights = _real_rows(output.unflatten(0, (2, -1)), tgt_out.chunk(2)[0], pad)
    return Objective(*_ChunkedRDrop.apply(rows, matrix, expected, weights, label_smoothing, weight))


def _real_rows(output: Tensor, tgt_out: Tensor, pad: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """What counts of `output` (passes, batch, tgt_len, d): rows (passes, n, d), expected ids (n,) and weights.

    The weights (n,) are 1 and, for a row of padding, which is 0 then, 0; None where only real rows are among the n.
    """
    rows, expected = output.flatten(1, 2), tgt_out.flatten()
    is_real = expected != pad
    if output.device.type == "cpu":
        real = is_real.nonzero().squeeze(1)
        return rows.index_select(1, real), expected[real], None
    weights = is_real.to(rows.dtype)  # to count the real rows would be to wait for the device
    return rows * weights.unsqueeze(1), expected, weights


def _subtract_target(
    grad_rows: Tensor, grad_matrix: Tensor, rows: Tensor, matrix: Tensor, expected: Tensor, smoothing: float
) -> None:
    """What (1 − ε) · onehot + ε / V adds to both gradients, in place: of the mean over passes of a cross-entropy."""
    num_passes, vocab_size = len(rows), len(matrix)
    grad_rows.sub_(matrix[expected], alpha=(1 - smoothing) / num_passes)
    grad_rows.sub_(matrix.mean(0), alpha=smoothing / num_passes)
    summed = rows.sum(0)
    grad_matrix.index_add_(0, expected, summed, alpha=(smoothing - 1) / num_passes)
    grad_matrix.sub_(summed.sum(0), alpha=smoothing / num_passes / vocab_size)


class _ChunkedObjective(torch.autograd.Function):
    """With e = exp(logits − max), s = Σ e, ε the smoothing and V the vocabulary's size, per row:

        nats      = log s + max − logit of the expected token
        objective = (1 − ε) · nats + ε · (log s + max − mean logit)
        ∂ objective / ∂ logits = e / s − (1 − ε) · onehot − ε / V

    Of the gradient only e is as wide as the vocabulary. What is multiplied with 1 / s, with one row of the matrix or
    with the mean of all rows is added where it is narrow.

    A row that counts for nothing is 0 and has the weight 0: of all its terms only log s is left to be left out.
    """

    @staticmethod
    def forward(
        ctx, rows: Tensor, matrix: Tensor, expected: Tensor, weights: Tensor | None, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        device = rows.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            rows, matrix = rows.float(), matrix.float()  # (1, n, d) and (vocab_size, d)
            mean_row, expected_rows = matrix.mean(0), matrix[expected]
            factor, factor_t = matrix.to(dtype), matrix.t().to(dtype).contiguous()
            objective = nats = rows.new_zeros(())
            grad_rows, grad_matrix_t = torch.empty_like(rows), matrix.new_zeros(matrix.t().shape)
            size = rows_per_chunk(matrix)
            ones = rows.new_ones(rows.size(1)) if weights is None else weights.float()
            for chunk, expected_row, weight, grad in zip(
                rows[0].split(size), expected_rows.split(size), ones.split(size), grad_rows[0].split(size), strict=True
            ):
                logits = product(chunk.to(dtype), factor).float()  # (size, vocab_size)
                largest = logits.amax(1, keepdim=True)
                e = logits.sub_(largest).exp_()
                s = e.sum(1, keepdim=True)
                log_sum = (s.log() + largest).squeeze(1) * weight
                chunk_nats = (log_sum - (chunk * expected_row).sum(1)).sum()
                nats = nats + chunk_nats
                objective = objective + (1 - smoothing) * chunk_nats + smoothing * (log_sum - chunk @ mean_row).sum()
                e = e.to(dtype)
                torch.div(product(e, factor_t), s, out=grad)
                grad_matrix_t += product((chunk / s).t().to(dtype), e.t())
            grad_matrix = grad_matrix_t.t().contiguous()
            _subtract_target(grad_rows, grad_matrix, rows, matrix, expected, smoothing)
        ctx.save_for_backward(grad_rows, grad_matrix)
        ctx.mark_non_differentiable(nats)
        return objective, nats

    @staticmethod
    def backward(ctx, grad_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_rows, grad_matrix = ctx.saved_tensors
        return grad_rows * grad_objective, grad_matrix * grad_objective, None, None, None


class _ChunkedRDrop(torch.autograd.Function):
    """With z the logits of the first pass and y those of the second, p and q their softmax, D = z − y, α the weight:

        KL(p‖q) + KL(q‖p)      = Σ p D − Σ q D
        ∂ objective / ∂ z      = p (½ + ¼ α (1 + D − Σ p D)) − ¼ α q − ½ target
        ∂ objective / ∂ y      = q (½ + ¼ α (1 − D + Σ q D)) − ¼ α p − ½ target

    target = (1 − ε) · onehot + ε / V is added where it is narrow, as above. A row that counts for nothing is 0 in both
    passes, so that they agree there and, again, log s alone is left to be left out.
    """

    @staticmethod
    def forward(
        ctx, rows: Tensor, matrix: Tensor, expected: Tensor, weights: Tensor | None, smoothing: float, alpha: float
    ) -> tuple[Tensor, Tensor]:
        device = rows.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            rows, matrix = rows.float(), matrix.float()  # (2, n, d) and (vocab_size, d)
            mean_row, expected_rows = matrix.mean(0), matrix[expected]
            factor, factor_t = matrix.to(dtype), matrix.t().to(dtype).contiguous()
            objective = nats = rows.new_zeros(())
            grad_rows, grad_matrix_t = torch.empty_like(rows), matrix.new_zeros(matrix.t().shape)
            size = max(1, rows_per_chunk(matrix) // 4)
            quarter = alpha / 4
            ones = rows.new_ones(rows.size(1)) if weights is None else weights.float()
            for chunk, expected_row, weight, grad in zip(
                rows.split(size, 1), expected_rows.split(size), ones.split(size), grad_rows.split(size, 1), strict=True
            ):
                logits = product(chunk.to(dtype), factor).float()  # (2, size, vocab_size)
                difference = logits[0] - logits[1]
                log_sum = logits.logsumexp(2, keepdim=True)
                p, q = logits.sub_(log_sum).exp_()
                log_sum = log_sum.squeeze(2) * weight
                p_mean, q_mean = torch.linalg.vecdot(p, difference), torch.linalg.vecdot(q, difference)
                chunk_nats = (log_sum - (chunk * expected_row).sum(2)).sum() / 2
                nats = nats + chunk_nats
                spread = (log_sum - chunk @ mean_row).sum() / 2
                objective = objective + (1 - smoothing) * chunk_nats + smoothing * spread
                objective = objective + quarter * (p_mean - q_mean).sum()
                difference.mul_(quarter)
                grad_p = (difference + (0.5 + quarter - quarter * p_mean).unsqueeze(1)).mul_(p).sub_(q, alpha=quarter)
                grad_q = difference.neg_().add_((0.5 + quarter + quarter * q_mean).unsqueeze(1)).mul_(q)
                grad_q.sub_(p, alpha=quarter)
                grad_logits = torch.stack([grad_p.to(dtype), grad_q.to(dtype)])
                grad.copy_(product(grad_logits, factor_t))
                grad_matrix_t += product(chunk.flatten(0, 1).t().to(dtype), grad_logits.flatten(0, 1).t())
            grad_matrix = grad_matrix_t.t().contiguous()
            _subtract_target(grad_rows, grad_matrix, rows, matrix, expected, smoothing)
        ctx.save_for_backward(grad_rows, grad_matrix)
        ctx.mark_non_differentiable(nats)
        return objective, nats

    @staticmethod
    def backward(ctx, grad_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_rows, grad_matrix = ctx.saved_tensors
        return grad_rows * grad_objective, grad_matrix * grad_objective, None, None, None, None
