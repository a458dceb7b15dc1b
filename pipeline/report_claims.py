"""What the report says of each claim: our own words, the experiment, its figure and its verdict. No torch here."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from pipeline.claim_texts import ClaimText, claim_texts, first_sentences
from pipeline.claims_table import findings_table
from pipeline.json_files import read_json
from pipeline.markdown_blocks import Table, blocks_of


class ClaimReport(NamedTuple):
    """A claim and what came of it.

    Attributes:
        text: What its page says.
        experiment: The set-up in two sentences …
        more: … and the rest of it.
        content: The JSON that scripts.claims wrote; None where the claim has not been tested.
        findings: Every measurement beside its threshold.
        notes: What else stands under the table: a weak finding, the natural text, jobs that failed.
        figure: A data URI; empty where there is none.
        is_published: Whether the result came with the project instead of being computed here.
    """

    text: ClaimText
    experiment: str
    more: str
    content: dict[str, Any] | None = None
    findings: Table | None = None
    notes: Sequence[str] = ()
    figure: str = ""
    is_published: bool = False


def claim_reports(own: Sequence[Path], published: Path) -> list[ClaimReport]:
    """All claims; the result of each is taken from the first folder that has it, the published ones last."""
    texts = claim_texts()
    found = [[folder / f"{text.name}.json" for folder in (*own, published)] for text in texts]
    paths = [next((path for path in of_claim if path.is_file()), None) for of_claim in found]
    contents = {path: read_json(path) for path in paths if path}
    reports = []
    for text, path in zip(texts, paths, strict=True):
        experiment, more = first_sentences(text.sections.get("Set-up", ""), 2)
        if path is None:
            reports.append(ClaimReport(text, experiment, more))
            continue
        content = contents[path]
        findings, *notes = blocks_of(findings_table(content, list(contents.values())))
        figure = path.with_suffix(".png")
        uri = figure_uri(figure) if figure.is_file() else ""
        reports.append(
            ClaimReport(
                text, experiment, more, content, findings, [note.text for note in notes], uri, path.parent == published
            )
        )
    return reports


def figure_uri(path: Path) -> str:
    """A PNG as a data URI of lossless WebP: a third of the size, so that the page is small enough to be mailed."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, "WEBP", lossless=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
