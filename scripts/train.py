"""Trains one model on one corpus, then scores it on the test set.

    python -m scripts.train fit -c configs/base.yaml -c configs/corpus/toy.yaml -c configs/model/gru.yaml

Every option of trainer, model and data can be given on the command line or in a YAML file; `fit --help` lists them. The
run lives in RUNS/<corpus>/<model>/seed<k>/; the same command goes on where an earlier one stopped, and reports a
finished run instead of training it again.
"""

import errno
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS; read when CUDA starts

import torch
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException, SIGTERMException

from pipeline.callbacks.settings import SettingsFile, log_hyperparameters
from pipeline.circumstances import circumstances, limit_threads
from pipeline.data.datamodule import TranslationData
from pipeline.data.loading import corpus_name, load_corpus
from pipeline.errors import UserError, exit_on_error
from pipeline.finished_runs import read_results
from pipeline.json_files import write_json
from pipeline.paths import expanded
from pipeline.report import results_table
from pipeline.results import Effort, run_results, weights_hash
from pipeline.run_folder import RunFolder
from pipeline.settings import settings_of
from pipeline.task import TranslationTask
from pipeline.train_options import (
    chosen_accelerator,
    refuse_another_place,
    refuse_other_monitors,
    refuse_other_strategies,
    refuse_to_end_unvalidated,
    refuse_values_out_of_range,
    refuse_what_is_not_done,
    stop_at_validations,
)
from pipeline.translations import write_translations


class TranslationCLI(LightningCLI):
    """LightningCLI for this project's task and data, with run folders that are never overwritten."""

    def __init__(self, args=None) -> None:
        # Lightning warns of `args` beside sys.argv; tests give it under pytest's own arguments.
        warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
        super().__init__(
            TranslationTask,
            TranslationData,
            args=args,
            save_config_callback=SettingsFile,
            save_config_kwargs={"save_to_log_dir": False},
            seed_everything_default=1,
            auto_configure_optimizers=False,
            # Not abbreviated: what looks for an option among others looks for its whole name.
            parser_kwargs={"allow_abbrev": False},
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        super().parse_arguments(parser, args)
        refuse_values_out_of_range(self.config.fit)
        self.config.fit.runs_dir = str(expanded(self.config.fit.runs_dir))

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--runs_dir", type=str, default="runs", help="Where run folders are.")
        parser.add_argument(
            "--retrain", type=bool, default=False, help="Train anew; an earlier run is kept under another name."
        )
        parser.add_argument(
            "--inexact",
            type=bool,
            default=False,
            help="Go on with an unfinished run also on another device, with another number of processes or other "
            "versions of libraries; it then no longer ends as an uninterrupted one would.",
        )
        parser.add_argument(
            "--score_test",
            type=bool,
            default=True,
            help="Translate the test set at the end. Say false while choosing settings, which is done on validation; "
            "the same command without it then only scores what was trained.",
        )
        parser.add_argument(
            "--alignment_maps",
            type=bool,
            default=True,
            help="Draw alignment maps for TensorBoard. Say false where nobody will look at them: they take a CPU about "
            "as long as a GPU needs for all steps.",
        )
        parser.add_argument("--dropout", type=float, default=0.1, help="Of every model, in [0, 1).")
        parser.link_arguments("dropout", "model.network.init_args.dropout")
        parser.link_arguments("data.vocab_size", "model.network.init_args.vocab_size")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.link_arguments("seed_everything", "model.seed", compute_fn=int)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {"fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule"}}

    def before_instantiate_classes(self) -> None:
        config = self.config.fit
        refuse_what_is_not_done(config)
        if config.trainer.devices in (1, "1") and config.trainer.num_nodes == 1:
            # Lightning takes it from the environment, where several such trainings may be tasks of one job.
            rank_zero_only.rank = 0
        self._accelerator = chosen_accelerator(config.trainer.accelerator)
        stop_at_validations(config.trainer.callbacks)
        self.folder = RunFolder(
            config.runs_dir, corpus_name(config.data.corpus), config.model.name, int(config.seed_everything)
        )
        self._resume_from: str | None = None
        self._last: dict[str, Any] | None = None  # what is in it
        self._found = self.folder.state()
        if not config.trainer.fast_dev_run and not config.retrain:
            self._report_if_finished()
            if self.folder.can_go_on:
                self.folder.refuse_other_settings(self._settings())
                self._resume_from, self._last = str(self.folder.last), self.folder.read_last()
                self.save_config_callback = None  # it is there
        config.trainer.logger = None
        # Lightning refuses a bar that is switched off.
        has_bar = config.trainer.enable_progress_bar is not False
        wanted = {"RunProgress": has_bar, "AlignmentMaps": config.alignment_maps}
        callbacks = [c for c in config.trainer.callbacks if wanted.get(c.class_path.split(".")[-1], True)]
        # Last: what it saves of the others has to be what they are when a step or a validation is over.
        config.trainer.callbacks = sorted(callbacks, key=lambda c: c.class_path.endswith(".Checkpoints"))
        self._logger = TensorBoardLogger(
            config.runs_dir,
            name=self.folder.name,
            version=self.folder.version,
            default_hp_metric=False,
            purge_step=self._last["global_step"] + 1 if self._last else None,
        )
        refuse_another_place(self._logger, self.folder.path)

    def _report_if_finished(self) -> None:
        """Reports a finished run and ends: every process, since nobody waits for one that ends alone."""
        folder, data = self.folder, self.config.fit.data
        if folder.is_finished:
            folder.refuse_other_settings(self._settings())
            corpus = load_corpus(data.corpus, data.src, data.tgt, Path(data.cache_dir), data.revision)
            folder.refuse_other_text(corpus.content_hash(), data.corpus)
            if rank_zero_only.rank == 0:
                print(f"{folder.path} is finished; RETRAIN=1 (--retrain true) trains it anew")
                print(results_table([read_results(folder.path)]))
            sys.exit(0)

    def _settings(self) -> dict[str, Any]:
        return settings_of(self._parser(self.subcommand).dump(self.config.fit))

    def instantiate_classes(self) -> None:
        # Right before the network is built, so that models of one class start from the same weights.
        torch.manual_seed(self.config.fit.seed_everything)
        try:
            super().instantiate_classes()
        except UserError:
            raise
        except ValueError as error:  # of a constructor: a number that the configuration gave is out of range
            raise UserError(f"the configuration does not make a model, data and trainer: {error}") from error
        self.initial_weights_hash = weights_hash(self.model.network)

    def _parse_ckpt_path(self) -> None:
        """Lightning would let a checkpoint's settings win over the command line."""

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "ckpt_path": self._resume_from}

    def instantiate_trainer(self, **kwargs):
        # Where Lightning looks, under SLURM, for what a requeued job left: elsewhere that may be another run's.
        own = {"logger": self._logger, "default_root_dir": str(self.folder.path)}
        if isinstance(self._accelerator, str):  # and no class, which is one by now
            own["accelerator"] = self._accelerator
        try:
            return super().instantiate_trainer(**{**kwargs, **own})
        # Of devices that are no number; of a plugin that lacks its library; of a job of SLURM with other tasks.
        except (TypeError, ImportError, RuntimeError) as error:
            raise UserError(f"the configuration does not make a trainer: {error}") from error

    def before_fit(self) -> None:
        refuse_other_strategies(self.trainer)
        # Whatever is wrong with the corpus is found here, before anything is written.
        self.datamodule.setup()
        refuse_other_monitors(self.trainer)
        if not self.trainer.fast_dev_run:
            refuse_to_end_unvalidated(self.trainer, len(self.datamodule.train_dataloader()))
            self._prepare_folder()  # only now that nothing can be wrong with the command
        # Deterministic mode would overwrite all new memory, to show who reads it too early, which takes time.
        torch.utils.deterministic.fill_uninitialized_memory = False
        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")  # TF32

    def _prepare_folder(self) -> None:
        """Makes the run folder ready; only the first of all processes touches it, before any other can train."""
        folder = self.folder
        if self._last:
            now = circumstances(self.trainer.world_size, self.trainer.strategy.root_device)
            inexact = self.config.fit.inexact
            folder.refuse_other_start(self._last, self.model.state_dict(), now, inexact=inexact)
        step, self._last = self._last["global_step"] if self._last else None, None
        if not self.trainer.is_global_zero:
            return
        folder.lock()
        folder.refuse_other_state(self._found)
        if step is None and folder.has_run:
            advice = "; if this one is stopped, go on without RETRAIN" if self.config.fit.retrain else ""
            print(f"the earlier run is kept in {folder.set_aside()}{advice}")
            folder.lock()
        folder.clear()
        if step is not None:
            print(f"going on with the unfinished run in {folder.path}, after step {step}")

    def after_fit(self) -> None:
        """Scores the best checkpoint on the test set and writes results.json."""
        trainer, task = self.trainer, self.model
        if trainer.fast_dev_run or not trainer.state.finished:
            return
        commits = list(task.commits)  # the best checkpoint, which the test loads, may be of an earlier one
        effort = Effort(
            trainer.global_step, trainer.current_epoch, task.tokens_seen, round(task.seconds, 1), trainer.world_size
        )
        if not self.folder.best.is_file():
            raise UserError(f"{self.folder.path} has no best.ckpt: training ended before its first validation")
        best_step, val_nats_per_token = self.folder.best_step_and_loss()
        if not self.config.fit.score_test:
            if trainer.is_global_zero:
                print(f"{self.folder.best}: step {best_step}, {val_nats_per_token:.4f} nats per token on validation")
            return
        trainer.test(task, self.datamodule, ckpt_path=str(self.folder.best), verbose=False)
        if not trainer.is_global_zero:
            return
        results = run_results(
            task,
            self.datamodule,
            initial_weights_hash=self.initial_weights_hash,
            effort=effort,
            best_step=best_step,
            val_nats_per_token=val_nats_per_token,
            commits=commits,
            device=trainer.strategy.root_device,
        )
        write_translations(self.folder.translations, self.datamodule.corpus.test, task.scores["test"])
        log_hyperparameters(self._logger, self._settings(), results)
        write_json(self.folder.results_json, results)  # last: it marks the run as finished
        print(results_table([results]))


def main() -> None:
    # Lightning's advice is for data loaders and the like, which are not here (see TokenBudgetBatches).
    for logger in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    warnings.filterwarnings(
        "ignore",
        message=".*(is not resumable|LeafSpec|smaller than the logging interval|"
        "`training_step` returned `None`|You have overridden `transfer_batch_to_device`|"
        "AccumulateGrad node's stream).*",  # of several GPUs, where Lightning makes the model on another stream
    )
    # Nor its advice on several processes: what is logged is the same on all of them (see `ScoredTask._gather`).
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    with exit_on_error():
        limit_threads()
        if SLURMEnvironment.detect():  # it sends SIGTERM before it requeues a job: Lightning's to handle
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            TranslationCLI()
        except (UserError, MisconfigurationException, OSError) as error:
            advice = ""
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                advice = "; free some space and run the same command, which goes on from the last checkpoint"
            who = f"process {rank_zero_only.rank}: " if rank_zero_only.rank else ""
            raise UserError(f"{who}{error}{advice}") from error
        except SIGTERMException:  # Lightning's own exit status for it is 0, as if all were done
            sys.exit(128 + signal.SIGTERM)
        except SystemExit as error:  # Lightning's way on Ctrl-C, with status 1 and a word that is not shown
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            anew = any(argument.startswith("--retrain") for argument in sys.argv)
            print(f"stopped; the same command{' without RETRAIN' if anew else ''} goes on", file=sys.stderr)
            sys.exit(130)


if __name__ == "__main__":
    main()
