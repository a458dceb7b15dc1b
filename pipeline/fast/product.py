"""Matrix products by oneDNN, whose kernels are made for every processor.

On a CPU, torch multiplies float32 matrices with MKL, which takes slower instructions on processors that are not
Intel's. torch has oneDNN aboard too, for convolutions and compiled models; this is the call that compiled models make.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits of one chunk, in numbers: few enough to stay in a cache, enough rows to be worth reading the matrix for. On a
# GPU, launches cost more than memory.
CHUNK_SIZE = {"cpu": 1 << 21, "cuda": 1 << 26}


def rows_per_chunk(matrix: Tensor) -> int:
    """How many rows of logits, each as many as the rows of `matrix` (vocab_size, d), are best made at a time."""
    return max(1, CHUNK_SIZE.get(matrix.device.type, 1 << 24) // len(matrix))


def product(rows: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """(…, d) → (…, n): `rows` · `matrix`ᵀ + `bias`, for `matrix` (n, d) and `bias` (n,). Has no gradient on a CPU."""
    is_float = rows.dtype == matrix.dtype == torch.float32
    if rows.device.type == "cpu" and is_float and rows.numel() and torch.backends.mkldnn.is_available():
        return torch.ops.mkldnn._linear_pointwise(rows, matrix, bias, "none", [], "")
    return F.linear(rows, matrix, bias)
