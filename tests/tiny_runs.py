"""Run folders of untrained little models, as training would leave them: enough for every script that reads runs."""

import json
from pathlib import Path

import torch
import yaml

from pipeline.data.corpus import SentencePair
from pipeline.data.grammar import ToyGrammar
from pipeline.data.loading import load_corpus
from pipeline.data.tokenizer import Tokenizer
from pipeline.models import GRUSeq2Seq, TransformerSeq2Seq

VOCAB_SIZE = 500
MODELS = {
    "gru": (GRUSeq2Seq, {"memory": "last", "d_embed": 6, "d_model": 8}),
    "gru_attention": (GRUSeq2Seq, {"memory": "all", "d_embed": 6, "d_model": 8}),
    "transformer": (TransformerSeq2Seq, {"d_model": 8, "d_ff": 12, "num_heads": 2}),
}


def write_corpus(folder: Path) -> list[SentencePair]:
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


def write_run(runs: Path, corpus: Path, model: str, seed: int = 1) -> Path:
    """A run folder with a checkpoint of random weights; returns it."""
    loaded = load_corpus(str(corpus), "en", "de", runs / "cache")
    text = [sentence for pair in loaded.train for sentence in (pair.src, pair.tgt)]
    network_class, sizes = MODELS[model]
    init_args = {"vocab_size": VOCAB_SIZE, **sizes}
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
                "tokenizer": Tokenizer.train(text, VOCAB_SIZE).proto,
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
