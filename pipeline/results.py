"""What a finished run leaves behind: `results.json`, with everything needed to believe and to repeat its numbers."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from pipeline.data.datamodule import TranslationData
from pipeline.metrics import by_length, teacher_forced, translated
from pipeline.provenance import provenance
from pipeline.task import TranslationTask


class Effort(NamedTuple):
    """What training took: optimiser steps, epochs, target tokens seen, seconds with validation, processes."""

    steps: int
    epochs: int
    target_tokens_seen: int
    seconds: float
    processes: int


def run_results(
    task: TranslationTask,
    data: TranslationData,
    *,
    initial_weights_hash: str,
    effort: Effort,
    best_step: int,
    val_nats_per_token: float,
    commits: Sequence[str | None],
    device: torch.device,
) -> dict[str, Any]:
    """The content of results.json.

    Args:
        task: With its best weights, and their scores of the splits "test" and "train" (a sample as large as
            validation).
        best_step: The step of those weights.
        val_nats_per_token: Validation loss of those weights.
        commits: Of the code that trained.
        device: That trained.
    """
    made = provenance("scripts.train", device)
    pairs = data.corpus.test
    hypotheses = [score.hypothesis for score in task.scores["test"]]
    test, train = teacher_forced(task.scores["test"]), teacher_forced(task.scores["train"])
    free = translated(hypotheses, [pair.tgt for pair in pairs])
    bands = by_length(task.scores["test"], [pair.src for pair in pairs], [pair.tgt for pair in pairs])
    return {
        "model": task.name,
        "seed": task.seed,
        "corpus": {
            "name": data.corpus.name,
            "source": data.corpus.source,
            "languages": f"{data.src}-{data.tgt}",
            "content_hash": data.content_hash,
            "pairs": {"train": len(data.corpus.train), "val": len(data.corpus.val), "test": len(pairs)},
            "is_synthetic": data.corpus.is_synthetic,
        },
        "parameters": sum(p.numel() for p in task.network.parameters()),
        **effort._asdict(),
        "best_step": best_step,
        "nats_per_token": {
            "train": train.nats_per_token,
            "val": val_nats_per_token,
            "test": test.nats_per_token,
            "how": "teacher-forced, without dropout and label smoothing; train is a sample as large as validation",
        },
        "test": {
            "search": "greedy",
            "perplexity": test.perplexity,
            "token_accuracy_teacher_forced": test.token_accuracy,
            **free._asdict(),
            "by_source_length": [band._asdict() for band in bands],
        },
        "initial_weights_hash": initial_weights_hash,
        "batch_order_hash": data.order_hash(),
        **made,
        "earlier_commits": [earlier for earlier in commits if earlier != made["commit"]],
    }


def weights_hash(network: nn.Module) -> str:
    """SHA-256 (hex) of all weights, with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
