"""The objective and its gradient, a few rows of logits at a time.

The readable way (`pipeline.objective`) holds all logits, (batch, tgt_len, vocab_size), and reads or writes arrays of
that size a dozen times, forward and backward. They do not fit in a cache, and a small model spends half of its time on
them. Here a chunk of rows is made, turned into its share of the loss and of the gradient, and forgotten while it is
still in the cache.
"""

import torch
from torch import Tensor

from pipeline.data.batching import Batch
from pipeline.data.tokenizer import PAD
from pipeline.fast.product import product, rows_per_chunk
from pipeline.models import Seq2Seq
from pipeline.objective import Objective


def batch_objective(network: Seq2Seq, batch: Batch, label_smoothing: float) -> Objective:
    """What `network`, which has an `output_matrix`, is to minimise on a batch."""
    memory = network.encode(batch.src, batch.src_mask)
    output = network.decode(batch.tgt_in, memory, need_logits=False).output
    return chunked_objective(output, network.output_matrix, batch.tgt_out, label_smoothing)


def chunked_objective(output: Tensor, matrix: Tensor, tgt_out: Tensor, label_smoothing: float) -> Objective:
    """`pipeline.objective.objective` of the logits `output` · `matrix`ᵀ, without ever holding them all.

    Products are computed in the precision of autocast where that is on, everything else in float32.

    Args:
        output: (batch, tgt_len, d).
        matrix: (vocab_size, d).
        tgt_out: (batch, tgt_len) ids; positions with PAD count for nothing.
        label_smoothing: ε in [0, 1).
    """
    rows, expected = output.flatten(0, 1), tgt_out.flatten()
    is_real = expected != PAD
    if output.device.type == "cpu":
        real = is_real.nonzero().squeeze(1)
        rows, expected, weights = rows.index_select(0, real), expected[real], None
    else:  # to count the real rows would be to wait for the device
        weights = is_real.to(rows.dtype)
        rows = rows * weights.unsqueeze(1)
    return Objective(*_ChunkedObjective.apply(rows, matrix, expected, weights, label_smoothing))


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
            rows, matrix = rows.float(), matrix.float()
            mean_row, expected_rows = matrix.mean(0), matrix[expected]
            factor, factor_t = matrix.to(dtype), matrix.t().to(dtype).contiguous()
            objective = nats = rows.new_zeros(())
            grad_rows, grad_matrix_t = torch.empty_like(rows), matrix.new_zeros(matrix.t().shape)
            size = rows_per_chunk(matrix)
            ones = rows.new_ones(len(rows)) if weights is None else weights.float()
            for chunk, expected_row, weight, grad in zip(
                rows.split(size), expected_rows.split(size), ones.split(size), grad_rows.split(size), strict=True
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
        return grad_rows * grad_objective, grad_matrix * grad_objective, None, None, None
