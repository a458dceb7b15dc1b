"""A network's modules, each for its fast class."""

import contextlib
from collections.abc import Iterator

from torch import nn

from pipeline.fast.attention import FastMultiHeadAttention
from pipeline.fast.dropout import FastDropout
from pipeline.fast.gru import FastGRU
from pipeline.models.attention import MultiHeadAttention
from pipeline.models.recurrent import UncastGRU

FAST_CLASSES = {nn.Dropout: FastDropout, UncastGRU: FastGRU, MultiHeadAttention: FastMultiHeadAttention}


def use_fast_modules(network: nn.Module) -> None:
    """Gives every module of `network` that has a fast class that class; its parameters keep their names."""
    for module in network.modules():
        module.__class__ = FAST_CLASSES.get(type(module), type(module))


@contextlib.contextmanager
def fast_modules(network: nn.Module) -> Iterator[None]:
    """Gives them their fast classes for a while."""
    classes = [(module, type(module)) for module in network.modules()]
    use_fast_modules(network)
    try:
        yield
    finally:
        for module, of_module in classes:
            module.__class__ = of_module
