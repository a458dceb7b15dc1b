"""Fast modules in the place of readable ones."""

import pytest
from torch import nn

from pipeline.fast.dropout import FastDropout
from pipeline.fast.gru import FastGRU
from pipeline.fast.modules import FAST_CLASSES, use_fast_modules
from pipeline.models import GRUSeq2Seq, TransformerSeq2Seq


def count(network: nn.Module, kind: type) -> int:
    return sum(type(module) is kind for module in network.modules())


@pytest.mark.parametrize(
    ("network", "dropouts", "grus"),
    [
        (GRUSeq2Seq(11, "all", d_embed=6, d_model=8, dropout=0.25), 2, 2),
        (GRUSeq2Seq(11, "all", d_embed=6, d_model=8, dropout=0.25, direction="both"), 2, 3),
        (TransformerSeq2Seq(11, "all", 8, d_ff=10, num_heads=2, num_layers=1, dropout=0.25), 5, 0),
    ],
)
def test_every_module_that_has_a_fast_class_gets_it_and_keeps_its_parameters(network, dropouts, grus):
    before = dict(network.named_parameters())
    use_fast_modules(network)
    assert count(network, FastDropout) == dropouts
    assert count(network, FastGRU) == grus
    assert not any(count(network, readable) for readable in FAST_CLASSES)
    assert {module.level for module in network.modules() if isinstance(module, FastDropout)} == {16384}
    after = dict(network.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
