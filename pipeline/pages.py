"""HTML pages that need nothing beside themselves: no server, no network."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline import charts
from pipeline.claims_table import OUTCOMES, SAYS_COLUMN, how_to_read, num_outcomes, reason
from pipeline.plots import MODEL_LOOKS, DrawnMap, model_label
from pipeline.printable import printable
from pipeline.report import short_commit
from pipeline.report_claims import ClaimReport
from pipeline.report_content import CorpusReport


def _inline(text: str) -> Markup:
    """Our own prose with its marks, **strong**, *emphasis* and `code`; all else is escaped."""
    codes: list[str] = []

    def set_aside(code: re.Match) -> str:
        codes.append(code[1])
        return f"`{len(codes) - 1}`"

    marked = re.sub(r"`([^`]+)`", set_aside, str(escape(printable(text))))  # in which a * is no mark
    marked = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked)
    marked = re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", marked)
    return Markup(re.sub(r"`(\d+)`", lambda place: f"<code>{codes[int(place[1])]}</code>", marked))


# Text of corpora and models is escaped, wherever it stands, and holds nothing that reorders what stands beside it.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=lambda value: printable(value) if type(value) is str else value,  # not Markup, which is our own
)
_TEMPLATES.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
_TEMPLATES.filters["inline"] = _inline
_TEMPLATES.filters["short_commit"] = short_commit
_TEMPLATES.filters["num_outcomes"] = num_outcomes
_TEMPLATES.filters["reason"] = reason
_TEMPLATES.filters["model_label"] = model_label


def alignment_page(heading: str, maps: Sequence[DrawnMap]) -> str:
    """Alignment maps side by side; a cell's weight is shown when it is pointed at."""
    return _TEMPLATES.get_template("alignment.html").render(heading=heading, maps=maps)


def report_page(corpora: Sequence[CorpusReport], claims: Sequence[ClaimReport], date: str) -> str:
    """Everything that was measured, with the explorer of alignments.

    Args:
        date: The day the page was made on.
    """
    tested = [claim.content for claim in claims if claim.content]
    seeds = sorted({model["seed"] for corpus in corpora for model in corpus.explorer["models"]})
    return _TEMPLATES.get_template("report.html").render(
        corpora=corpora,
        claims=claims,
        says_column=SAYS_COLUMN,
        outcomes=list(OUTCOMES),
        how_to_read=how_to_read(tested) if tested else [],
        explorers=[{"name": corpus.name, **corpus.explorer} for corpus in corpora],
        seeds=f"Maps are those of {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}.",
        colours={name: look.colour for name, look in MODEL_LOOKS.items()},
        words=("the", "dog", "sleeps", "."),
        canvas=(charts.WIDTH, charts.HEIGHT, charts.LEFT, charts.RIGHT, charts.TOP, charts.BOTTOM),
        date=date,
    )
