"""Run folders, `runs/<corpus>/<model>/seed<k>/`: finished runs are reported, unfinished ones go on, none is lost."""

import shutil
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.atomic import lock, remove_partial_files
from pipeline.checkpoint_file import read_checkpoint, refuse_other_weights, settle_checksum
from pipeline.circumstances import differences
from pipeline.errors import UserError
from pipeline.finished_runs import best_checkpoint, read_results
from pipeline.settings import deciding, run_settings

# Of a checkpoint, besides what translating needs.
_NEEDED_TO_GO_ON = (
    "format",
    "global_step",
    "loops",
    "callbacks",
    "optimizer_states",
    "lr_schedulers",
    "progress",
    "circumstances",
)


class RunFolder:
    """The folder of one run.

    Attributes:
        name: `<corpus>/<model>`.
        version: `seed<k>`.
        path: Where it is.
    """

    def __init__(self, runs_dir: str | Path, corpus: str, model: str, seed: int) -> None:
        self.name = f"{corpus}/{model}"
        self.version = f"seed{seed}"
        self.path = Path(runs_dir) / self.name / self.version
        self.best = best_checkpoint(self.path)
        self.last = self.best.with_name("last.ckpt")
        self.results_json = self.path / "results.json"
        self.translations = self.path / "translations.jsonl"

    @property
    def is_finished(self) -> bool:
        """Whether the run was trained to its end and scored: results.json is written last."""
        return self.results_json.is_file()

    @property
    def can_go_on(self) -> bool:
        return self.last.is_file()

    @property
    def has_run(self) -> bool:
        """Whether anything is here that was trained: also a best checkpoint whose last one was removed."""
        return self.is_finished or self.can_go_on or self.best.is_file()

    def state(self) -> tuple[bool, int | None]:
        """How far the run is: whether it is finished, and when its last checkpoint was written."""
        return self.is_finished, self.last.stat().st_mtime_ns if self.can_go_on else None

    def refuse_other_state(self, before: tuple[bool, int | None]) -> None:
        """Raises UserError if another process has trained the run since its `state` was `before`."""
        if self.state() != before:
            raise UserError(f"{self.path} was trained by another process meanwhile; run the same command again")

    def read_last(self) -> dict[str, Any]:
        """The checkpoint that an unfinished run goes on from.

        Raises:
            UserError: It is broken, or lacks what training needs, or so is the best one.
        """
        checkpoint = read_checkpoint(self.last)
        missing = [name for name in _NEEDED_TO_GO_ON if name not in checkpoint]
        if missing:
            raise UserError(
                f"{self.last} cannot be gone on from: it lacks {', '.join(missing)}, so it was made by another version "
                "of this project or for translating only; RETRAIN=1 trains anew and keeps the earlier run"
            )
        if _best_loss(checkpoint, self.last) is not None:
            if not self.best.is_file():
                raise UserError(f"{self.best} is gone, which would be scored in the end; bring it back, or RETRAIN=1")
            read_checkpoint(self.best)
        return checkpoint

    def best_step_and_loss(self) -> tuple[int, float]:
        """The step of the best checkpoint and its validation loss in nats per token."""
        checkpoint = read_checkpoint(self.best)
        return checkpoint["global_step"], _best_loss(checkpoint, self.best)

    def refuse_other_settings(self, settings: dict[str, Any]) -> None:
        """Compares flat `settings` (see `settings_of`) with those that the run here was started with.

        Raises:
            UserError: They differ in what the run computes; the differences are named. Or nobody knows what those were.
        """
        before = deciding(run_settings(self.path))
        differing = [
            f"{key}: {before.get(key)} → {settings.get(key)}"
            for key in sorted(before.keys() | settings.keys())
            if before.get(key) != settings.get(key)
        ]
        if differing:
            raise UserError(
                f"{self.path} holds a run with other settings ({'; '.join(differing[:5])}); "
                "use another SEED or RUNS (--runs_dir), or RETRAIN=1 (--retrain true), which keeps the earlier run"
            )

    def refuse_other_text(self, content_hash: str, corpus: str) -> None:
        """Raises UserError if the finished run here was trained on another text than `corpus` holds now."""
        if read_results(self.path)["corpus"]["content_hash"] != content_hash:
            raise UserError(
                f"{self.path} was trained on another text than {corpus} holds now; "
                "use another RUNS (--runs_dir), or RETRAIN=1 (--retrain true), which keeps the earlier run"
            )

    def refuse_other_start(
        self, checkpoint: dict[str, Any], weights: dict[str, Tensor], now: dict[str, Any], *, inexact: bool
    ) -> None:
        """Checks that a run can go on from its last `checkpoint` with a model of these `weights`, circumstances `now`.

        Args:
            inexact: Other circumstances are no hindrance; that exactness ends is said instead.

        Raises:
            UserError: The model or, unless `inexact`, the circumstances are others.
        """
        refuse_other_weights(self.last, checkpoint["state_dict"], weights)
        changed = differences(checkpoint["circumstances"], now)
        if changed and not inexact:
            raise UserError(
                f"{self.path} was trained under other circumstances ({'; '.join(changed)}) and would not end as one "
                "uninterrupted run does; restore them, or accept that with --inexact true, or RETRAIN=1"
            )
        if changed:
            print(f"note: exactness ends here: {'; '.join(changed)}; an uninterrupted run would end a little otherwise")

    def lock(self) -> None:
        """Keeps every other process from training this run until this one ends, in whatever way it ends.

        Raises:
            UserError: Another process trains it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock(self.path)  # left locked: the system lets go of it when the process ends
        except BlockingIOError as error:
            raise UserError(
                f"{self.path} is being trained by another process; wait for it, or end it and run the same command"
            ) from error

    def set_aside(self) -> Path:
        """Gives the run another name, with the time in it, and returns that."""
        kept = self.path.with_name(f"{self.version}.{time.strftime('%Y-%m-%dT%H-%M-%S')}")
        self.path.rename(kept)
        return kept

    def clear(self) -> None:
        """Removes what a process that was killed left: of a file that it wrote, the part; of two sums of a
        checkpoint, the other's; of a run that was stopped before its first checkpoint, all, since there is nothing to
        go on from.

        Raises:
            UserError: Checkpoints are kept elsewhere, and are not to be seen from here.
        """
        for place in (self.best.parent, self.best, self.last):
            if place.is_symlink() and not place.exists():
                raise UserError(f"{place} is a link to {place.readlink()}, which is not there; mount or remove it")
        for folder in (self.path, self.best.parent):  # which may be a link, and is then not looked into from above
            remove_partial_files(folder)
        for checkpoint in (self.best, self.last):
            settle_checksum(checkpoint)
        if not self.has_run:
            for left in self.path.iterdir():
                if not left.is_symlink():  # else it says where the checkpoints of this run are to be
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def _best_loss(checkpoint: dict[str, Any], path: Path) -> float | None:
    """The lowest validation loss until then, of the checkpoint that stood at `path`; None before the first validation.

    Raises:
        UserError: Its callbacks have another form.
    """
    try:
        states = (state for name, state in checkpoint["callbacks"].items() if name.startswith("Checkpoints"))
        return next(states, {}).get("best")
    except AttributeError as error:
        raise UserError(f"{path} has callbacks that are not those of this project; RETRAIN=1 trains anew") from error
