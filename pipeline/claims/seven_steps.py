"""What C8 measures: the seven steps themselves, random scores, copying with other scales, real heads.

The criterion, and what is held equal, stand in `c8_seven_steps`.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.claims.training import Training, forced_nats, train
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import copying, translation
from pipeline.data.tokenizer import PAD
from pipeline.models import TransformerSeq2Seq
from pipeline.models.attention import MultiHeadAttention

WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # d_k, for independent q and k
WIDE = 256  # the d_k at which the scale is judged
KEYS = 16  # that one softmax is over
SYMBOLS, LONGEST_COPIED = 20, 10


def seven_steps(embedded: Tensor, to_query: Tensor, to_key: Tensor, to_value: Tensor) -> dict[str, Tensor]:
    """The article's steps 2 to 7 on `embedded` (len, d_model), which is step 1; maps are (d_model, d_k)."""
    query, key, value = embedded @ to_query, embedded @ to_key, embedded @ to_value  # 2
    scores = torch.stack([torch.stack([query_i.dot(key_j) for key_j in key]) for query_i in query])  # 3
    scaled = scores / math.sqrt(key.size(1))  # 4
    weights = scaled.exp() / scaled.exp().sum(1, keepdim=True)  # 5
    products = weights.unsqueeze(2) * value.unsqueeze(0)  # 6: (len, len, d_k), word j as word i sees it
    output = products.sum(1)  # 7
    names = ("query", "key", "value", "scores", "scaled", "weights", "products", "output")
    values = (query, key, value, scores, scaled, weights, products, output)
    return dict(zip(names, values, strict=True))


def order_run() -> dict[str, Any]:
    """The steps against two libraries, the steps in a wrong order, and a small example to be checked by hand."""
    generator = torch.Generator().manual_seed(0)
    embedded = torch.randn(9, 16, generator=generator, dtype=torch.float64)
    maps = [torch.randn(16, 16, generator=generator, dtype=torch.float64) / 4 for _ in range(3)]
    steps = seven_steps(embedded, *maps)
    torchs = F.scaled_dot_product_attention(*(steps[name].unsqueeze(0) for name in ("query", "key", "value")))[0]
    ours = MultiHeadAttention(16, 1).double()
    with torch.no_grad():
        for linear, weights in zip((ours.query, ours.key, ours.value), maps, strict=True):
            linear.weight.copy_(weights.T)
        ours.output.weight.copy_(torch.eye(16))
        batched = embedded.unsqueeze(0)
        of_project = ours(batched, ours.keys_values(batched)).context[0]
    softmax_first = (steps["scores"].softmax(1) / math.sqrt(16)) @ steps["value"]  # 3, 5, 4, 6, 7

    # Numbers of one decimal place and d_k = 4, so that step 4 halves.
    example = [torch.randn(3, 4, generator=generator), *(torch.randn(4, 4, generator=generator) / 2 for _ in range(3))]
    example = [(10 * numbers).round() / 10 for numbers in example]
    worked = {"embedded": example[0], **seven_steps(*example)}
    return {
        "error": max((steps["output"] - other).abs().max().item() for other in (torchs, of_project)),
        "swapped": (softmax_first - steps["output"]).abs().max().item(),
        "worked": {name: value.tolist() for name, value in worked.items()},
    }


def independent_run(draws: int, seed: int) -> dict[str, Any]:
    """Scores of independent q and k, with and without the scale; each value is one per width of `WIDTHS`."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list[float]] = {"std": [], "scaled_std": []}
    for d_k in WIDTHS:
        query = torch.randn(draws // KEYS, 1, d_k, generator=generator)
        key = torch.randn(draws // KEYS, KEYS, d_k, generator=generator)
        scores = (query * key).sum(2)  # (queries, keys)
        found["std"].append(scores.std().item())
        found["scaled_std"].append((scores / math.sqrt(d_k)).std().item())
        for name, values in (("", scores), ("scaled_", scores / math.sqrt(d_k))):
            for measure, value in saturation(values.softmax(1)).items():
                found.setdefault(name + measure, []).append(value)
    return found


def saturation(weights: Tensor) -> dict[str, float]:
    """Of softmax weights p (queries, keys), the mean entropy in nats, largest weight, and norm of the Jacobian
    diag(p) − p pᵀ, whose square is Σp² − 2 Σp³ + (Σp²)²."""
    squares, cubes = weights.square().sum(1), weights.pow(3).sum(1)
    return {
        "entropy": torch.special.entr(weights).sum(1).mean().item(),
        "largest": weights.amax(1).mean().item(),
        "jacobian": (squares - 2 * cubes + squares.square()).clamp(min=0).sqrt().mean().item(),
    }


def set_width_and_scale(network: TransformerSeq2Seq, d_k: int, scale: str) -> None:
    """Gives every attention Q and K of `d_k`, whose components start with variance 1, and its scale; V stays."""
    attentions = [layer.attention for layer in network.encoder]
    attentions += [part for layer in network.decoder for part in (layer.self_attention, layer.cross_attention)]
    for attention in attentions:
        d_model = attention.query.in_features
        attention.query, attention.key = (nn.Linear(d_model, d_k, bias=False) for _ in range(2))
        for linear in (attention.query, attention.key):
            nn.init.normal_(linear.weight, std=1 / math.sqrt(d_model))
        attention.scale = {"none": 1.0, "1/√d_k": 1 / math.sqrt(d_k), "1/d_k": 1 / d_k}[scale]


def copy_run(scale: str, d_k: int, d_model: int, steps: int, pairs: int, seed: int) -> dict[str, Any]:
    """Trains to copy; nats per token of each test pair (the page takes their mean over pairs, short ones and long ones
    alike), and of the batches in training."""
    torch.manual_seed(seed)
    vocab_size = copying.vocab_size(SYMBOLS)
    network = TransformerSeq2Seq(vocab_size, "all", d_model, 2 * d_model, num_heads=1, num_layers=1, dropout=0.0)
    set_width_and_scale(network, d_k, scale)

    def draw_pair(rng: np.random.Generator) -> EncodedPair:
        return copying.draw(rng, int(rng.integers(1, LONGEST_COPIED + 1)), SYMBOLS)

    history = train(network, draw_pair, Training(steps), seed)
    rng = np.random.default_rng(0)
    batch = make_batch([draw_pair(rng) for _ in range(pairs)])
    lengths = (batch.tgt_out != PAD).sum(1)
    smooth = [float(np.mean(part)) for part in np.array_split(history, max(1, steps // 10))]
    return {"nats": (forced_nats(network, batch).sum(1) / lengths).tolist(), "history": smooth}


def heads_run(d_model: int, steps: int, longest: int, sentences: int, seed: int) -> dict[str, Any]:
    """Trains a Transformer on sentences of the toy grammar; what its heads do before and after.

    Returns:
        `untrained`, `trained`: the standard deviation of the scaled scores in each head of the encoder, layer by layer.
        `smallest`: the smallest weight of a real word in trained self-attention. `linked`: of each sentence, the number
        of target words with a sure link. `outside`: the weight that these have on source words without a link to them,
        added up, in each head of cross-attention, (sentences, heads).
    """
    words = translation.vocabulary(longest)
    tests = translation.test_sentences(sentences, longest, words)
    kept_apart = {pair.src for pair in tests}
    torch.manual_seed(seed)
    network = TransformerSeq2Seq(words.size, "all", d_model, 2 * d_model, dropout=0.0).eval()
    batch = make_batch([words.encode(pair) for pair in tests])
    untrained = head_deviations(network, batch.src, batch.src_mask)
    train(network, lambda rng: words.encode(translation.unseen(rng, longest, kept_apart)), Training(steps), seed)
    with torch.no_grad():
        maps = network.attention_maps(batch.src, batch.src_mask, batch.tgt_in)
    real = (batch.src_mask.unsqueeze(1) & batch.src_mask.unsqueeze(2)).unsqueeze(1)
    smallest = min(m.weights.masked_select(real.expand_as(m.weights)).min().item() for m in maps if m.kind == "encoder")
    cross = torch.cat([m.weights for m in maps if m.kind == "cross"], dim=1)  # (batch, heads of all layers, tgt, src)
    outside, num_linked = [], []
    for weights, pair in zip(cross, tests, strict=True):
        of_pair = torch.zeros(len(weights))
        sure = {link.tgt for link in pair.links if link.is_sure}
        for tgt in sorted(sure):
            linked = sorted({link.src for link in pair.links if link.tgt == tgt})  # possible ones are related too
            of_pair += 1 - weights[:, tgt, linked].sum(1)
        outside.append(of_pair.tolist())
        num_linked.append(len(sure))
    return {
        "untrained": untrained,
        "trained": head_deviations(network, batch.src, batch.src_mask),
        "smallest": smallest,
        "outside": outside,
        "linked": num_linked,
    }


@torch.no_grad()
def head_deviations(network: TransformerSeq2Seq, src: Tensor, src_mask: Tensor) -> list[float]:
    """The standard deviation of q · k / √d_k among the words that one word reads, in each head, layer by layer.

    About their mean: what all scores of a word have in common changes no weight. Over real words.
    """
    states = network.embed_source(src)
    real = (src_mask.unsqueeze(1) & src_mask.unsqueeze(2)).unsqueeze(1)  # (batch, 1, src_len, src_len)
    num_keys = real.sum(3, keepdim=True)
    found = []
    for layer in network.encoder:
        normed = layer.attention_norm(states)
        key = layer.attention.keys_values(normed).key
        query = layer.attention.query(normed).unflatten(-1, (key.size(1), -1)).transpose(1, 2)
        scores = query @ key.transpose(2, 3) * layer.attention.scale  # (batch, num_heads, src_len, src_len)
        scores = scores.masked_fill(~real, 0)
        off_mean = (scores - scores.sum(3, keepdim=True) / num_keys.clamp(min=1)).masked_fill(~real, 0)
        degrees = (num_keys - 1).clamp(min=0).sum()
        found += (off_mean.square().sum((0, 2, 3)) / degrees).sqrt().tolist()
        states, _ = layer(states, src_mask[:, None, None, :])
    return found
