"""Scores of a batch of sentences, the same for every model: teacher-forced nats, and a greedy translation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.data.batching import Batch
from pipeline.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from pipeline.decoding import Hypotheses, greedy
from pipeline.metrics import SentenceScore
from pipeline.models import Seq2Seq


def token_nats(logits: Tensor, tgt_out: Tensor) -> Tensor:
    """(batch, tgt_len): −log p of each expected token in nats, 0 on padding; computed in float32."""
    nats = F.cross_entropy(logits.float().flatten(0, 1), tgt_out.flatten(), ignore_index=PAD, reduction="none")
    return nats.view_as(tgt_out)


def forbidden_tokens(vocab_size: int, tokenizer: Tokenizer, device: torch.device) -> Tensor:
    """(vocab_size,) bool: PAD, UNK, BOS and the rows that no piece uses are never part of a translation."""
    forbidden = torch.zeros(vocab_size, dtype=torch.bool, device=device)
    forbidden[[PAD, UNK, BOS]] = True
    forbidden[tokenizer.size :] = True
    return forbidden


def translate_batch(
    network: Seq2Seq, src: Tensor, src_mask: Tensor, tokenizer: Tokenizer, need_alignment: bool = False
) -> Hypotheses:
    """Greedy translations of a batch, with this project's special tokens."""
    forbidden = forbidden_tokens(network.vocab_size, tokenizer, src.device)
    return greedy(network, src, src_mask, bos=BOS, eos=EOS, pad=PAD, forbidden=forbidden, need_alignment=need_alignment)


@torch.no_grad()
def score_batch(network: Seq2Seq, batch: Batch, tokenizer: Tokenizer, *, with_translation: bool) -> list[SentenceScore]:
    """Scores of each real sentence of a batch; `network` must be in evaluation mode."""
    logits = network(batch.src, batch.src_mask, batch.tgt_in)
    real = batch.tgt_out != PAD
    nats = token_nats(logits, batch.tgt_out).sum(1).tolist()
    tokens = real.sum(1).tolist()
    correct = ((logits.argmax(-1) == batch.tgt_out) & real).sum(1).tolist()
    hypotheses: list[str | None] = [None] * len(tokens)
    if with_translation:
        found = translate_batch(network, batch.src, batch.src_mask, tokenizer)
        hypotheses = tokenizer.decode(found.ids.tolist())
    rows = zip(batch.index.tolist(), nats, tokens, correct, hypotheses, strict=True)
    return [SentenceScore(*row) for row in rows if row[0] >= 0]
