"""How a process gets memory for arrays: not overwritten first, and not taken from the system again and again.

A step of training makes and drops hundreds of arrays of some MB. glibc's malloc gives such blocks back to the system,
and for each of their pages the next array pays a page fault (results/LOG.md).
"""

import ctypes
import platform

import torch

# Of malloc.h; see mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_MOST = 2**31 - 1


def make_allocation_cheap() -> None:
    """Changes no number. Of arrays up to 2 GB, what the main thread has freed stays with the process.

    At its peak a process may hold more than it would (results/LOG.md).
    """
    # Deterministic mode would overwrite all new memory, to show who reads it too early.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)  # a block with pages of its own goes back when it is freed
        mallopt(_M_TRIM_THRESHOLD, _MOST)  # so does the end of the heap
