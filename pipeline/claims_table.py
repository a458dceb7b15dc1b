"""The table of all claims, made from their JSON. No torch here."""

from collections.abc import Sequence
from typing import Any

from pipeline.report import markdown_table


def verdicts_table(contents: Sequence[dict[str, Any]]) -> str:
    """Claim, verdict, the first primary finding with its interval, and what decided."""
    rows = []
    for content in contents:
        primary = next(f for f in content["findings"] if f["is_primary"])
        name = f"{content['claim']['name']} {content['claim']['title']}"
        rows.append([name, f"**{content['verdict']}**", f"{primary['what']}: {_value(primary)}", content["why"]])
    return markdown_table(["claim", "verdict", "effect [95 % interval]", "why"], rows, num_texts=4)


def claims_table(contents: Sequence[dict[str, Any]]) -> str:
    """The table of verdicts, then every finding of every claim."""
    parts = [verdicts_table(contents)]
    for content in contents:
        claim = content["claim"]
        parts.append(f"### {claim['name']} {claim['title']}: {content['verdict']}\n\n{claim['says']}")
        parts.append(
            markdown_table(
                ["finding", "measured", "rule", "outcome"],
                [
                    [
                        ("**" + f["what"] + "**") if f["is_primary"] else f["what"],
                        _value(f),
                        f["rule"],
                        f["outcome"],
                    ]
                    for f in content["findings"]
                ],
                num_texts=4,
            )
        )
        if content["missing_jobs"]:
            parts.append(f"{len(content['missing_jobs'])} jobs failed: {'; '.join(content['missing_jobs'])}.")
    profiles = sorted({content["profile"] for content in contents})
    parts.append(f"Profile: {', '.join(profiles)}. Bold findings are primary; in brackets: 95 % intervals.")
    return "\n\n".join(parts) + "\n"


def _value(finding: dict[str, Any]) -> str:
    if finding["value"] is None:
        return "–"
    if finding["low"] is None:
        return f"{finding['value']:.3g}"
    return f"{finding['value']:.3g} [{finding['low']:.3g}, {finding['high']:.3g}]"
