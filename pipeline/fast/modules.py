"""A network's modules, each for its fast class."""

from torch import nn

from pipeline.fast.dropout import FastDropout
from pipeline.fast.gru import FastGRU
from pipeline.models.recurrent import UncastGRU

FAST_CLASSES = {nn.Dropout: FastDropout, UncastGRU: FastGRU}


def use_fast_modules(network: nn.Module) -> None:
    """Gives every module of `network` that has a fast class that class; its parameters keep their names."""
    for module in network.modules():
        module.__class__ = FAST_CLASSES.get(type(module), type(module))
