"""What TensorBoard shows beside the curves: alignment maps through training, and sample translations."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger

from pipeline.data.batching import encode_pairs
from pipeline.plots import alignment_figure, heads_figure, model_label
from pipeline.sentence_maps import drawn_map, shown_sentences
from pipeline.word_maps import mean_cross_map, word_maps

NUM_SAMPLES = 10  # translations in the table
# The validations, from 1, whose maps are drawn: these and every so many.
DRAWN_VALIDATIONS = (1, 2, 4, 8)
DRAWN_VALIDATIONS_APART = 10


class AlignmentMaps(Callback):
    """Draws the alignment of a few fixed validation sentences, at some of the validations (`DRAWN_VALIDATIONS`).

    Rows are the words of the reference (teacher-forced), so that the maps of all steps and models have the same axes.
    """

    def __init__(self) -> None:
        self.num_validations = 0

    def state_dict(self) -> dict[str, Any]:
        return {"num_validations": self.num_validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.num_validations = state_dict["num_validations"]

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.num_validations += 1
        if self.num_validations in DRAWN_VALIDATIONS or self.num_validations % DRAWN_VALIDATIONS_APART == 0:
            self._draw(trainer, module, f"step {trainer.global_step}", all_heads=False)

    def on_test_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The best checkpoint's maps, with every head."""
        self._draw(trainer, module, "best checkpoint", all_heads=True)

    def _draw(self, trainer: pl.Trainer, module: pl.LightningModule, when: str, *, all_heads: bool) -> None:
        """Maps of the shown sentences; every head of the first one, or with `all_heads` of all of them."""
        writer = tensorboard_writer(trainer)
        if writer is None:
            return
        network, tokenizer = module.network, trainer.datamodule.tokenizer
        was_training = network.training
        network.eval()
        shown = encode_pairs(shown_sentences(trainer.datamodule.corpus.val), tokenizer)
        for number, pair in enumerate(shown, 1):
            maps = word_maps(network, tokenizer, pair)
            title = f"{model_label(module.name)}, {when}"
            figure = alignment_figure([drawn_map(title, mean_cross_map(maps))])
            writer.add_figure(f"alignment/{number}", figure, trainer.global_step)
            if not all_heads and number > 1:
                continue
            for kind, tag in (("cross", "cross_attention"), ("encoder", "self_attention")):
                of_kind = [m for m in maps if m.kind == kind]
                # A cross-attention of one layer and head is the map above.
                if of_kind and (kind == "encoder" or sum(len(m.weights) for m in of_kind) > 1):
                    figure = heads_figure(
                        [(m.name, m.weights) for m in of_kind], of_kind[0].keys, of_kind[0].queries, title
                    )
                    writer.add_figure(f"{tag}/{number}", figure, trainer.global_step)
        network.train(was_training)


class SampleTranslations(Callback):
    """A table of source, reference and translation of a few validation sentences, at every validation."""

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        writer = tensorboard_writer(trainer)
        if writer is None:
            return
        pairs = trainer.datamodule.corpus.val
        rows = ["| source | reference | translation |", "|---|---|---|"]
        for score in module.scores["val"][:NUM_SAMPLES]:
            pair = pairs[score.index]
            rows.append("| " + " | ".join(_cell(text) for text in (pair.src, pair.tgt, score.hypothesis)) + " |")
        writer.add_text("samples", "\n".join(rows), trainer.global_step)


def tensorboard_writer(trainer: pl.Trainer):
    """The TensorBoard writer of this process; None where another process writes, or no logger is used."""
    if trainer.is_global_zero and isinstance(trainer.logger, TensorBoardLogger):
        return trainer.logger.experiment
    return None


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
