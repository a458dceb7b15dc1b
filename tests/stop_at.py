"""A callback that ends a training abruptly, for the test of resuming."""

import os

from pytorch_lightning.callbacks import Callback


class StopAt(Callback):
    """Kills the process, without any clean-up, after a step.

    Args:
        step: The last step that is taken.
    """

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, module, *_) -> None:
        if trainer.global_step == self.step:
            os._exit(1)
