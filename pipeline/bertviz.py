"""Attention in the form that BertViz (Vig 2019) draws: the arguments of its `model_view` and `head_view`, as JSON.

arguments = json.load(open("report/bertviz/toy-transformer-1.json"))
tensors = {k: [torch.tensor(layer) for layer in v] for k, v in arguments.items() if k.endswith("attention")}
bertviz.model_view(**arguments | tensors)
"""

from collections.abc import Sequence
from typing import Any


def bertviz_arguments(sentence: dict[str, Any]) -> dict[str, Any] | None:
    """The words of one sentence and its attention, of each layer (1, num_heads, queries, keys).

    Args:
        sentence: One of a model's `sentences`, as `explorer.explorer_content` gives them.

    Returns:
        `encoder_tokens`, `decoder_tokens`, `cross_attention` and, where the encoder has attention, `encoder_attention`.
        None where the decoder reads one vector: there is no attention to draw.
    """
    if len(sentence["cross"][0]["heads"][0][0]) != len(sentence["src"]):
        return None
    arguments = {
        "encoder_tokens": sentence["src"],
        "decoder_tokens": sentence["tgt"],
        "cross_attention": _layers(sentence["cross"]),
    }
    if sentence["encoder"]:
        arguments["encoder_attention"] = _layers(sentence["encoder"])
    return arguments


def _layers(maps: Sequence[dict[str, Any]]) -> list[list[list[list[list[float]]]]]:
    return [[[[[weight / 100 for weight in row] for row in head] for head in m["heads"]]] for m in maps]
