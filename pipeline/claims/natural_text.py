"""Natural text, for the claims that ask about it (C0, C1, C7): one training per model, measured by length.

A Multi30k folder is needed, which this project does not hold. Without one these measurements are not made, the verdict
is formed from the others, and says so.

Set-up: image captions, k of them joined (data/probes/concatenated.py), in at most `vocab_size` byte pairs. Trained on
k = 1, 2 and 3, mixed batch by batch, with as many sentences in every batch; tested on sentences of the test set joined
1 to 6 at a time, the same ones at every k but for what is left over. Above 3 is beyond training and decides nothing.
Held equal: batches, steps, learning rate, vocabulary, width of token vectors, and parameters within 5 % (asserted); the
GRUs of one direction have the same initial weights. Their token vectors start four times smaller than on probes, as in
the recipe for Multi30k, which spares them nats here too (results/LOG.md); a Transformer's start small by definition.
Small letters and no full stops, so scores are no published ones.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.claims.jobs import Job, job
from pipeline.claims.matched_models import causal_transformer, gru, num_parameters, transformer
from pipeline.claims.training import Training, forced_nats, train_on_batches
from pipeline.claims.variants import UniformGRU
from pipeline.data.batching import Batch, encode_pairs, make_batch
from pipeline.data.corpus import Corpus, SentencePair
from pipeline.data.loading import load_corpus
from pipeline.data.probes.concatenated import blocks_of, join, joined_blocks, plain
from pipeline.data.tokenizer import PAD, Tokenizer
from pipeline.decoding import greedy
from pipeline.errors import UserError
from pipeline.metrics import sacrebleu_score
from pipeline.models import GRUSeq2Seq, Seq2Seq
from pipeline.scoring import symbols_of

LONGEST_TRAINED = 3  # sentences joined
GRU_EMBEDDING_SCALE = 4.0  # that of configs/multi30k/
JOINED = (1, 2, 3, 4, 5, 6)
MODELS_OF = {
    "C0": ("last", "mean", "uniform", "all", "bigru", "transformer_mean", "transformer"),
    "C1": ("last", "mean", "uniform", "all"),
    "C7": ("all", "bigru", "causal", "transformer"),
}

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        **{"d_model": 96, "layers": 2, "heads": 4, "dropout": 0.0, "vocab_size": 2000},
        **{"sentences": 48, "steps": 1000, "lr": 3e-3, "blocks": 80},
        "seeds": (7, 8, 9),  # 1 and 2 were trials, 4 to 6 had 800 steps (results/LOG.md)
    },
    "full": {
        **{"d_model": 256, "layers": 2, "heads": 4, "dropout": 0.2, "vocab_size": 8000},
        **{"sentences": 96, "steps": 12_000, "lr": 1e-3, "blocks": 160, "seeds": (1, 2, 3, 4, 5)},
    },
}  # `sentences`: in each batch; `blocks`: of six test sentences


class Text(NamedTuple):
    """A corpus to measure on.

    Attributes:
        corpus: Where it lies, as `load_corpus` takes it.
        name: What it is called.
        content_hash: What is in it.
    """

    corpus: str
    name: str
    content_hash: str


def find_text(corpus: str, profile: str) -> Text:
    """The English–German corpus that a user names.

    Raises:
        UserError: There is none, it is generated, or its test set is too small.
    """
    if corpus == "toy":
        raise UserError("--text toy: that corpus is generated; give natural text, as a Multi30k folder is")
    found = _load(corpus)
    needed = len(JOINED) * PROFILES[profile]["blocks"]
    tests = plain(found.test)
    if len(tests) < needed:
        raise UserError(f"--text {corpus}: {len(tests)} test sentences with words; profile {profile} needs {needed}")
    return Text(corpus, found.name, found.content_hash())


def _load(corpus: str) -> Corpus:
    return load_corpus(corpus, "en", "de", Path("data/cache"))


def jobs(claim: str, profile: str, text: Text) -> list[Job]:
    """Every run that a claim needs."""
    return [run for runs in grid(claim, profile, text).values() for run in runs]


def grid(claim: str, profile: str, text: Text) -> dict[str, list[Job]]:
    """Model → one job per seed."""
    settings = {key: value for key, value in PROFILES[profile].items() if key != "seeds"}
    return {
        model: [
            job(text_run, content_hash=text.content_hash, model=model, seed=seed, **settings).at(corpus=text.corpus)
            for seed in PROFILES[profile]["seeds"]
        ]
        for model in MODELS_OF[claim]
    }


def network_of(model: str, vocab_size: int, d_model: int, layers: int, heads: int, dropout: float) -> Seq2Seq:
    """One of those in `MODELS_OF`, all of one size."""
    if model == "causal":
        return causal_transformer(vocab_size, d_model, heads, layers, dropout)
    if model in ("transformer", "transformer_mean"):
        memory = "all" if model == "transformer" else "mean"
        return transformer(vocab_size, d_model, heads, layers, dropout, memory)
    network_class = UniformGRU if model == "uniform" else GRUSeq2Seq
    handover = "all" if model in ("uniform", "bigru") else model
    return gru(
        vocab_size,
        handover,
        bidirectional=model == "bigru",
        d_embed=d_model,
        layers=layers,
        dropout=dropout,
        network_class=network_class,
        embedding_scale=GRU_EMBEDDING_SCALE,
    )


def text_run(
    corpus: str,
    content_hash: str,
    model: str,
    d_model: int,
    layers: int,
    heads: int,
    dropout: float,
    vocab_size: int,
    sentences: int,
    steps: int,
    lr: float,
    blocks: int,
    seed: int,
) -> dict[str, Any]:
    """Trains one model; what it makes of blocks of six test sentences, joined k at a time. No text is kept.

    Returns:
        `nats`, `tokens`: k → of each block, teacher-forced. `bleu`: k → sacreBLEU's counts of each block's greedy
        translations. `parameters`: without token vectors. `history`: nats per token of training, each tenth's mean.
    """
    found = _load(corpus)
    if found.content_hash() != content_hash:
        raise UserError(f"{found.name} has changed since this call began; begin again")
    train, tests = plain(found.train), blocks_of(plain(found.test), len(JOINED), blocks)
    tokenizer = Tokenizer.train((side for pair in train for side in (pair.src, pair.tgt)), vocab_size)
    torch.manual_seed(seed)
    network = network_of(model, tokenizer.size, d_model, layers, heads, dropout)

    def draw_batch(rng: np.random.Generator) -> Batch:
        k = int(rng.integers(1, LONGEST_TRAINED + 1))
        rows = rng.integers(len(train), size=(sentences // k, k))
        return make_batch(encode_pairs([join([train[place] for place in row], rng) for row in rows], tokenizer))

    history = train_on_batches(network, draw_batch, Training(steps, lr=lr), seed)
    result: dict[str, Any] = {"nats": {}, "tokens": {}, "bleu": {}, "parameters": num_parameters(network)}
    for k in JOINED:
        pairs = [pair for block in joined_blocks(tests, k) for pair in block]
        for name, of_pairs in _measure(network, pairs, tokenizer).items():
            of_blocks = of_pairs.reshape(blocks, len(JOINED) // k, *of_pairs.shape[1:]).sum(1)
            result[name][str(k)] = of_blocks.tolist()
    return {**result, "history": [float(np.mean(part)) for part in np.array_split(history, 10) if len(part)]}


def _measure(network: Seq2Seq, pairs: list[SentencePair], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Nats, tokens and BLEU's counts of each pair, (pairs,) or (pairs, counts)."""
    batch = make_batch(encode_pairs(pairs, tokenizer))
    symbols = symbols_of(tokenizer.size, network.vocab_size, batch.src.device)
    found = greedy(network, batch.src, batch.src_mask, symbols)
    translations = tokenizer.decode(found.ids[:, 0].tolist())
    return {
        "nats": forced_nats(network, batch).sum(1).double().numpy(),
        "tokens": (batch.tgt_out != PAD).sum(1).numpy(),
        "bleu": sacrebleu_score("bleu", translations, [pair.tgt for pair in pairs]).sums,
    }
