"""What is measured of a model while it is trained and at the end: its loss on held-out text, and its translations."""

import pytorch_lightning as pl
import torch

from pipeline.data.batching import Batch
from pipeline.fast.modules import use_fast_modules
from pipeline.metrics import SentenceScore, corpus_score, teacher_forced
from pipeline.models import Seq2Seq
from pipeline.scoring import GREEDY, score_batch

VALIDATION_SCORES = ("loss/val", "perplexity/val", "accuracy/val", "bleu/val")


class ScoredTask(pl.LightningModule):
    """Lightning's validation and test of any `Seq2Seq`: teacher-forced nats, and BLEU of greedy search.
    `TranslationTask` (pipeline/task.py) adds the training.

    Args:
        network: The model.
        name: What the model's run folder is called.
        fast: Take the fast paths of `pipeline.fast`.

    Attributes:
        scores: Of the validation or test that ran last: the scores of each of its splits.
    """

    def __init__(self, network: Seq2Seq, name: str, fast: bool) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.fast = fast
        if fast:
            use_fast_modules(network)
        self.scores: dict[str, list[SentenceScore]] = {}

    def on_validation_epoch_start(self) -> None:
        self.scores = {"val": []}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.scores["val"] += self._score(batch, with_translation=True)

    def on_validation_epoch_end(self) -> None:
        scores = self._gather("val")
        forced = teacher_forced(scores)
        pairs = self.trainer.datamodule.corpus.val
        bleu = corpus_score("bleu", [s.hypothesis for s in scores], [pairs[s.index].tgt for s in scores])
        values = (*forced, bleu)
        scalars = dict(zip(VALIDATION_SCORES, values, strict=True))
        # For the callbacks that watch a value; the logger gets it under the same name, with our step.
        self.log_dict(scalars, logger=False)
        self._log(scalars)

    def on_test_epoch_start(self) -> None:
        self.scores = {"test": [], "train": []}

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        split = ("test", "train")[dataloader_idx]
        self.scores[split] += self._score(batch, with_translation=split == "test")

    def on_test_epoch_end(self) -> None:
        for split in self.scores:
            self._gather(split)

    def _score(self, batch: Batch, *, with_translation: bool) -> list[SentenceScore]:
        search = GREEDY._replace(fast=self.fast) if with_translation else None
        return score_batch(self.network, batch, self.trainer.datamodule.tokenizer, search)

    def _gather(self, split: str) -> list[SentenceScore]:
        """The scores of all processes, each sentence once, in the order of the split; kept in `scores` on each."""
        scores = self.scores[split]
        if self.trainer.world_size > 1:
            parts: list[list[SentenceScore]] = [[]] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, scores)
            scores = [score for part in parts for score in part]
        self.scores[split] = [score for _, score in sorted({s.index: s for s in scores}.items())]
        return self.scores[split]

    def _log(self, scalars: dict[str, float]) -> None:
        if self.logger is not None:
            self.logger.log_metrics(scalars, step=self.global_step)
