"""C4: where Q, K and V come from.

The article: attention takes Q from the decoder, K and V from the encoder; in self-attention Q, K and V are all made
from the same embedding vector.

Made precise: this is the difference of cross-attention and self-attention, not of recurrent networks and Transformers:
a Transformer's decoder has both (Vaswani et al. 2017, §3.2.3). In the GRU's dot-product attention Q = H and K = V = HS
with no maps of their own. In self-attention Q, K and V are three different linear maps of one layer input, which is
embedding + position in the first layer only; deeper layers read hidden states that already hold other words. And Q of a
decoder knows the source as well: the GRU starts from the encoder's last state, and a Transformer's second layer stands
behind the first one's cross-attention.

Set-up: *Provenance*, exact, in float64: the Jacobian of each position's Q, K and V in every attention by the embeddings
of source and target, by the positions, and by the embeddings of other words than its own. Source and target share one
embedding matrix, so their words are kept apart by using different ids. *Same vector?* The cosines between Q, K and V of
one token in a trained Transformer, and what it costs to make them equal: W_Q = W_K, W_K = W_V, or all three tied, in
every self-attention, before training. Held equal: the other initial weights, the batches, the steps, the learning rate;
the task is the toy grammar, short sentences, one id per word.

Criterion: in every cross-attention K and V depend on the source and not on the target, and Q on the target; in every
encoder self-attention Q, K and V depend on source and positions and not on the target; Q, K and V of one self-attention
depend on the same things (all primary). Literal sub-claims: Q of a cross-attention depends on the decoder's side alone;
Q, K and V of every self-attention depend on no other word's embedding. Controls: in the first layer Q, K and V are
linear maps of the normalised embedding + position to 1e-6; their cosines are below 0.5 in size; one map in the place of
three costs nats.

What this does not show: more than this code's wiring in the primary findings, which define the two kinds of attention
and fail by a bug only; that Q·V and K·V are further apart than chance (√(2/πd), 0.14 at d = 32). The Jacobians are of
random weights, which tells what *can* depend on what, not how much a trained model uses it. A cosine between vectors of
different spaces is a description: turning V's space and W_O with it changes the cosine and not the model, and so it is
for Q and K together. A tied model has fewer parameters and, with W_Q = W_K, scores that are symmetric apart from the
mask: its cost is that of both. Small models, few steps, one synthetic task, tied in all layers at once; what a longer
training makes of a tied model is for the full profile.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.claims import verdict
from pipeline.claims.inference import by_end, difference_in, ends_of, mean_over, ratio_score
from pipeline.claims.jobs import Job, Results, job
from pipeline.claims.provenance_jobs import COLUMNS, PAIRS, Role, provenance, tied_run
from pipeline.claims.verdict import Claim, Finding
from pipeline.panels import BarPanel, MatrixPanel, Panel
from pipeline.statistics import Estimate, SumScore

CLAIM = Claim(
    "C4",
    "Where Q, K, V come from",
    "Attention: Q from the decoder, K and V from the encoder; self-attention: all three from the same embedding.",
)

# What is tied in every self-attention, and how the figure calls it.
TIES = {"none": "three maps", "Q=K": "W_Q = W_K", "K=V": "W_K = W_V", "Q=K=V": "one map"}

# Sentences of the test are `test`; `longest` source words.
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "seeds": (3, 4, 5, 6, 7),  # 1 and 2 were too few to tell what a tie costs (results/LOG.md)
        "d_model": 32,
        "steps": 280,
        "lr": 5e-3,
        "train": 5000,
        "test": 200,
        "longest": 7,
    },
    "full": {
        "seeds": (1, 2, 3, 4, 5),
        "d_model": 128,
        "steps": 6000,
        "lr": 1e-3,
        "train": 80_000,
        "test": 1000,
        "longest": 20,
    },
}


def jobs(profile: str) -> list[Job]:
    """Every run of the profile."""
    return [job(provenance), *(run for runs in _grid(profile).values() for run in runs)]


def _grid(profile: str) -> dict[str, list[Job]]:
    """What is tied → one job per seed."""
    p = PROFILES[profile]
    common = {name: p[name] for name in ("d_model", "steps", "lr", "longest")}
    common |= {"num_train": p["train"], "num_test": p["test"]}
    return {tied: [job(tied_run, tied=tied, seed=seed, **common) for seed in p["seeds"]] for tied in TIES}


def judge(results: Results, profile: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings, and the numbers of the figure."""
    exactly = results.of(job(provenance))
    rows = exactly["rows"] if exactly else []
    depends = {
        Role(row["model"], row["kind"], row["layer"], row["part"]): {c for c in COLUMNS if row["jacobian"][c] > 0}
        for row in rows
    }
    runs = {tied: results.seeds(of_tie) for tied, of_tie in _grid(profile).items()}
    added = {tied: _added(of_tie, runs["none"]) for tied, of_tie in runs.items()}
    cosines = {pair: mean_over([run["cosines"][pair] for run in runs["none"]]) for pair in PAIRS}
    findings = [
        *_of_provenance(depends),
        verdict.exact(
            "layer 1: Q, K, V minus linear maps of the normalised embedding + position",
            exactly["layer_1"] if exactly else None,
            1e-6,
        ),
        *(verdict.below(f"cosine of {pair} of one token, its size, trained", cosines[pair], 0.5) for pair in PAIRS),
        verdict.above("nats per token that one map for Q, K and V costs", added["Q=K=V"], 0.0),
    ]
    return findings, {"rows": rows, **_numbers(runs, cosines, added)}


def _numbers(
    runs: dict[str, list[dict[str, Any]]], cosines: dict[str, Estimate | None], added: dict[str, Estimate | None]
) -> dict[str, Any]:
    """Of what is trained: by pair, and by what is tied."""
    return {
        "cosines": {pair: found and ends_of(found) for pair, found in cosines.items()},
        "cosines_untrained": {
            pair: float(np.mean([run["untrained"][pair] for run in runs["none"]])) if runs["none"] else None
            for pair in PAIRS
        },
        "nats_per_token": {
            tied: float(np.mean([_nats(run).value for run in of_tie])) if of_tie else None
            for tied, of_tie in runs.items()
        },
        "nats_added": {tied: added[tied] and ends_of(added[tied]) for tied in TIES if tied != "none"},
    }


def _of_provenance(depends: dict[Role, set[str]]) -> list[Finding]:
    """How many of Q, K, V (or attentions) are not as claimed."""
    cross = {role: on for role, on in depends.items() if role.kind == "cross"}
    in_self = {role: on for role, on in depends.items() if role.kind != "cross"}
    attentions = {(role.kind, role.layer) for role in in_self}
    of_source, of_target, at_positions, of_others = COLUMNS

    def finding(what: str, wrong: Sequence[Any], is_primary: bool) -> Finding:
        return verdict.exact(what, len(wrong) if depends else None, 0, is_primary=is_primary)

    return [
        finding(
            "cross-attentions' K and V that lack the source, or know the target (how many)",
            [r for r, on in cross.items() if r.part != "Q" and (of_source not in on or of_target in on)],
            True,
        ),
        finding(
            "cross-attentions' Q that lack the target (how many)",
            [r for r, on in cross.items() if r.part == "Q" and of_target not in on],
            True,
        ),
        finding(
            "encoder self-attentions' Q, K, V that lack source or position, or know the target (how many)",
            [r for r, on in in_self.items() if r.kind == "encoder" and on - {of_others} != {of_source, at_positions}],
            True,
        ),
        finding(
            "self-attentions whose Q, K and V depend on different things (how many)",
            [a for a in attentions if len({frozenset(on) for r, on in in_self.items() if (r.kind, r.layer) == a}) > 1],
            True,
        ),
        finding(
            "literally: cross-attentions' Q that know the source too (how many)",
            [r for r, on in cross.items() if r.part == "Q" and of_source in on],
            False,
        ),
        finding(
            "literally: self-attentions' Q, K, V that hold other words' embeddings (how many)",
            [r for r, on in in_self.items() if of_others in on],
            False,
        ),
    ]


def _nats(run: dict[str, Any]) -> SumScore:
    return ratio_score(run["nats"], run["tokens"])


def _added(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> Estimate | None:
    """Nats per token of ours minus theirs, paired over sentences."""
    return difference_in([_nats(run) for run in ours], [_nats(run) for run in theirs])


def draw(numbers: dict[str, Any]) -> list[Panel]:
    """What depends on what; how alike Q, K and V are; what tying them costs."""
    panels: list[Panel] = []
    if rows := numbers["rows"]:
        roles = [Role(row["model"], row["kind"], row["layer"], row["part"]) for row in rows]
        panels.append(
            MatrixPanel(
                "What Q, K, V depend on (exact; white: nothing)",
                [[float(row["jacobian"][column] > 0) for column in COLUMNS] for row in rows],
                "",
                "",
                columns=COLUMNS,
                rows=[str(role) for role in roles],
                scale_label="1: depends on it",
            )
        )
    cosines = {pair: ends for pair, ends in numbers["cosines"].items() if ends}
    if cosines:
        bars = [
            bar
            for pair, ends in cosines.items()
            for bar in (
                (numbers["cosines_untrained"][pair], np.nan, np.nan),
                (ends["value"], ends["low"], ends["high"]),
            )
        ]
        panels.append(
            BarPanel(
                "Are they one vector? (encoder self-attention)",
                "|cosine| of one token's vectors",
                [f"{pair}{when}" for pair in cosines for when in (", untrained", "")],
                *zip(*bars, strict=True),
                models=[model for _ in cosines for model in (None, "transformer")],
                marked=1.0,
            )
        )
    added = {tied: ends for tied, ends in numbers["nats_added"].items() if ends}
    untied = numbers["nats_per_token"]["none"]
    panels.append(
        BarPanel(
            "Cost of tying" + (f" (untied: {untied:.2f} nats per token)" if untied is not None else ""),
            "nats per token more",
            [TIES[tied] for tied in added],
            *by_end(added.values()),
            models=["transformer"] * len(added),
            marked=0.0,
        )
    )
    return panels
