"""HTML pages that need nothing beside themselves: no server, no network."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.plots import PanelMap
from pipeline.printable import printable

# Text of corpora and models is escaped, wherever it stands, and holds nothing that reorders what stands beside it.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=lambda value: printable(value) if type(value) is str else value,  # not Markup, which is our own
)


def alignment_page(heading: str, maps: Sequence[PanelMap]) -> str:
    """Alignment maps side by side; a cell's weight is shown when it is pointed at."""
    return _TEMPLATES.get_template("alignment.html").render(heading=heading, maps=maps)
