"""A trained model from its checkpoint alone: the weights, the model's settings and the tokenizer are all in there."""

import importlib
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline import models
from pipeline.alignment import merge_to_words
from pipeline.data.batching import Batch, EncodedPair, make_batch
from pipeline.data.tokenizer import EOS, Tokenizer
from pipeline.errors import UserError
from pipeline.models import Seq2Seq
from pipeline.scoring import translate_batch


class WordMap(NamedTuple):
    """A map of words: `weights` (heads, queries, keys), and what stands on its axes."""

    name: str
    kind: str
    weights: np.ndarray
    queries: list[str]
    keys: list[str]


class Translator:
    """A model and its tokenizer, in evaluation mode.

    Attributes:
        network: The model.
        tokenizer: Its tokenizer.
        name: What its run folder is called.
    """

    def __init__(self, network: Seq2Seq, tokenizer: Tokenizer, name: str) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.name = name

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "Translator":
        """Reads a checkpoint as data: nothing in it is executed.

        Raises:
            UserError: There is no such file, or it is not a checkpoint of this project.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no checkpoint {path}; train a model first: make train")
        try:
            checkpoint = torch.load(path, map_location=device, weights_only=True)
            settings = checkpoint["hyper_parameters"]
            network = _build_network(settings["network"]["class_path"], settings["network"]["init_args"])
            prefix = "network."
            weights = {name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items()}
            network.load_state_dict(weights)
            tokenizer = Tokenizer(checkpoint["TranslationData"]["tokenizer"])
        except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path} is not a checkpoint of this project: {reason}") from error
        return cls(network.to(device), tokenizer, settings["name"])

    def translate(self, sentences: list[str]) -> list[str]:
        """Greedy translations, in order."""
        batch = _batch_of(self.tokenizer, sentences, [""] * len(sentences))
        device = next(self.network.parameters()).device
        found = translate_batch(self.network, batch.src.to(device), batch.src_mask.to(device), self.tokenizer)
        return self.tokenizer.decode(found.ids.tolist())

    @torch.inference_mode()
    def word_maps(self, src: str, tgt: str) -> list[WordMap]:
        """All attention weights for a source and a target (teacher-forced), pieces merged to words."""
        return word_maps(self.network, self.tokenizer, src, tgt)


@torch.inference_mode()
def word_maps(network: Seq2Seq, tokenizer: Tokenizer, src: str, tgt: str) -> list[WordMap]:
    """All attention weights of a network in evaluation mode for one sentence pair, pieces merged to words.

    Row t of a cross-attention map is the step that predicts word t of the target; the last row predicts its end.
    """
    device = next(network.parameters()).device
    batch = _batch_of(tokenizer, [src], [tgt])
    src_words, src_word_of = tokenizer.words(batch.src[0].tolist())
    tgt_words, tgt_word_of = tokenizer.words(batch.tgt_out[0].tolist())
    maps = []
    for name, weights, kind in network.attention_maps(
        batch.src.to(device), batch.src_mask.to(device), batch.tgt_in.to(device)
    ):
        queries, query_word_of = (tgt_words, tgt_word_of) if kind == "cross" else (src_words, src_word_of)
        merged = np.stack(
            [merge_to_words(head, src_word_of, query_word_of) for head in weights[0].float().cpu().numpy()]
        )
        keys = src_words if weights.size(-1) > 1 or len(src_words) == 1 else ["one vector"]
        maps.append(WordMap(name, kind, merged, queries, keys))
    return maps


def mean_cross_map(maps: list[WordMap]) -> WordMap:
    """The mean over all layers and heads of the cross-attention: the map that every model has."""
    cross = [m for m in maps if m.kind == "cross"]
    weights = np.concatenate([m.weights for m in cross]).mean(0, keepdims=True)
    return cross[0]._replace(name="cross-attention, mean", weights=weights)


def _batch_of(tokenizer: Tokenizer, src: list[str], tgt: list[str]) -> Batch:
    pairs = zip(tokenizer.encode(src), tokenizer.encode(tgt), strict=True)
    encoded = [EncodedPair(torch.tensor([*s, EOS]), torch.tensor(t, dtype=torch.long)) for s, t in pairs]
    return make_batch(encoded, range(len(encoded)))


def _build_network(class_path: str, init_args: dict) -> Seq2Seq:
    """Only this project's own models: a checkpoint that somebody sent cannot name any other class."""
    module, _, name = class_path.rpartition(".")
    if module != models.__name__ and not module.startswith(f"{models.__name__}."):
        raise UserError(f"the checkpoint names {class_path}, which is none of this project's models")
    network_class = getattr(importlib.import_module(module), name, None)
    if not (isinstance(network_class, type) and issubclass(network_class, Seq2Seq)):
        raise UserError(f"the checkpoint names {class_path}, which is none of this project's models")
    return network_class(**init_args)
