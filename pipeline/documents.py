"""Documents with generated parts: what stands between two marks is made from the JSON in `results/`, never typed.

    <!-- results:toy -->     …  <!-- end -->     in English
    <!-- results:toy ko -->  …  <!-- end -->     in Korean

No torch here.
"""

import re
from pathlib import Path
from typing import Any

from pipeline.ablation_table import ablation_table
from pipeline.claim_texts import in_order
from pipeline.document_tables import claims_made, runs_made, scores, times, verdicts
from pipeline.errors import UserError
from pipeline.json_files import read_json
from pipeline.korean import in_korean
from pipeline.published_scores import evaluated_scores, published_scores

_EXERCISE = re.compile(r"^> \*\*(?:Exercise|연습) \d+\..*(?:\n>.*)*", flags=re.MULTILINE)
_MARKED = re.compile(r"<!-- (?P<what>\w+):(?P<name>[\w.-]+)(?P<korean> ko)? -->.*?<!-- end -->", flags=re.DOTALL)


def documents(root: Path) -> list[Path]:
    """The files that may hold generated tables, in the repository `root`."""
    return [*sorted(root.glob("README*.md")), *sorted((root / "docs").glob("*.md"))]


def with_tables(text: str, results_folder: Path) -> str:
    """`text` with what stands between each mark and `<!-- end -->` made anew from the published JSON.

    A mark has what is made and of what: `results:CORPUS` (scores), `made:CORPUS` (how they were made),
    `evaluated:CORPUS` (by beam search), `published:CORPUS` (beside scores of others), `ablation:CORPUS` (what each part
    of its recipe is worth), `claims:all`, `made:claims`, `times:all`; and, from the documents themselves,
    `exercises:lesson.md` (those of that page of docs/, without its answers).

    Raises:
        UserError: A mark asks for something that cannot be made, or nothing is published of it.
    """

    def made(place: re.Match) -> str:
        what, name = place["what"], place["name"]
        table = _table(what, name, results_folder)
        mark = place[0].partition(" -->")[0] + " -->"
        return f"{mark}\n\n{in_korean(table) if place['korean'] else table}\n\n<!-- end -->"

    return _MARKED.sub(made, text)


def _table(what: str, name: str, folder: Path) -> str:
    match what, name:
        case "claims", "all":
            return verdicts(read_claims(folder / "claims"))
        case "made", "claims":
            return claims_made(read_claims(folder / "claims"))
        case "times", "all":
            return times([read_json(path) for path in sorted(folder.glob("*/*-seed*.json"))])
        case "ablation", _:
            return ablation_table(read_json(folder / name / "ablation.json"))
        case "exercises", _:
            page = folder.parent / "docs" / name
            if not page.is_file():
                raise UserError(f"<!-- exercises:{name} -->: {page} is not there")
            return exercises(page.read_text(encoding="utf-8"))
        case "results", _:
            return scores(published_results(folder / name))
        case "made", _:
            return runs_made(published_results(folder / name))
        case "evaluated", _:
            return evaluated_scores(read_evaluations(folder, name))
        case "published", _:
            published = read_json(folder / "published.json")
            return published_scores(published, published_results(folder / name), read_evaluations(folder, name))
    raise UserError(f"<!-- {what}:{name} --> names no table; pipeline/documents.py lists those that there are")


def exercises(lesson: str) -> str:
    """The exercises of a lesson, one after the other: its quoted parts that begin with "Exercise 1." or "연습 1."."""
    return "\n\n".join(re.sub("^> ?", "", exercise, flags=re.MULTILINE) for exercise in _EXERCISE.findall(lesson))


def read_claims(folder: Path) -> list[dict[str, Any]]:
    """All claims that scripts.claims left in `folder`, or scripts.publish in results/claims."""
    return [read_json(path) for path in in_order(folder.glob("C*.json"))]


def published_results(folder: Path) -> list[dict[str, Any]]:
    """All published results of a corpus."""
    paths = sorted(folder.glob("*-seed*.json"))
    if not paths:
        raise UserError(
            f"{folder} holds no results; publish some: python -m scripts.publish runs/{folder.name}/*/seed1"
        )
    return [read_json(path) for path in paths]


def read_evaluations(results_folder: Path, corpus: str) -> list[dict[str, Any]]:
    """What `make evaluate` left of a corpus and of its other forms (`multi30k`, `multi30k_tok`); may be none."""
    return [read_json(path) for path in sorted(results_folder.glob(f"{corpus}*/evaluation/evaluation.json"))]
