"""The measurements of C4: what Q, K and V of every attention depend on, and what it costs to make them one vector.

They stand apart from the page so that neither file is long; the page has the claim and the criterion.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.claims.training import Training, forced_nats, train
from pipeline.data.batching import make_batch
from pipeline.data.probes.sentences import sentences
from pipeline.data.tokenizer import BOS
from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq
from pipeline.models.transformer import sinusoidal_positions

COLUMNS = ("source embedding", "target embedding", "position", "other words")
PAIRS = ("Q·K", "Q·V", "K·V")  # of which cosines are taken


class WeighedPositions(TransformerSeq2Seq):
    """Positions times a weight of 1, so that there is something to take their derivative by."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.position_weight = nn.Parameter(torch.ones(()))

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        positions = sinusoidal_positions(start, ids.size(1), self.embedding.weight.size(1), ids.device)
        return self.embedding(ids, positions.to(self.embedding.weight.dtype) * self.position_weight)


class Role(NamedTuple):
    """One of the three inputs of one attention: `kind` is "cross", "encoder" or "decoder", `part` is Q, K or V."""

    model: str
    kind: str
    layer: int
    part: str

    @property
    def reads_target(self) -> bool:
        """Whether it stands at target positions (else at source positions)."""
        return self.kind == "decoder" or (self.kind == "cross" and self.part == "Q")

    def __str__(self) -> str:
        kind = "cross-attention" if self.kind == "cross" else f"{self.kind} self-attention"
        return f"{self.model}, {kind}{f' {self.layer}' if self.layer else ''}: {self.part}"


def transformer_roles(network: Seq2Seq, run: Callable[[], Any]) -> dict[Role, Tensor]:
    """Q, K and V (batch, len, d_model), heads side by side, of every attention while `run()` calls `network`.

    By hooks, since a model gives its maps, but not what they are made of.
    """
    found: dict[Role, Tensor] = {}
    handles = []
    for name, module in network.named_modules():
        if name.rpartition(".")[2] in ("query", "key", "value"):  # decoder.0.cross_attention.query
            side, layer, attention, part = name.split(".")
            kind = "cross" if attention == "cross_attention" else side
            role = Role("Transformer", kind, int(layer) + 1, part[0].upper())

            def keep(module: nn.Module, inputs: Any, output: Tensor, role: Role = role) -> None:
                found[role] = output

            handles.append(module.register_forward_hook(keep))
    run()
    for handle in handles:
        handle.remove()
    return found


def gru_roles(network: GRUSeq2Seq, src: Tensor, tgt: Tensor) -> dict[Role, Tensor]:
    """Q = H, K = V = HS, as `GRUSeq2Seq.decode` and `attend` take them."""
    memory = network.encode(src, torch.ones_like(src, dtype=torch.bool))
    hidden, _ = network.decoder(network.embedding(tgt), memory.summary.unsqueeze(0))
    parts = {"Q": hidden, "K": memory.states, "V": memory.states}
    return {Role("GRU", "cross", 0, part): tensor for part, tensor in parts.items()}


def provenance() -> dict[str, Any]:
    """The size of the Jacobians, and how far layer 1 is from three linear maps.

    Returns:
        `rows`: for each role its fields and `jacobian`, column → the largest norm over positions of the Jacobian of a
        random projection of Q, K or V at one position (0 exactly where there is no dependence). `layer_1`: largest
        deviation of Q, K, V of the first encoder layer from W · LayerNorm(embedding + position).
    """
    torch.manual_seed(0)
    src, tgt = torch.tensor([[4, 5, 6, 7, 8]]), torch.tensor([[BOS, 9, 10, 11]])  # no id on both sides
    sizes = {"vocab_size": 12, "memory": "all", "d_model": 8, "dropout": 0.0}
    gru = GRUSeq2Seq(d_embed=8, **sizes).double().eval()
    transformer = WeighedPositions(d_ff=16, num_heads=2, num_layers=2, **sizes).double().eval()
    no_padding = torch.ones_like(src, dtype=torch.bool)
    found = transformer_roles(transformer, lambda: transformer(src, no_padding, tgt))
    rows = []
    in_order = dict(sorted(found.items(), key=lambda item: _place(item[0])))
    for network, roles in ((gru, gru_roles(gru, src, tgt)), (transformer, in_order)):
        positions = [p for name, p in network.named_parameters() if name == "position_weight"]
        for role, states in roles.items():
            own = tgt if role.reads_target else src
            jacobian = _jacobian(states[0], own[0], network.embedding.weight, positions, (src[0], tgt[0]))
            rows.append({**role._asdict(), "jacobian": jacobian})
    layer, embedding = transformer.encoder[0].attention, transformer.embedding
    vectors = embedding.weight[src] * embedding.scale + sinusoidal_positions(0, src.size(1), 8, src.device)
    centred = vectors - vectors.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()  # LayerNorm as it starts
    maps = {"Q": layer.query, "K": layer.key, "V": layer.value}
    deviations = [found[Role("Transformer", "encoder", 1, part)] - normed @ m.weight.T for part, m in maps.items()]
    return {"rows": rows, "layer_1": float(torch.stack(deviations).detach().abs().max())}


def _place(role: Role) -> tuple[int, int, int]:
    """Encoder, decoder, cross-attention; by layer; Q, K, V."""
    return ("encoder", "decoder", "cross").index(role.kind), role.layer, "QKV".index(role.part)


def _jacobian(
    states: Tensor, own: Tensor, embedding: Tensor, positions: list[Tensor], ids: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Column → largest norm over positions; `own` (len,) are the ids that stand where `states` (len, d_model) stand."""
    largest = dict.fromkeys(COLUMNS, 0.0)
    for state, own_id in zip(states, own, strict=True):
        # A random projection: their plain sum would be 0 for any states that a LayerNorm has just left.
        projected = state @ torch.randn(len(state), dtype=state.dtype)
        by_word, *by_position = torch.autograd.grad(
            projected, [embedding, *positions], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        other = torch.cat(ids)[torch.cat(ids) != own_id]
        parts = {
            "source embedding": by_word[ids[0]],
            "target embedding": by_word[ids[1]],
            "position": torch.stack(by_position) if by_position else torch.zeros(1),
            "other words": by_word[other],
        }
        largest = {column: max(largest[column], float(part.norm())) for column, part in parts.items()}
    return largest


def tie(network: TransformerSeq2Seq, which: str) -> None:
    """Lets the maps of every self-attention share one matrix, "none", "Q=K", "K=V" or "Q=K=V"."""
    attentions = [layer.attention for layer in network.encoder] + [layer.self_attention for layer in network.decoder]
    for attention in attentions:
        if which in ("Q=K", "Q=K=V"):
            attention.key.weight = attention.query.weight
        if which in ("K=V", "Q=K=V"):
            attention.value.weight = attention.key.weight


def tied_run(
    tied: str, d_model: int, steps: int, lr: float, num_train: int, num_test: int, longest: int, seed: int
) -> dict[str, Any]:
    """Trains one Transformer; nats and tokens of each test sentence, and the cosines of Q, K and V.

    Returns:
        `nats`, `tokens`; `cosines`: "Q·K", "Q·V", "K·V" → for each test sentence the mean |cosine| over its source
        tokens and the encoder's layers; `untrained`: the mean of the same before training.
    """
    task = sentences(num_train, num_test, longest)
    torch.manual_seed(seed)
    network = TransformerSeq2Seq(task.vocabulary.size, "all", d_model, 2 * d_model, num_heads=4, dropout=0.0).eval()
    tie(network, tied)
    batch = make_batch([task.vocabulary.encode(pair) for pair in task.test])
    untrained = {pair: float(np.mean(values)) for pair, values in _cosines(network, batch.src, batch.src_mask).items()}
    train(network, task.drawer(), Training(steps, lr=lr), seed)
    return {
        "nats": forced_nats(network, batch).sum(1).tolist(),
        "tokens": [len(pair.tgt.split()) + 1 for pair in task.test],
        "cosines": _cosines(network, batch.src, batch.src_mask),
        "untrained": untrained,
    }


@torch.no_grad()
def _cosines(network: TransformerSeq2Seq, src: Tensor, src_mask: Tensor) -> dict[str, list[float]]:
    found = transformer_roles(network, lambda: network.encode(src, src_mask))
    layers = {role.layer for role in found}
    cosines = {}
    for pair in PAIRS:
        a, b = pair.split("·")
        sizes = [
            nn.functional.cosine_similarity(
                *(found[Role("Transformer", "encoder", n, part)] for part in (a, b)), -1
            ).abs()
            for n in layers
        ]
        of_token = torch.stack(sizes).mean(0)  # (batch, src_len)
        cosines[pair] = ((of_token * src_mask).sum(1) / src_mask.sum(1)).tolist()
    return cosines
