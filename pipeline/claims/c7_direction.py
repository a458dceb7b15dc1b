"""C7: direction.

The article: attention, built on a recurrent network, interprets in one direction and cannot use words that come later
than its own; self-attention relates a word to all others at once, so its encoder is bidirectional.

Literature: the encoder of the first attention model was bidirectional (Bahdanau et al. 2015, h_j = [→h_j; ←h_j]); Britz
et al. 2017 find such encoders better, but not by a large margin. The Transformer's decoder is causal. And whatever the
encoder, a decoder that attends reads all of HS, and so all of the source. Two questions are therefore kept apart: what
a *state* h_i can know, and what a *translation* can use.

Set-up: states: J_ij = ‖∂h_i/∂x_j‖ (Frobenius norm), of random weights in double precision; which entries are 0 is a
matter of the network's wiring, not of its weights. Translation: a homonym whose sense is decided by a cue up to 10
words to its left or right (data/probes/cue.py), with GRU encoders of one and two directions, self-attention encoders
full and causal, and decoders that read everything (attention), the last state (none), or only the homonym's own state:
this last one turns the claim about states into behaviour. Held equal: parameters within 5 %, batches, steps, rate. With
a Multi30k folder, what reading both ways is worth on captions: natural_text.py.

Criterion: primary is what is exact: h_i of a one-directional GRU depends on no later word, h_i of a self-attention
encoder on every word. The claim as it is stated is a sub-claim: then a GRU with attention, one-directional, would be at
chance where the cue comes later, and no recurrent encoder would read later words. If these fail and the primary ones
pass, the claim holds in part: of the states of a one-directional encoder, not of models with attention. Another: with
attention and both directions, a GRU reads a later cue as often as a Transformer, within 2 points. The findings on
captions stand in natural_text_findings.py; without a folder they are not made, and decide nothing.

What this does not show: how much the right context is worth in natural text, unless there is a folder; that attention
is what sees the later cue in a GRU, whose last state suffices (without attention it is right as often); position, since
the cue has ids of its own and a bag of words would do: the equivalence is one of two ceilings; the exact parts state
wiring, and fail by a bug only; more than one layer of GRU. The cue task is no test of the size of a last state: that is
C1.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.claims import verdict
from pipeline.claims.direction_models import build
from pipeline.claims.inference import by_end, difference_of, ends_of, ends_over_seeds, mean_over
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.training import Training, train
from pipeline.claims.verdict import Claim, Finding
from pipeline.data.batching import EncodedPair, make_batch
from pipeline.data.probes import cue
from pipeline.panels import BarPanel, LegendEntry, LinePanel, MatrixPanel, Panel
from pipeline.statistics import ENDS

CLAIM = Claim(
    "C7",
    "Direction",
    "Attention on a recurrent network sees one direction only, not what comes later; self-attention sees both.",
)

LENGTH = 10  # words for the Jacobians
LATER = (1, 2, 4, 6, 8, 10)  # where the cue stands in the tests; in training anywhere, 1 to 10 either way
EARLIER = (-10, -8, -6, -4, -2, -1)
OFFSETS = (*EARLIER, *LATER)
CHANCE = 0.5
NEAR_CHANCE = CHANCE + 0.05

# Whose states are differentiated by what.
STATES = {
    "gru": "GRU encoder, one direction",
    "bigru": "GRU encoder, both directions",
    "transformer": "Self-attention encoder",
    "causal": "Self-attention encoder, causal",
    "decoder": "Self-attention of a decoder",
    "translation": "GRU, one direction, + attention: output",
}
# By encoder and what the decoder reads; of two in one colour, dashed is the one that reads one way.
READERS = {
    ("gru", "last"): LegendEntry("GRU →, no attention", "gru", dashed=True),
    ("bigru", "last"): LegendEntry("GRU ⇄, no attention", "gru"),
    ("gru", "all"): LegendEntry("GRU → + attention", "gru_attention"),
    ("bigru", "all"): LegendEntry("GRU ⇄ + attention", "gru_attention_both"),
    ("causal", "all"): LegendEntry("Transformer, causal encoder", "transformer", dashed=True),
    ("transformer", "all"): LegendEntry("Transformer", "transformer"),
    ("gru", "own"): LegendEntry("GRU →", "gru_attention"),
    ("bigru", "own"): LegendEntry("GRU ⇄", "gru_attention_both"),
    ("causal", "own"): LegendEntry("causal self-attention", "transformer", dashed=True),
    ("transformer", "own"): LegendEntry("self-attention", "transformer"),
}

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"d_model": 32, "layers": 2, "heads": 4, "steps": 250, "items": 200, "seeds": (1, 2, 3), "weights": 3},
    "full": {
        **{"d_model": 64, "layers": 2, "heads": 4, "steps": 2000, "items": 400},
        **{"seeds": (1, 2, 3, 4, 5), "weights": 10},
    },
}


def support_of(states: str, d_model: int, layers: int, heads: int, weights: int) -> dict[str, Any]:
    """J for so many random `weights`.

    Returns:
        `first`: J of the first weights, (LENGTH, LENGTH), row i for the state, column j for the word. `largest_later`
        and `smallest_later`: over all weights, the largest and smallest entry right of the diagonal; `smallest`: the
        smallest of all entries on or left of it.
    """
    found = [_jacobian(states, d_model, layers, heads, seed) for seed in range(1, weights + 1)]
    norms = torch.stack(found)  # (weights, LENGTH, LENGTH)
    is_later = torch.ones(LENGTH, LENGTH).triu(1).bool()
    return {
        "first": found[0].tolist(),
        "largest_later": norms[:, is_later].max().item(),
        "smallest_later": norms[:, is_later].min().item(),
        "smallest": norms[:, ~is_later].min().item(),
    }


def _jacobian(states: str, d_model: int, layers: int, heads: int, seed: int) -> Tensor:
    torch.manual_seed(seed)
    encoder = {"decoder": "transformer", "translation": "gru"}.get(states, states)
    network = build(encoder, "all", d_model, layers, heads).double().eval()
    ids = torch.randint(cue.FIRST_HOMONYM, cue.VOCAB_SIZE, (2, 1, LENGTH))
    vectors, mask = network.embed_source(ids[0]).detach(), torch.ones(1, LENGTH, dtype=torch.bool)

    def of_encoder(vectors: Tensor) -> Tensor:
        return network.encode_vectors(vectors, mask).states

    def of_decoder(target: Tensor) -> Tensor:
        memory = network.encode_vectors(vectors, mask)
        for layer in network.decoder:
            target = layer(target, memory, None).states
        return network.decoder_norm(target)

    def of_translation(vectors: Tensor) -> Tensor:
        return network.decode(ids[1], network.encode_vectors(vectors, mask)).logits

    function = {"decoder": of_decoder, "translation": of_translation}.get(states, of_encoder)
    jacobian = torch.autograd.functional.jacobian(function, vectors)  # (1, LENGTH, d, 1, LENGTH, d_embed)
    return jacobian[0, :, :, 0].norm(dim=(1, 3))


def cue_run(
    encoder: str, reads: str, d_model: int, layers: int, heads: int, steps: int, items: int, seed: int
) -> dict[str, Any]:
    """Trains one model on cues of all offsets.

    Returns:
        `right`: offset → 0 or 1 for each of `items` sentences, the same in every run: is the right sense the more
        likely of the two?
    """
    torch.manual_seed(seed)
    network = build(encoder, reads, d_model, layers, heads)

    def draw_any(rng: np.random.Generator) -> EncodedPair:
        return cue.draw(rng, int(rng.choice((-1, 1)) * rng.integers(1, cue.FURTHEST + 1))).pair

    history = train(network, draw_any, Training(steps), seed)
    right = {}
    for offset in OFFSETS:
        rng = np.random.default_rng([0, offset + cue.FURTHEST])
        found = [cue.draw(rng, offset) for _ in range(items)]
        batch = make_batch([item.pair for item in found])
        with torch.no_grad():
            logits = network(batch.src, batch.src_mask, batch.tgt_in)[:, 0]  # (items, vocab_size)
        senses = torch.tensor([[item.right, item.wrong] for item in found])
        right[str(offset)] = (logits.gather(1, senses).argmax(1) == 0).int().tolist()
    return {"right": right, "last_nats": float(np.mean(history[-20:]))}


def jobs(profile: str) -> list[Job]:
    """Every measurement of the profile."""
    supports, runs = _grid(profile)
    return [*supports.values(), *(run for of_cell in runs.values() for run in of_cell)]


def _grid(profile: str) -> tuple[dict[str, Job], dict[tuple[str, str], list[Job]]]:
    """The Jacobians by name; the trainings by reader, one job per seed."""
    p = PROFILES[profile]
    sizes = {name: p[name] for name in ("d_model", "layers", "heads")}
    supports = {name: job(support_of, states=name, weights=p["weights"], **sizes) for name in STATES}
    options = {"steps": p["steps"], "items": p["items"], **sizes}
    runs = {
        (encoder, reads): [job(cue_run, encoder=encoder, reads=reads, seed=seed, **options) for seed in p["seeds"]]
        for encoder, reads in READERS
    }
    return supports, runs


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    of_supports, of_runs = _grid(profile)
    supports = {name: results.of(measured) for name, measured in of_supports.items()}
    runs = {cell: results.seeds(of_cell) for cell, of_cell in of_runs.items()}
    support = lambda name, key: supports[name][key] if supports[name] else None  # noqa: E731
    later = {cell: [_pooled(run, LATER) for run in of_cell] for cell, of_cell in runs.items()}
    earlier = {cell: [_pooled(run, EARLIER) for run in of_cell] for cell, of_cell in runs.items()}
    findings = [
        verdict.exact(
            "GRU, one direction: largest ‖∂h_i/∂x_j‖ with j > i", support("gru", "largest_later"), 0, is_primary=True
        ),
        verdict.exactly_above(
            "self-attention: smallest ‖∂h_i/∂x_j‖ with j > i",
            support("transformer", "smallest_later"),
            1e-6,
            is_primary=True,
        ),
        verdict.exact("control, causal encoder: largest with j > i", support("causal", "largest_later"), 0),
        verdict.exact(
            "control, self-attention of a decoder: largest with j > i", support("decoder", "largest_later"), 0
        ),
        verdict.below("later cue, GRU →, own state alone: accuracy", mean_over(later["gru", "own"]), NEAR_CHANCE),
        verdict.above("control, earlier cue, GRU →, own state alone: accuracy", mean_over(earlier["gru", "own"]), 0.9),
        verdict.above(
            "later cue, self-attention, own state alone: accuracy", mean_over(later["transformer", "own"]), 0.9
        ),
        verdict.exact(
            "as stated, recurrent encoders: largest with j > i (GRU ⇄)", support("bigru", "largest_later"), 0
        ),
        verdict.below(
            "as stated, later cue: accuracy of GRU → + attention", mean_over(later["gru", "all"]), NEAR_CHANCE
        ),
        verdict.equivalent(
            "later cue: accuracy, Transformer minus GRU ⇄ + attention",
            difference_of(later["transformer", "all"], later["bigru", "all"]),
            0.02,
        ),
    ]
    return findings, {"supports": {name: found for name, found in supports.items() if found}, **_numbers(runs, later)}


def _numbers(
    runs: dict[tuple[str, str], list[dict[str, Any]]], later: dict[tuple[str, str], list[list[int]]]
) -> dict[str, Any]:
    """Of what is trained, by reader; without what is missing."""
    return {
        "curves": {
            reads: {encoder: _curve(runs[encoder, reads]) for encoder, r in READERS if r == reads and runs[encoder, r]}
            for reads in ("last", "all", "own")
        },
        "later": {f"{e}, {reads}": ends_of(mean_over(later[e, reads])) for e, reads in READERS if later[e, reads]},
        "last_nats": {f"{e}, {r}": [run["last_nats"] for run in runs[e, r]] for e, r in READERS},
    }


def _pooled(run: dict[str, Any], offsets: tuple[int, ...]) -> list[int]:
    return [right for offset in offsets for right in run["right"][str(offset)]]


def _curve(runs: list[dict[str, Any]]) -> dict[str, list[float]]:
    shares = [[100 * np.mean(run["right"][str(offset)]) for offset in OFFSETS] for run in runs]
    return dict(zip(ENDS, ends_over_seeds(shares), strict=True))


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """Which words each state depends on; accuracy by where the cue stands."""
    positions = [str(place) for place in range(1, LENGTH + 1)]
    matrices = [
        MatrixPanel(
            STATES[name],
            found["first"],
            "target word j" if name == "decoder" else "source word j",
            "output step i" if name == "translation" else "state i",
            positions,
            positions,
            log=True,
            scale_label="‖∂ output i/∂ word j‖; white: 0" if name == "translation" else "‖∂h_i/∂x_j‖; white: 0",
        )
        for name, found in numbers["supports"].items()
    ]
    curves = [
        LinePanel(
            title,
            "place of the cue (words to the right of the homonym)",
            "right sense (%)",
            [
                READERS[encoder, reads].line(OFFSETS, *(curve[end] for end in ENDS))
                for reads in of_reads
                for encoder, curve in numbers["curves"][reads].items()
            ],
            marked=100 * CHANCE,
        )
        for title, of_reads in (
            ("The decoder reads the homonym's state alone (band: seeds)", ("own",)),
            ("The decoder reads the last state, or all (band: seeds)", ("last", "all")),
        )
    ]
    cells = [cell for cell in READERS if ", ".join(cell) in numbers["later"]]
    bars = [numbers["later"][", ".join(cell)] for cell in cells]
    names = [READERS[e, r].label + (" (own state)" if r == "own" else "") for e, r in cells]
    models = [READERS[cell].model for cell in cells]
    summary = BarPanel(
        "Cue to the right (dotted: chance)",
        "right sense (%)",
        names,
        *by_end(bars, 100),
        models=models,
        hatched=[READERS[cell].dashed for cell in cells],
        marked=100 * CHANCE,
    )
    return [*matrices, *curves, *([summary] if bars else [])]
