"""Run folders of untrained little models, as training would leave them: enough for every script that reads runs."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter

from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.loading import load_corpus
from pipeline.data.tokenizer import Tokenizer
from pipeline.metrics import SentenceScore
from pipeline.models import GRUSeq2Seq, TransformerSeq2Seq
from pipeline.translations import write_translations

VOCAB_SIZE = 500
MODELS = {
    "gru": (GRUSeq2Seq, {"memory": "last", "d_embed": 6, "d_model": 8}),
    "gru_attention": (GRUSeq2Seq, {"memory": "all", "d_embed": 6, "d_model": 8}),
    "transformer": (TransformerSeq2Seq, {"d_model": 8, "d_ff": 12, "num_heads": 2}),
}
# Of `checkpoint`.
SENTENCES = ["the dog sleeps .", "der Hund schläft ."]
SIZES = {"vocab_size": 320, "d_model": 8, "d_ff": 10, "num_heads": 2}


def checkpoint(**changes) -> dict:
    """What a checkpoint of a Transformer holds, with random weights, and with `changes`."""
    torch.manual_seed(0)
    network = TransformerSeq2Seq(**SIZES)
    content = {
        "hyper_parameters": {
            "name": "mine",
            "network": {"class_path": "pipeline.models.TransformerSeq2Seq", "init_args": SIZES},
        },
        "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
        "TranslationData": {
            "tokenizer": Tokenizer.train(SENTENCES, 320).proto,
            "src": "en",
            "tgt": "de",
            "content_hash": "0",
        },
    }
    return content | changes


def write_text_corpus(folder: Path) -> list[SentencePair]:
    """A corpus of the toy grammar as text files; returns its test pairs, with links."""
    grammar = ToyGrammar(seed=5)
    folder.mkdir(parents=True)
    for split, size in (("train", 40), ("val", 5), ("test", 9)):
        pairs = [grammar.sentence(1, 0.3) for _ in range(size)]
        for side in ("src", "tgt"):
            language = {"src": "en", "tgt": "de"}[side]
            text = "".join(f"{getattr(pair, side)}\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return pairs


def write_run(runs: Path, corpus: Path, model: str, seed: int = 1, **other_sizes: int) -> Path:
    """A run folder with a checkpoint of random weights; returns it."""
    loaded = load_corpus(str(corpus), "en", "de", runs / "cache")
    text = tuple(sentence for pair in loaded.train for sentence in (pair.src, pair.tgt))
    network_class, sizes = MODELS[model]
    init_args = {"vocab_size": VOCAB_SIZE, **sizes, **other_sizes}
    torch.manual_seed(seed)
    network = network_class(**init_args)
    folder = runs / corpus.name / model / f"seed{seed}"
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(
        {
            "hyper_parameters": {
                "name": model,
                "network": {"class_path": f"pipeline.models.{network_class.__name__}", "init_args": init_args},
            },
            "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
            "TranslationData": {
                "tokenizer": _tokenizer_of(text),
                "src": "en",
                "tgt": "de",
                "content_hash": loaded.content_hash(),
            },
        },
        folder / "checkpoints" / "best.ckpt",
    )
    data = {"corpus": str(corpus), "src": "en", "tgt": "de", "cache_dir": str(runs / "cache"), "revision": None}
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": seed, "data": data}), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps({"model": model}), encoding="utf-8")
    return folder


@cache
def _tokenizer_of(text: tuple[str, ...]) -> bytes:
    """Most runs of the tests are of one text."""
    return Tokenizer.train(text, VOCAB_SIZE).proto


def finish_run(folder: Path, pairs: Sequence[SentencePair]) -> None:
    """Adds to a folder of `write_run` what a training leaves at its end: curves, translations, scores, settings."""
    model, seed = folder.parent.name, int(folder.name.removeprefix("seed"))
    with SummaryWriter(str(folder)) as writer:
        for step in (10, 20, 30):
            writer.add_scalar("loss/train", 5 / step, step)
        writer.add_scalar("loss/val", 0.4, 30)
    scores = [SentenceScore(index, 1.5, 3, 2, f"Versuch {index} .") for index in range(len(pairs))]
    write_translations(folder / "translations.jsonl", pairs, scores)
    bands = [{"low": 1, "high": 10, "n": 4, "nats_per_token": 0.5, "exact_match": 0.75, "bleu": 80.0}]
    bands += [{"low": 11, "high": 20, "n": 5, "nats_per_token": 0.75, "exact_match": 0.5, "bleu": 60.0}]
    results = {
        "model": model,
        "seed": seed,
        "corpus": {"name": "little", "source": "a test", "is_synthetic": True, "content_hash": "c0ffee" * 4},
        "parameters": 1234,
        "steps": 30,
        "target_tokens_seen": 5000,
        "seconds": 60,
        "nats_per_token": {"train": 0.1, "val": 0.2, "test": 0.25},
        "test": {
            "bleu": 70.25,
            "chrf": 81.5,
            "exact_match": 0.6,
            "token_accuracy_teacher_forced": 0.9,
            "by_source_length": bands,
        },
        "initial_weights_hash": "ab" * 8,
        "batch_order_hash": "cd" * 8,
        "command": "python -m scripts.train fit",
        "date": "2020-02-29",
        "commit": None,
        "versions": {"python": "3"},
        "hardware": {"gpu": None, "processor": "a processor", "threads": 1},
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    network_class, sizes = MODELS[model]
    network = {"class_path": f"pipeline.models.{network_class.__name__}", "init_args": sizes}
    text = yaml.safe_dump({**config, "model": {"name": model, "lr": 0.01, "network": network}})
    (folder / "config.yaml").write_text(text, encoding="utf-8")
