"""The settings of a run: kept as its config.yaml, and shown by TensorBoard with the final scores."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from pipeline.atomic import write_text


class SettingsFile(SaveConfigCallback):
    """Writes what Lightning would to config.yaml, but whole or not at all, and as UTF-8 in every locale."""

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # Not the trainer's log_dir, which all processes would have to ask for.
        write_text(Path(trainer.logger.log_dir) / "config.yaml", self.parser.dump(self.config, skip_none=False))


def log_hyperparameters(logger: TensorBoardLogger, settings: dict[str, Any], results: dict[str, Any]) -> None:
    """Logs the final scores in `results` beside flat `settings`, and which curves of the models belong together."""
    shown = {key: value for key, value in settings.items() if key.startswith(("model.", "data.", "dropout"))}
    final = {
        "final/nats_per_token_test": results["nats_per_token"]["test"],
        "final/bleu_test": results["test"]["bleu"],
        "final/chrf_test": results["test"]["chrf"],
        "final/exact_match_test": results["test"]["exact_match"],
    }
    # A run that is stopped after this and goes on drops what is later than its last step, and so writes these but once.
    step = results["steps"] + 1
    logger.log_metrics(final, step)
    # Without torch's summary of the experiment, in which no setting differs: TensorBoard then compares the runs itself,
    # and shows first what they differ in.
    _, *of_this_run = hparams({key: _plain(value) for key, value in shown.items()}, final)
    for summary in of_this_run:
        logger.experiment.file_writer.add_summary(summary, step)
    logger.experiment.add_custom_scalars(
        {
            "The three models": {
                "validation loss (nats per target token)": ["Multiline", ["loss/val"]],
                "training loss (nats per target token)": ["Multiline", ["loss/train"]],
                "BLEU, validation, greedy search": ["Multiline", ["bleu/val"]],
                "tokens right, validation, teacher-forced": ["Multiline", ["accuracy/val"]],
            }
        }
    )
    logger.experiment.flush()


def _plain(value: Any) -> bool | int | float | str:
    """What TensorBoard can tell runs apart by."""
    return value if isinstance(value, bool | int | float | str) else str(value)
