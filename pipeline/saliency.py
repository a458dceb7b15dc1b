"""Saliency: which source words a prediction depends on, for every model, also for one without attention.

‖∂ log p(y_t | y_<t, x) / ∂ e_j‖, where e_j is what the encoder reads at source position j (Simonyan et al. 2014, §3;
for translation cf. Ding et al. 2019). Unlike attention it follows every path from e_j to the prediction.
"""

import torch
from torch import Tensor

from pipeline.models import Seq2Seq

_COPIES = 64  # of a pair at once: memory grows with their number times the length of the pair


def saliency(network: Seq2Seq, src: Tensor, tgt_in: Tensor, tgt_out: Tensor) -> Tensor:
    """The gradient norms of one sentence pair under teacher forcing.

    Args:
        network: In evaluation mode.
        src: (src_len,) ids, without padding.
        tgt_in: (tgt_len,) decoder input.
        tgt_out: (tgt_len,) expected output.

    Returns:
        (tgt_len, src_len), each row divided by its sum.
    """
    all_steps = torch.arange(len(tgt_out), device=src.device)
    norms = torch.cat([_gradient_norms(network, src, tgt_in, tgt_out, steps) for steps in all_steps.split(_COPIES)])
    return norms / norms.sum(-1, keepdim=True).clamp_min(torch.finfo(norms.dtype).tiny)


def _gradient_norms(network: Seq2Seq, src: Tensor, tgt_in: Tensor, tgt_out: Tensor, steps: Tensor) -> Tensor:
    """(num_steps, src_len), of the predictions at `steps`."""
    # One copy of the pair for every step: the copies know nothing of each other, so one backward pass gives the
    # gradient of each step's own prediction. cuDNN's GRU has no backward pass in evaluation mode.
    copies = torch.arange(len(steps), device=src.device)
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        sources = src.expand(len(steps), -1)
        vectors = network.embed_source(sources).detach().requires_grad_()
        memory = network.encode_vectors(vectors, torch.ones_like(sources, dtype=torch.bool))
        matrix = network.output_matrix
        decoded = network.decode(tgt_in.expand(len(steps), -1), memory, need_logits=matrix is None)
        # Of each copy, the logits of its own step alone: of all steps they would be tgt_len times as many.
        logits = decoded.logits[copies, steps] if matrix is None else decoded.output[copies, steps] @ matrix.t()
        predicted = logits.float().log_softmax(-1)[copies, tgt_out[steps]]
        (gradient,) = torch.autograd.grad(predicted.sum(), vectors)
    return gradient.float().norm(dim=-1)
