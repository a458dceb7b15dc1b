"""The table of all claims, made from their JSON. No torch here."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.claims.inference import holm
from pipeline.markdown_blocks import markdown_table
from pipeline.report import made_at, short_commit, shown_p_value

SAYS_COLUMN = "the article says, in short"  # heads a column of tables of verdicts, and of no other
# The columns of a table of verdicts, and the outcomes of findings that are counted in each.
OUTCOMES = {"findings that pass": ("passes",), "fail": ("fails",), "undecided": ("undecided", "missing")}
_LEVEL = 0.05  # of 95 % intervals


def verdicts_table(contents: Sequence[dict[str, Any]]) -> str:
    """Claim, verdict, how its findings came out, and a primary finding that decided it."""
    rows = []
    for content in contents:
        effect = _effect(content)
        name = f"{content['claim']['name']} {content['claim']['title']}"
        counts = map(str, num_outcomes(content))
        rows.append([name, f"**{content['verdict']}**", *counts, f"{effect['what']}: {_value(effect)}"])
    header = ["claim", "verdict", *OUTCOMES, "effect [95 % interval]"]
    return markdown_table(header, rows, len(header))


def num_outcomes(content: dict[str, Any]) -> list[int]:
    """How many findings of a claim stand in each column of `OUTCOMES`."""
    return [sum(finding["outcome"] in counted for finding in content["findings"]) for counted in OUTCOMES.values()]


def how_tested(contents: Sequence[dict[str, Any]]) -> str:
    """A sentence: by which profile claims were tested, and by what commit and machine they were judged."""
    return f"Profile {', '.join(sorted({content['profile'] for content in contents}))}, {made_at(contents)}."


def reason(content: dict[str, Any]) -> str:
    """Why a verdict is what it is, as a sentence."""
    return f"{content['why'][:1].upper()}{content['why'][1:]}."


def _effect(content: dict[str, Any]) -> dict[str, Any]:
    """The primary finding to be shown beside the verdict: one that came out as the claim did, measured if any is, since
    an exact one says nothing of a size."""
    primary = [finding for finding in content["findings"] if finding["is_primary"]]
    outcome = {"fails": "fails", "undecided": "undecided"}.get(content["verdict"], "passes")
    return min(primary, key=lambda finding: (finding["outcome"] != outcome, finding["low"] is None))


def claims_table(contents: Sequence[dict[str, Any]], family: Sequence[dict[str, Any]] = ()) -> str:
    """The table of verdicts; of every claim the reason of its verdict and every finding; and how to read them.

    Args:
        contents: Of the claims to be shown.
        family: Of all claims that were tested; p-values are corrected for the number of their primary findings with an
            interval. By default those shown.
    """
    family = family or contents
    corrected = _corrected(family)
    parts = [verdicts_table(contents)]
    for content in contents:
        claim = content["claim"]
        parts.append(f"### {claim['name']} {claim['title']}: {content['verdict']}\n\n{claim['says']}")
        parts.append(reason(content))
        parts += _findings(content, corrected)
    parts.append(f"### How to read these tables\n\n{how_tested(contents)}")
    parts.append("\n".join(f"- {entry}" for entry in how_to_read(family)))
    return "\n\n".join(parts) + "\n"


def conditions(content: dict[str, Any]) -> list[str]:
    """To stand under a claim's figure: how many seeds, items and steps are behind it, what code, on what hardware."""
    hardware = content["hardware"]["gpu"] or content["hardware"]["processor"]
    parts = [
        f"{content['profile']} profile: {_settings(content['settings'])}. "
        f"Commit {short_commit(content['commit'])}, {hardware}."
    ]
    if text := content.get("natural_text"):
        more = {key: value for key, value in text.items() if key not in ("corpus", "content_hash")}
        parts.append(f"On {text['corpus']}: {_settings(more)}.")
    return parts


def _settings(settings: Mapping[str, Any]) -> str:
    """{"d_model": 64, "seeds": [1, 2, 3]} as "d_model 64, seeds 1–3": by the names that code and JSON have."""
    return ", ".join(f"{name} {_shown(value)}" for name, value in settings.items())


def _shown(value: Any) -> str:
    match value:
        case Mapping():
            return f"({_settings(value)})"
        case [int(first), _, *_, int(last)] if list(value) == list(range(first, last + 1)):
            return f"{first}–{last}"
        case [*entries]:
            return "/".join(map(str, entries))
    return str(value)


def findings_table(content: dict[str, Any], family: Sequence[dict[str, Any]]) -> str:
    """Every finding of one claim, and what has to be said of it; `family` as in `claims_table`."""
    return "\n\n".join(_findings(content, _corrected(family))) + "\n"


def _findings(content: dict[str, Any], corrected: dict[tuple[str, str], float]) -> list[str]:
    """A claim's table, and what has to be said of it."""
    p_values = [corrected.get((content["claim"]["name"], finding["what"])) for finding in content["findings"]]
    rows = [
        [
            f"**{finding['what']}**" if finding["is_primary"] else finding["what"],
            _value(finding) + ("" if p_value is None else f", {shown_p_value(p_value)}"),
            _over(finding),
            finding["rule"],
            finding["outcome"],
        ]
        for finding, p_value in zip(content["findings"], p_values, strict=True)
    ]
    parts = [markdown_table(["finding", "measured", "seeds × items", "rule", "outcome"], rows, num_texts=5)]
    parts += [
        f"Weak: “{finding['what']}” passes by its own interval, but corrected for the number of primary findings "
        f"(Holm) it has {shown_p_value(p_value)}."
        for finding, p_value in zip(content["findings"], p_values, strict=True)
        if finding["outcome"] == "passes" and (p_value or 0.0) > _LEVEL
    ]
    if "natural_text" in content:
        parts.append(_natural_text(content["natural_text"]))
    if content["missing_jobs"]:
        parts.append(f"{len(content['missing_jobs'])} jobs failed: {'; '.join(content['missing_jobs'])}.")
    return parts


def how_to_read(family: Sequence[dict[str, Any]]) -> list[str]:
    """What the tables of findings mean, entry by entry; `family` as in `claims_table`."""
    missed = 100 * (1 - _LEVEL ** (1 / 3))
    return [
        "**Bold**: primary findings, with which the claim stands or falls. **In brackets**: 95 % intervals, which "
        "decide; of few seeds, that of a share may go beyond 0 or 1.",
        "**An interval without width**: all seeds and items came out alike. Among n items that may still miss a share "
        f"of 3 / n, and among three seeds up to {missed:.0f} % of other trainings.",
        "**Seeds × items**: over how many seeds a number is (1 for timings), and items of each (sentences, pairs, "
        "rounds); of two models the fewer seeds; without items where each seed gave one number.",
        "**Controls** that a rule speaks of are among the rows that begin so; which, the claim's page says.",
        "**Exact** findings follow from how a model is built, those that fail too: but for a bug, no run can change "
        "them.",
        "**GRU →**: the encoder reads from left to right. **GRU ⇄**: both ways.",
        "**g(d)**: how much the loss depends on the vector of the symbol that is asked for, d steps back, per unit of "
        "its gradient at the logits.",
        "**p**: the p-value of the hypothesis that a primary finding only just reaches its threshold (of “at least … "
        "above …” the second, or the first where the value is below it), corrected (Holm 1979) for all primary "
        f"findings that {_names(family)} have.",
    ]


def _names(contents: Sequence[dict[str, Any]]) -> str:
    *others, last = [content["claim"]["name"] for content in contents]
    return f"{', '.join(others)} and {last}" if others else last


def _natural_text(on: dict[str, Any] | None) -> str:
    if on is None:
        return (
            "On natural text: not run (`make claims TEXT=multi30k`, or a folder that holds it). "
            "The verdict is formed from the findings above."
        )
    return f"On natural text: {on['corpus']}, {on['steps']} steps."


def _corrected(contents: Sequence[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """By claim and finding: p-values of the primary findings, corrected for all that were measured with an interval.

    An interval without width has no p-value, and is one of those that were looked at all the same.
    """
    primary = [
        (content["claim"]["name"], f["what"], f["p_value"])
        for content in contents
        for f in content["findings"]
        if f["is_primary"] and f["low"] is not None
    ]
    p_values = holm([1.0 if p_value is None else p_value for *_, p_value in primary])
    return {
        (claim, what): corrected
        for (claim, what, p_value), corrected in zip(primary, p_values, strict=True)
        if p_value is not None
    }


def _over(finding: dict[str, Any]) -> str:
    """How many seeds, and items of each, an interval is over; items are left out where each seed gave one number."""
    n, seeds = finding["n"], finding["seeds"]
    return "–" if n is None else str(seeds) if n == 1 else f"{seeds} × {n}"


def _value(finding: dict[str, Any]) -> str:
    if finding["value"] is None:
        return "–"
    if finding["low"] is None:
        return f"{finding['value']:.3g}"
    return f"{finding['value']:.3g} [{finding['low']:.3g}, {finding['high']:.3g}]"
