"""The three models of the laboratory and the contract they share."""

from pipeline.models.interface import AttentionMap, DecoderOutput, Handover, Memory, Seq2Seq
from pipeline.models.recurrent import GRUSeq2Seq
from pipeline.models.transformer import TransformerSeq2Seq

__all__ = ["AttentionMap", "DecoderOutput", "GRUSeq2Seq", "Handover", "Memory", "Seq2Seq", "TransformerSeq2Seq"]
