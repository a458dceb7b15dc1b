"""The settings of a run where TensorBoard shows them, with its final scores."""

from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger


def log_hyperparameters(logger: TensorBoardLogger, settings: dict[str, Any], results: dict[str, Any]) -> None:
    """Logs the final scores in `results` beside flat `settings`, and which curves of the models belong together."""
    shown = {key: value for key, value in settings.items() if key.startswith(("model.", "data.", "dropout"))}
    final = {
        "final/nats_per_token_test": results["nats_per_token"]["test"],
        "final/bleu_test": results["test"]["bleu"],
        "final/chrf_test": results["test"]["chrf"],
        "final/exact_match_test": results["test"]["exact_match"],
    }
    logger.log_hyperparams(shown, final, step=results["steps"])
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
