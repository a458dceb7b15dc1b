"""The figure of C8: the seven steps with numbers, what the scale does to random scores, and what in training."""

from typing import Any

import numpy as np

from pipeline.claims.inference import ends_over_seeds, middles
from pipeline.claims.seven_steps import KEYS, WIDE
from pipeline.panels import Line, LinePanel, MatrixPanel, Panel
from pipeline.statistics import ENDS

WORDS = ("the", "dog", "sleeps")
_SCALED, _UNSCALED = "divided by √d_k", "not divided"


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """The worked example where there is one, then the measurements that are there."""
    panels: list[Panel] = []
    if numbers["worked"]:
        panels += worked_panels(numbers["worked"])
    if numbers["independent"]:
        panels += _independent_panels(numbers["widths"], numbers["independent"])
    panels += [_training_panel(numbers), _width_panel(numbers), _heads_panel(numbers["heads"])]
    return panels


def worked_panels(worked: dict[str, Any]) -> list[Panel]:
    """One panel per step; steps 6 and 7 for the last word."""
    d_k = len(worked["query"][0])
    projected = np.hstack([worked["query"], worked["key"], worked["value"]])
    parts = np.array(worked["products"])[-1]  # (words, d_k)
    summed = [*parts.tolist(), worked["output"][-1]]
    shares = [f"{share:.2f} × V({word})" for share, word in zip(worked["weights"][-1], WORDS, strict=True)]
    dimensions = [str(n + 1) for n in range(d_k)]

    def between_words(title: str, name: str) -> MatrixPanel:
        return MatrixPanel(
            title,
            worked[name],
            "key (word read)",
            "query (word that reads)",
            WORDS,
            WORDS,
            numbers=True,
            scale_label="weight" if name == "weights" else "score",
        )

    return [
        MatrixPanel("Step 1: embedding", worked["embedded"], "dimension", "word", dimensions, WORDS, numbers=True),
        MatrixPanel(
            "Step 2: Q, K and V, three maps of one embedding",
            np.round(projected, 1).tolist(),
            f"d_k = {d_k} dimensions each",
            "word",
            [f"{letter}{n}" for letter in "QKV" for n in dimensions],
            WORDS,
            numbers=True,
        ),
        between_words("Step 3: scores Q · K", "scores"),
        between_words(f"Step 4: divided by √d_k = {d_k**0.5:g}", "scaled"),
        between_words("Step 5: softmax (each row sums to 1)", "weights"),
        MatrixPanel(
            f"Steps 6 and 7: × V, and the sum, for “{WORDS[-1]}”",
            summed,
            "dimension",
            "",
            dimensions,
            [*shares, "sum = output"],
            numbers=True,
        ),
    ]


def _independent_panels(widths: list[int], found: dict[str, list[float]]) -> list[Panel]:
    def both(measure: str) -> list[Line]:
        return [Line(_UNSCALED, widths, found[measure]), Line(_SCALED, widths, found[f"scaled_{measure}"])]

    about = "independent N(0, 1)"
    expected = Line("√d_k", widths, [d_k**0.5 for d_k in widths], dashed=True)
    return [
        LinePanel(
            f"Scores of {about} vectors",
            "d_k",
            "standard deviation of q · k",
            [*both("std"), expected],
            x_log=True,
            y_log=True,
        ),
        LinePanel(f"Softmax over {KEYS} such scores: entropy", "d_k", "entropy (nats)", both("entropy"), x_log=True),
        LinePanel(
            f"Softmax over {KEYS} such scores: what gradient gets through",
            "d_k",
            "Frobenius norm of the Jacobian",
            both("jacobian"),
            x_log=True,
        ),
    ]


def _training_panel(numbers: dict[str, Any]) -> LinePanel:
    lines = []
    for scale, runs in numbers["history"].items():
        lines.append(Line(f"scale: {scale}", middles(numbers["steps"], len(runs[0])), *ends_over_seeds(runs)))
    return LinePanel(f"Learning to copy, d_k = {WIDE} (band: seeds)", "training step", "nats per token", lines)


def _width_panel(numbers: dict[str, Any]) -> LinePanel:
    # An interval may reach below 0, a loss cannot.
    lines = [
        Line(
            f"scale: {scale}",
            [int(d_k) for d_k in cells],
            *([max(0.0, cell[end]) for cell in cells.values()] for end in ENDS),
        )
        for scale, cells in numbers["copied"].items()
    ]
    return LinePanel(
        f"After {numbers['steps']} steps, pairs drawn anew",
        "d_k",
        "nats per token, teacher-forced",
        lines,
        x_log=True,
    )


def _heads_panel(heads: dict[str, Any]) -> LinePanel:
    lines = []
    for when, runs in heads.items():
        lines.append(Line(when, range(1, len(runs[0]) + 1), *ends_over_seeds(runs)))
    return LinePanel(
        "Real heads of the encoder (band: seeds); claimed: 1",
        "head, layer by layer",
        "standard deviation of q · k / √d_k",
        lines,
        marked=1.0,
    )
