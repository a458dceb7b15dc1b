"""A trained model from its checkpoint alone: the weights, the model's settings and the tokenizer are all in there."""

import bisect
import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline import models
from pipeline.checkpoint_file import checked_name, read_checkpoint, refuse_other_weights
from pipeline.data.batching import EncodedPair, encode_pairs, make_batch
from pipeline.data.corpus import SentencePair
from pipeline.data.tokenizer import EOS, PAD, Tokenizer
from pipeline.decoding import SearchLimits
from pipeline.errors import UserError
from pipeline.finished_runs import best_checkpoint
from pipeline.models import Seq2Seq
from pipeline.objective import token_nats
from pipeline.scoring import Search, search_batches, translate_batch
from pipeline.word_maps import WordMap, saliency_map, word_maps

# Ids of a source, beyond which search would stop before a translation of twice its length is done.
LONGEST_SOURCE = int((SearchLimits().cap - SearchLimits().extra) / SearchLimits().factor)


class Translation(NamedTuple):
    """One translation of one sentence.

    Attributes:
        text: What is read.
        src_ids: Ids of the source, EOS included.
        ids: Ids of the translation, EOS included where it was reached.
        log_prob: log p(translation | source) in nats, summed over `ids`.
        score: What search ranked it by: `log_prob` divided by the length penalty; `log_prob` where it was given.
        is_finished: False where the length limit came before the end of the sentence.
    """

    text: str
    src_ids: list[int]
    ids: list[int]
    log_prob: float
    score: float
    is_finished: bool


class Origin(NamedTuple):
    """What a model was built and trained from.

    Attributes:
        class_path: Of the network.
        init_args: Of the network.
        src: Source language.
        tgt: Target language.
        content_hash: SHA-256 of the training corpus, as `Corpus.content_hash` gives it.
    """

    class_path: str
    init_args: dict[str, Any]
    src: str
    tgt: str
    content_hash: str


class Translator:
    """A model and its tokenizer, in evaluation mode.

    Attributes:
        network: The model.
        tokenizer: Its tokenizer.
        name: What the model is called, as in configs/model.
        origin: What it was built and trained from.
    """

    def __init__(self, network: Seq2Seq, tokenizer: Tokenizer, name: str, origin: Origin) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.name = name
        self.origin = origin

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "Translator":
        """Reads a checkpoint, or the best one of a run folder, as data: nothing in it is executed.

        Raises:
            UserError: There is no such file, or it is not a checkpoint of this project.
        """
        path = best_checkpoint(Path(path)) if Path(path).is_dir() else Path(path)
        if not path.is_file():
            raise UserError(
                f"no checkpoint {path}; train a model first: make train. If its run is finished, copy its checkpoints "
                "too, or train it anew: RETRAIN=1"
            )
        checkpoint = read_checkpoint(path)
        settings, data = checkpoint["hyper_parameters"], checkpoint["TranslationData"]
        network = settings["network"]
        origin = Origin(network["class_path"], network["init_args"], data["src"], data["tgt"], data["content_hash"])
        weights = {name.removeprefix("network."): value for name, value in checkpoint["state_dict"].items()}
        try:
            with torch.device("meta"):  # sizes that somebody made up take no memory here
                expected = _build_network(origin).state_dict()
            refuse_other_weights(path, weights, expected)
            network = _build_network(origin)
            network.load_state_dict(weights)
        except UserError:
            raise
        except (RuntimeError, TypeError, ValueError, ArithmeticError, ImportError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path} does not make a model of {origin.class_path}: {reason}") from error
        if not all(value.isfinite().all() for value in weights.values()):
            raise UserError(
                f"{path} has weights that are no numbers: its training diverged; train again, say with less lr"
            )
        tokenizer = _tokenizer_of(data["tokenizer"], network.vocab_size, path)
        try:
            network = network.to(device)
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
            raise UserError(f"no model can be put on the device {device!r} here ({error}); take cpu") from error
        # On a GPU torch would round the products of GRUs, and of nothing else, to ten bits.
        torch.backends.cudnn.allow_tf32 = False
        return cls(network, tokenizer, checked_name(settings["name"], str(path)), origin)

    def untrained(self, seed: int) -> "Translator":
        """The same model with new random weights: what it does before it has learned anything."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _build_network(self.origin)
        return Translator(network.to(self.device), self.tokenizer, self.name, self.origin)

    def called(self, name: str) -> "Translator":
        """The same model, by another name."""
        return Translator(self.network, self.tokenizer, name, self.origin)

    def translate(self, sentences: Sequence[str], search: Search = Search()) -> list[list[Translation]]:
        """The `search.num_best` best translations of each sentence, best first; the order of sentences is kept.

        Sentences are translated sorted by length, as many at once as their tokens allow. A sentence may have fewer
        translations than asked for where there are no more.
        """
        sources = self.source_ids(sentences)
        pairs = [EncodedPair(torch.tensor(ids), torch.empty(0, dtype=torch.long)) for ids in sources]
        translations: list[list[Translation]] = [[] for _ in sentences]
        for batch in search_batches(pairs, search) if pairs else ():
            found = translate_batch(self.network, batch.on(self.device), self.tokenizer, search)
            rows = zip(batch.index.tolist(), *(values.tolist() for values in found), strict=True)
            for index, ids, *values in rows:
                found_here = zip(self.tokenizer.decode(ids), ids, *values, strict=True)
                translations[index] = [
                    Translation(text, sources[index], [i for i in row if i != PAD], log_prob, score, is_finished)
                    for text, row, log_prob, score, is_finished in found_here
                    if math.isfinite(log_prob)
                ]
        return translations

    def source_ids(self, sentences: Sequence[str]) -> list[list[int]]:
        """The ids that stand for each sentence, EOS included.

        Raises:
            UserError: One sentence is given where a list of them is expected, or it is not UTF-8.
        """
        if isinstance(sentences, str):  # a sequence too, of letters
            raise UserError(f"one sentence is given, {sentences[:60]!r}; give a list of sentences, as [sentence]")
        return [[*ids, EOS] for ids in self.tokenizer.encode(sentences)]

    def num_pieces(self, sentence: str) -> int:
        """How many ids stand for a source, EOS included."""
        return len(self.source_ids([sentence])[0])

    def has_text(self, sentence: str) -> bool:
        """Whether there is anything to translate: not only spaces and what the tokenizer takes for nothing."""
        return self.num_pieces(sentence) > 1

    def split(self, sentence: str, limit: int) -> list[str]:
        """The sentence in parts of at most `limit` ids each, cut after punctuation where there is some, else at spaces.

        Raises:
            UserError: One word alone is longer.
        """
        parts: list[str] = []
        rest = sentence.split()
        while rest:
            # The most words that fit: more words never have fewer ids, and hardly any word has none.
            near = range(1, min(len(rest), limit) + 1)
            count = bisect.bisect_right(near, limit, key=lambda n: self.num_pieces(" ".join(rest[:n])))
            if not count:
                raise UserError(f"the word {rest[0][:20]!r}… alone is longer than {limit} pieces")
            if count < len(rest):
                ends = [n for n in range(1, count + 1) if rest[n - 1][-1] in ".!?;:,"]
                count = ends[-1] if ends else count
            parts.append(" ".join(rest[:count]))
            rest = rest[count:]
        return parts

    def word_maps(self, src: str, tgt: str) -> list[WordMap]:
        """All attention weights for a source and a target (teacher-forced), pieces merged to words."""
        return word_maps(self.network, self.tokenizer, self._encoded(src, tgt))

    def word_maps_of(self, translation: Translation) -> list[WordMap]:
        """All attention weights of a translation, pieces merged to words: what each of its tokens was made from."""
        return word_maps(self.network, self.tokenizer, _pair_of(translation))

    def saliency_map(self, src: str, tgt: str) -> WordMap:
        """The saliency of a target (teacher-forced), pieces merged to words: a map that a model without attention has
        too."""
        return saliency_map(self.network, self.tokenizer, self._encoded(src, tgt))

    def saliency_map_of(self, translation: Translation) -> WordMap:
        """The same of a translation."""
        return saliency_map(self.network, self.tokenizer, _pair_of(translation))

    def forced(self, src: str, tgt: str) -> Translation:
        """A translation that is given instead of found, with the probability that the model gives it."""
        pair = self._encoded(src, tgt)
        batch = make_batch([pair]).on(self.device)
        with torch.inference_mode():
            logits = self.network(batch.src, batch.src_mask, batch.tgt_in)
        log_prob = -token_nats(logits, batch.tgt_out).sum().item()
        return Translation(tgt, pair.src.tolist(), [*pair.tgt.tolist(), EOS], log_prob, log_prob, True)

    def _encoded(self, src: str, tgt: str) -> EncodedPair:
        return encode_pairs([SentencePair(src, tgt)], self.tokenizer)[0]


def _pair_of(translation: Translation) -> EncodedPair:
    tgt = [i for i in translation.ids if i != EOS]
    return EncodedPair(torch.tensor(translation.src_ids), torch.tensor(tgt, dtype=torch.long))


def _tokenizer_of(proto: bytes, vocab_size: int, path: Path) -> Tokenizer:
    """The tokenizer in a checkpoint, if it is whole, has our special pieces and fits the model's vocabulary."""
    try:
        tokenizer = Tokenizer(proto)
        special = tokenizer.pieces(range(4)) if tokenizer.size >= 4 else []
    except (RuntimeError, ValueError) as error:
        raise UserError(f"the tokenizer in {path} is broken; take the file from a copy, or train anew") from error
    if special != ["<pad>", "<unk>", "<s>", "</s>"]:
        raise UserError(f"the tokenizer in {path} is none of this project: its first pieces are {special}")
    if tokenizer.size > vocab_size:
        raise UserError(
            f"the tokenizer in {path} has {tokenizer.size} pieces, but the model a vocabulary of {vocab_size}; "
            "they do not belong together"
        )
    return tokenizer


def is_in_models(class_path: str) -> bool:
    """Whether a class stands in pipeline/models. Of a checkpoint no other is made, so that one that somebody sent can
    name no other code."""
    return f"{class_path.rpartition('.')[0]}.".startswith(f"{models.__name__}.")


def _build_network(origin: Origin) -> Seq2Seq:
    module, _, name = origin.class_path.rpartition(".")
    network_class = getattr(importlib.import_module(module), name, None) if is_in_models(origin.class_path) else None
    if not (isinstance(network_class, type) and issubclass(network_class, Seq2Seq)):
        raise UserError(f"the checkpoint names {origin.class_path}, which is none of this project's models")
    return network_class(**origin.init_args)
