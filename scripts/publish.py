"""Copies finished runs to `results/` and writes the tables of README.md from what is there.

    python -m scripts.publish runs/toy/*/seed1
    python -m scripts.publish --claims runs/claims/quick

Copied are results.json of each run, the figures that compare them, and their evaluation on the test set; of a corpus
that is not built in, only what is without its sentences. Without runs, only the tables are written anew.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from pipeline.claims_table import claims_table, verdicts_table
from pipeline.errors import UserError
from pipeline.report import length_table, results_table

RESULTS = Path("results")
README = Path("README.md")


def publish(runs: list[Path], results_folder: Path) -> None:
    """Copies `runs` into `results_folder`/<corpus>/.

    Raises:
        UserError: A run is not finished.
    """
    for run in runs:
        path = run / "results.json"
        if not path.is_file():
            raise UserError(f"{run} has no results.json: it is not finished; train it with make train")
        results = json.loads(path.read_text(encoding="utf-8"))
        folder = results_folder / results["corpus"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"{results['model']}-seed{results['seed']}.json")
        evaluation = run.parent.parent / "evaluation" / "test"
        if (evaluation / "evaluation.json").is_file():
            kept = folder / "evaluation"
            kept.mkdir(exist_ok=True)
            for path in [evaluation / "evaluation.json", evaluation / "tables.md", *evaluation.glob("*.png")]:
                shutil.copyfile(path, kept / path.name)
        figures = "*.png" if results["corpus"]["is_synthetic"] else "length.png"
        for figure in (run.parent.parent / "comparison" / run.name).glob(figures):
            shutil.copyfile(figure, folder / figure.name)


def publish_claims(folder: Path, results_folder: Path) -> None:
    """Copies the claims that `scripts.claims` wrote to `folder`, over what was published of the same claims.

    Raises:
        UserError: There are none.
    """
    written = sorted(folder.glob("C*.json"))
    if not written:
        raise UserError(f"{folder} holds no claims; test them with make claims")
    kept = results_folder / "claims"
    kept.mkdir(parents=True, exist_ok=True)
    for path in written:
        shutil.copyfile(path, kept / path.name)
        shutil.copyfile(path.with_suffix(".png"), kept / path.with_suffix(".png").name)
    (kept / "claims.md").write_text(claims_table(read_claims(results_folder)), encoding="utf-8")


def with_tables(text: str, results_folder: Path) -> str:
    """`text` with what stands between `<!-- results:CORPUS -->`, or `<!-- claims:all -->`, and `<!-- end -->` made from
    the published JSON."""

    def table(place: re.Match) -> str:
        made = (
            verdicts_table(read_claims(results_folder))
            if place["what"] == "claims"
            else _tables(read_results(results_folder / place["name"]))
        )
        return f"<!-- {place['what']}:{place['name']} -->\n\n{made}\n\n<!-- end -->"

    return re.sub(r"<!-- (?P<what>results|claims):(?P<name>\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


def read_claims(results_folder: Path) -> list[dict[str, Any]]:
    """All published claims, C1 first and C0, the order of the models, last."""
    paths = sorted((results_folder / "claims").glob("C*.json"), key=lambda path: (path.stem < "C1", path.stem))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def read_results(folder: Path) -> list[dict[str, Any]]:
    """All published results of a corpus."""
    paths = sorted(folder.glob("*-seed*.json"))
    if not paths:
        raise UserError(
            f"{folder} holds no results; publish some: python -m scripts.publish runs/{folder.name}/*/seed1"
        )
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _tables(results: list[dict[str, Any]]) -> str:
    synthetic = results[0]["corpus"]["is_synthetic"]
    value = "exact_match" if synthetic else "bleu"
    what = "Sentences translated exactly right" if synthetic else "BLEU"
    first = results[0]
    made = sorted({f"`{(result['commit'] or 'unknown')[:10]}`" for result in results})
    hardware = first["hardware"]["gpu"] or f"{first['hardware']['processor']}, {first['hardware']['threads']} thread(s)"
    return "\n\n".join(
        [
            results_table(results, with_minutes=False),
            f"{what}, by source length:",
            length_table(results, value),
            f"Test set, greedy search; seed {first['seed']}, commit {', '.join(made)}, {hardware}. "
            f"`nats/token` is teacher-forced, per target token.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.publish", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--claims", type=Path, help="folder with claims, as scripts.claims leaves it")
    options = parser.parse_args()
    try:
        publish(options.runs, RESULTS)
        if options.claims:
            publish_claims(options.claims, RESULTS)
        README.write_text(with_tables(README.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
