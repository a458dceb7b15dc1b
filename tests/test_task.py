"""What training asks of Lightning."""

from types import SimpleNamespace

import pytest

from pipeline.task import TranslationTask
from tests.conftest import make_network


@pytest.mark.parametrize(("scaler", "fused"), [(None, True), (object(), False)])
def test_gradients_that_are_scaled_are_clipped_at_their_own_size(scaler, fused):
    """Lightning undoes the scale before clipping, but not for a fused optimiser, which does so itself, in its step."""
    task = TranslationTask(make_network("gru"), name="gru")
    task._trainer = SimpleNamespace(
        precision_plugin=SimpleNamespace(scaler=scaler), estimated_stepping_batches=10, global_step=0
    )
    assert task.configure_optimizers()["optimizer"].defaults["fused"] is fused
