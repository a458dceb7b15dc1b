"""Models of one size: a Transformer, and GRU models with as many parameters, for the claims that compare the two.

Counted without the token vectors, which are the same matrix in all of them.
"""

from pipeline.claims.variants import CausalTransformer
from pipeline.models import GRUSeq2Seq, Seq2Seq, TransformerSeq2Seq
from pipeline.models.interface import Handover

LARGEST_MISMATCH = 0.05  # of the Transformer's parameters


def transformer(
    vocab_size: int, d_model: int, heads: int, layers: int, dropout: float = 0.0, memory: Handover = "all"
) -> TransformerSeq2Seq:
    """The Transformer that the others are matched to, d_ff = 2 · d_model."""
    return TransformerSeq2Seq(vocab_size, memory, d_model, 2 * d_model, heads, layers, dropout)


def causal_transformer(
    vocab_size: int, d_model: int, heads: int, layers: int, dropout: float = 0.0
) -> CausalTransformer:
    """The same with an encoder that reads to the left only."""
    return CausalTransformer(vocab_size, "all", d_model, 2 * d_model, heads, layers, dropout)


def gru(
    vocab_size: int,
    memory: Handover,
    bidirectional: bool,
    d_embed: int,
    layers: int,
    dropout: float = 0.0,
    network_class: type[GRUSeq2Seq] = GRUSeq2Seq,
    embedding_scale: float = 1.0,
) -> GRUSeq2Seq:
    """The GRU model with token vectors as wide as those of a Transformer of d_model = `d_embed` and so many `layers`,
    and with the state, an even number wide, that brings its parameters nearest to that Transformer's."""
    wanted = num_parameters(transformer(vocab_size, d_embed, 1, layers))
    sizes = range(2, 16 * d_embed, 2)
    size = min(sizes, key=lambda d_model: abs(_gru_parameters(d_embed, d_model, bidirectional) - wanted))
    direction = "both" if bidirectional else "forward"
    network = network_class(vocab_size, memory, d_embed, size, direction, dropout, embedding_scale)
    mismatch = abs(num_parameters(network) / wanted - 1)
    assert mismatch <= LARGEST_MISMATCH, f"no GRU within {LARGEST_MISMATCH:.0%} of {wanted} parameters"
    return network


def num_parameters(network: Seq2Seq) -> int:
    """All parameters but the token vectors."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.endswith("embedding.weight"))


def _gru_parameters(d_embed: int, d_model: int, bidirectional: bool) -> int:
    one = lambda size: 3 * size * (d_embed + size + 2)  # noqa: E731
    encoder = 2 * one(d_model // 2) if bidirectional else one(d_model)
    return encoder + one(d_model) + 2 * d_model * d_embed
