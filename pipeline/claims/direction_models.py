"""The models of C7: encoders of one direction and of two, and a decoder that reads one state alone."""

from typing import Any

from torch import Tensor

from pipeline.claims.matched_models import causal_transformer, gru, transformer
from pipeline.data.probes import cue
from pipeline.models import Seq2Seq
from pipeline.models.interface import DecoderOutput, Handover, Memory, gather_position


class OwnStateOnly(Seq2Seq):
    """A model whose decoder reads one encoder state, that of the word to be translated: what that state knows."""

    def __init__(self, network: Seq2Seq) -> None:
        super().__init__(network.vocab_size)
        self.network = network

    def encode(self, src: Tensor, src_mask: Tensor) -> Memory:
        own = gather_position(self.network.encode(src, src_mask).states, cue.homonym_position(src))
        return Memory(own.unsqueeze(1), src_mask[:, :1], own)

    def embed_source(self, src: Tensor) -> Tensor:
        return self.network.embed_source(src)

    def encode_vectors(self, vectors: Tensor, src_mask: Tensor) -> Memory:
        raise NotImplementedError("which word is to be translated stands in the ids: use encode")

    @property
    def output_matrix(self) -> Tensor | None:
        return self.network.output_matrix

    def decode(
        self,
        tgt: Tensor,
        memory: Memory,
        state: Any = None,
        *,
        need_alignment: bool = False,
        need_logits: bool = True,
    ) -> DecoderOutput:
        return self.network.decode(tgt, memory, state, need_alignment=need_alignment, need_logits=need_logits)

    def reorder(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        return self.network.reorder(state, rows, sources)


def build(encoder: str, reads: str, d_model: int, layers: int, heads: int) -> Seq2Seq:
    """A model of the cue task.

    Args:
        encoder: gru, bigru, transformer, or causal: a Transformer whose encoder reads to the left only.
        reads: What its decoder reads of the encoder: `last`, `all`, or `own`, the state of the homonym.
    """
    handover: Handover = "last" if reads == "last" else "all"
    if encoder in ("gru", "bigru"):
        network = gru(cue.VOCAB_SIZE, handover, encoder == "bigru", d_model, layers)
    else:
        network = {"transformer": transformer, "causal": causal_transformer}[encoder](
            cue.VOCAB_SIZE, d_model, heads, layers
        )
    return OwnStateOnly(network) if reads == "own" else network
