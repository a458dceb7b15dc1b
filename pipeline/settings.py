"""Settings in YAML: any file of them, the config.yaml of a run, and which of them decide what the run computes."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError

# Settings that say where a run is computed and how it is shown, not what it computes (but for the last digits).
_NOT_OF_THE_RUN = (
    "ckpt_path",
    "retrain",
    "inexact",
    "score_test",
    "alignment_maps",
    "runs_dir",
    "data.cache_dir",
    "data.corpus",  # compared by its text
    "data.eval_batch_tokens",
    "trainer.logger",
    "trainer.plugins",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
)
# Callbacks that only show or keep what is computed.
_ONLOOKERS = ("RunProgress", "AlignmentMaps", "SampleTranslations", "MemoryAdvice", "Checkpoints")


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file by name; none where it is empty.

    Raises:
        UserError: It is not YAML, or no settings by name.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not YAML in UTF-8: {error}") from error
    if not isinstance(content, dict | None):
        raise UserError(f"{path} holds {type(content).__name__}; expected settings by name, a `name: value` a line")
    return content or {}


def run_settings(run: Path) -> dict[str, Any]:
    """The settings that a run was started with.

    Raises:
        UserError: They are gone, or damaged.
    """
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(f"{path} is gone, so that nobody knows the settings of this run; bring it back, or RETRAIN=1")
    try:
        return read_settings(path)
    except UserError as error:
        raise UserError(f"{error}; bring the settings of this run back, or RETRAIN=1") from error


def settings_of(config: str) -> dict[str, Any]:
    """The settings of a YAML configuration that decide what a run computes: `{"model.lr": 0.002, …}`."""
    return deciding(yaml.safe_load(config) or {})


def deciding(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of nested `settings` that decide what a run computes, as `settings_of` has them."""
    flat = _flat(settings)
    callbacks = flat.pop("trainer.callbacks", None) or []
    kept = [callback for callback in callbacks if callback["class_path"].rpartition(".")[2] not in _ONLOOKERS]
    flat |= _flat({str(number): callback for number, callback in enumerate(kept, 1)}, "trainer.callbacks.")
    return {key: value for key, value in flat.items() if value is not None and not key.startswith(_NOT_OF_THE_RUN)}


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}"""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
