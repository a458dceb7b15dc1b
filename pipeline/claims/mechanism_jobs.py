"""The measurements of C3: the mechanism by hand, with one part replaced, and against gold links.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.alignment import (
    Reading,
    WordLinks,
    best_single_links,
    count_links,
    diagonal_links,
    read_at,
    strongest_links,
)
from pipeline.claims.training import Training, forced_nats, train
from pipeline.data.batching import Batch, make_batch
from pipeline.data.corpus import SentencePair
from pipeline.data.probes.sentences import sentences
from pipeline.data.tokenizer import FIRST_PIECE, PAD
from pipeline.decoding import SearchLimits, greedy
from pipeline.metrics import sacrebleu_score
from pipeline.models import DecoderOutput, GRUSeq2Seq, Memory
from pipeline.scoring import symbols_of

# The values of `ablation`: what is replaced in a trained model.
ABLATIONS = ("none", "uniform", "shuffled", "argmax", "diagonal", "no C", "no H", "no Y")
OFFSETS = range(-2, 3)


class AblatedGRU(GRUSeq2Seq):
    """The mechanism, written out again, with one part replaced."""

    output_matrix = None  # no fast search, which drops sources on its way: what is shuffled depends on the row

    def __init__(self, ablation: str, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.ablation = ablation

    def decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: tuple[Tensor, int] | None = None,
        *,
        need_alignment: bool = False,
        need_logits: bool = True,
    ) -> DecoderOutput:
        batch, rows = len(memory.states), len(tgt)
        if rows > batch:  # in beam search: each target reads a copy of its source
            memory = memory.select(torch.arange(rows) // (rows // batch))
        start, step = (memory.summary, 0) if state is None else state
        vectors = self.embedding(tgt)
        if self.ablation == "no Y":
            vectors = torch.zeros_like(vectors)
        hidden, last = self.decoder(vectors, start.unsqueeze(0).contiguous())
        weights = replaced(self.attend(hidden, memory).weights, memory.mask, step, self.ablation)
        context = weights @ memory.states
        if self.ablation == "no C":
            context = torch.zeros_like(context)
        if self.ablation == "no H":
            hidden = torch.zeros_like(hidden)
        output = torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))
        logits = self.embedding.logits(output) if need_logits else None
        return DecoderOutput(logits, weights if need_alignment else None, (last.squeeze(0), step + tgt.size(1)))

    def reorder(self, state: tuple[Tensor, int], rows: Tensor, sources: Tensor | None = None) -> tuple[Tensor, int]:
        hidden, step = state
        return super().reorder(hidden, rows, sources), step


def replaced(weights: Tensor, mask: Tensor, step: int, ablation: str) -> Tensor:
    """Other weights in the place of `weights` (batch, tgt_len, src_len), whose rows predict words `step`, step + 1, …

    They sum to 1 over the real words of `mask` (batch, src_len), are 0 on padding, and do not depend on how many steps
    are taken in one call.
    """
    batch, tgt_len, src_len = weights.shape
    real = mask.unsqueeze(1).to(weights.dtype)
    if ablation == "uniform":
        return (real / real.sum(-1, keepdim=True)).expand_as(weights)
    if ablation == "shuffled":
        noise = torch.rand(SearchLimits().cap, batch, src_len, generator=torch.Generator().manual_seed(0))
        noise = noise[step : step + tgt_len].transpose(0, 1).masked_fill(~mask.unsqueeze(1), 2.0)
        return weights.gather(-1, noise.argsort(-1))  # real words change places, padding stays behind them
    if ablation == "argmax":
        return torch.zeros_like(weights).scatter(-1, weights.argmax(-1, keepdim=True), 1.0)
    if ablation == "diagonal":
        steps = torch.arange(step, step + tgt_len).expand(batch, -1)
        place = torch.minimum(steps, mask.sum(1, keepdim=True) - 1)
        return torch.zeros_like(weights).scatter(-1, place.unsqueeze(-1), 1.0)
    return weights


def exactness() -> dict[str, float]:
    """Largest deviations of the model from the formulas, on fixed tensors in float64: sources of 7, 4 and 1 words."""
    torch.manual_seed(0)
    network = GRUSeq2Seq(11, "all", d_embed=5, d_model=8, dropout=0.0).double().eval()
    src, tgt = torch.randint(FIRST_PIECE, 11, (3, 7)), torch.randint(FIRST_PIECE, 11, (3, 5))
    src_mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    src = src.where(src_mask, PAD)
    with torch.no_grad():
        memory = network.encode(src, src_mask)
        hidden, _ = network.decoder(network.embedding(tgt), memory.summary.unsqueeze(0))
        output, context = network.decode(tgt, memory, need_alignment=True), network.attend(hidden, memory).context
        alignment, logits = output.alignment, output.logits
        order = torch.randperm(7)
        moved = network.decode(tgt, Memory(memory.states[:, order], memory.mask[:, order], memory.summary)).logits
        state, one_by_one = None, []
        for step in range(5):
            one = network.decode(tgt[:, step : step + 1], memory, state)
            state = one.state
            one_by_one.append(one.logits)
    by_hand = mechanism(memory.states, src_mask, hidden, network.combine.weight, network.embedding.weight)
    furthest = lambda ours, theirs: float((ours - torch.as_tensor(theirs, dtype=torch.float64)).abs().max())  # noqa: E731
    return {
        "A": furthest(alignment, by_hand["A"]),
        "C": furthest(context, by_hand["C"]),
        "Y": furthest(logits, by_hand["Y"]),
        "row sums": furthest(alignment.sum(-1), 1.0),
        "padding": float(alignment.masked_fill(src_mask.unsqueeze(1), 0.0).abs().max()),
        "order of HS": furthest(moved, logits),
        "one by one": furthest(torch.cat(one_by_one, dim=1), logits),
    }


def mechanism(states: Tensor, mask: Tensor, hidden: Tensor, w_c: Tensor, w_s: Tensor) -> dict[str, list]:
    """A, C and Y from HS and H, number by number: no tensor operation, and nothing of the models' code."""
    found: dict[str, list] = {"A": [], "C": [], "Y": []}
    w_c, w_s = w_c.tolist(), w_s.tolist()
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731
    for hs, real, hs_len, h in zip(states.tolist(), mask.tolist(), mask.sum(1).tolist(), hidden.tolist(), strict=True):
        rows: dict[str, list] = {"A": [], "C": [], "Y": []}
        for h_t in h:
            powers = [math.exp(dot(h_t, hs[j])) for j in range(hs_len)]
            a = [powers[j] / sum(powers) if real[j] else 0.0 for j in range(len(hs))]
            c = [sum(a[j] * hs[j][d] for j in range(len(hs))) for d in range(len(h_t))]
            joined = [math.tanh(dot(row, c + h_t)) for row in w_c]
            for name, row in zip("ACY", (a, c, [dot(row, joined) for row in w_s]), strict=True):
                rows[name].append(row)
        for name in rows:
            found[name].append(rows[name])
    return found


def trained_run(
    encoder: str, d_model: int, steps: int, lr: float, num_train: int, num_test: int, longest: int, seed: int
) -> dict[str, Any]:
    """Trains one model and measures it with each part replaced, and its A against the gold links.

    Args:
        encoder: "one way" or "both ways".

    Returns:
        `tokens` of each test sentence; `replaced`: ablation → `nats` (teacher-forced, summed over each sentence's
        tokens) and `bleu` (sacreBLEU's counts of each greedy translation). `links`: "predicting", "input" and
        "untrained" (read where a word is predicted) → for each sentence phenomenon → `AlignmentCounts`. `offsets`:
        likewise → how often the strongest word is that far from the nearest sure link, from -2 to 2 (the rest further),
        of all target words with one.
        `example`: words, weights and gold of one sentence.
    """
    task = sentences(num_train, num_test, longest)
    direction = "both" if encoder == "both ways" else "forward"
    settings = {"d_embed": 64, "d_model": d_model, "direction": direction, "dropout": 0.0}
    torch.manual_seed(seed)
    network = GRUSeq2Seq(task.vocabulary.size, "all", **settings).eval()
    batch = make_batch([task.vocabulary.encode(pair) for pair in task.test])
    weights = {"untrained": _weights(network, batch)}
    train(network, task.drawer(), Training(steps, lr=lr), seed)
    weights["predicting"] = weights["input"] = _weights(network, batch)

    measured = {}
    symbols = symbols_of(task.vocabulary.size, task.vocabulary.size, batch.src.device)
    for ablation in ABLATIONS:
        ablated = AblatedGRU(ablation, task.vocabulary.size, "all", **settings).eval()
        ablated.load_state_dict(network.state_dict())
        found = greedy(ablated, batch.src, batch.src_mask, symbols)
        translations = [task.vocabulary.decode(ids) for ids in found.ids[:, 0].tolist()]
        measured[ablation] = {
            "nats": forced_nats(ablated, batch).sum(1).tolist(),
            "bleu": sacrebleu_score("bleu", translations, [pair.tgt for pair in task.test]).sums.tolist(),
        }
    read = {
        name: _read(maps, task.test, "input" if name == "input" else "predicting") for name, maps in weights.items()
    }
    links = {name: [strongest_links(a[:, :-1]) for a in maps] for name, maps in read.items()}
    shown = next((i for i, pair in enumerate(task.test) if _is_telling(pair)), 0)
    return {
        "tokens": [len(pair.tgt.split()) + 1 for pair in task.test],
        "replaced": measured,
        "links": {name: _counts(of_map, task.test) for name, of_map in links.items()},
        "offsets": {name: _offsets(of_map, task.test) for name, of_map in links.items()},
        "example": {
            "src": [*task.test[shown].src.split(), "EOS"],
            "tgt": task.test[shown].tgt.split(),
            "weights": read["predicting"][shown].tolist(),
            "gold": [list(link) for link in task.test[shown].links],
        },
    }


def baselines(num_train: int, num_test: int, longest: int) -> dict[str, Any]:
    """What can be had without a model, on the same sentences: `links` and `offsets` as in `trained_run`."""
    test = sentences(num_train, num_test, longest).test
    lengths = [(len(pair.src.split()), len(pair.tgt.split())) for pair in test]
    links = {
        "diagonal": [diagonal_links(*length) for length in lengths],
        "one link per word": [best_single_links(n, pair.links) for (_, n), pair in zip(lengths, test, strict=True)],
    }
    return {
        "links": {name: _counts(proposed, test) for name, proposed in links.items()},
        "offsets": {name: _offsets(proposed, test) for name, proposed in links.items()},
    }


@torch.no_grad()
def _weights(network: GRUSeq2Seq, batch: Batch) -> np.ndarray:
    """A of every sentence, teacher-forced: (batch, tgt_len, src_len)."""
    memory = network.encode(batch.src, batch.src_mask)
    return network.decode(batch.tgt_in, memory, need_alignment=True).alignment.numpy()


def _read(weights: np.ndarray, pairs: Sequence[SentencePair], reading: Reading) -> list[np.ndarray]:
    """(tgt_words, src_words + 1) of each sentence, the last column being EOS."""
    return [
        read_at(a[: len(pair.tgt.split()) + 1, : len(pair.src.split()) + 1], reading)
        for a, pair in zip(weights, pairs, strict=True)
    ]


def _is_telling(pair: SentencePair) -> bool:
    """Short, and with a verb that moves or splits."""
    return len(pair.src.split()) <= 8 and any(link.phenomenon in ("verb_final", "separable") for link in pair.links)


def _counts(links: Sequence[WordLinks], pairs: Sequence[SentencePair]) -> list[dict[str, list[float]]]:
    of_pairs = (count_links(proposed, pair.links) for proposed, pair in zip(links, pairs, strict=True))
    return [{phenomenon: list(counts) for phenomenon, counts in by_phenomenon.items()} for by_phenomenon in of_pairs]


def _offsets(links: Sequence[WordLinks], pairs: Sequence[SentencePair]) -> list[float]:
    found = []
    for proposed, pair in zip(links, pairs, strict=True):
        for src, tgt in proposed:
            gold = [src - link.src for link in pair.links if link.tgt == tgt and link.is_sure]
            found += [min(gold, key=abs)] if gold else []
    return [found.count(offset) / len(found) for offset in OFFSETS]
