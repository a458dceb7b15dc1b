"""Copies finished runs to `results/` and writes the tables of README.md from what is there.

    python -m scripts.publish runs/toy/*/seed1

Copied are results.json of each run, the figures that compare them, and their evaluation on the test set; of a corpus
that is not built in, only what is without its sentences. Without runs, only the tables are written anew.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

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


def with_tables(text: str, results_folder: Path) -> str:
    """`text` with what stands between `<!-- results:CORPUS -->` and `<!-- end -->` made from that corpus's JSON."""
    parts = text.split("<!-- results:")
    done = [parts[0]]
    for part in parts[1:]:
        corpus, rest = part.split(" -->", 1)
        _, after = rest.split("<!-- end -->", 1)
        results = read_results(results_folder / corpus)
        done.append(f"{corpus} -->\n\n{_tables(results)}\n\n<!-- end -->{after}")
    return "<!-- results:".join(done)


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
    options = parser.parse_args()
    try:
        publish(options.runs, RESULTS)
        README.write_text(with_tables(README.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
