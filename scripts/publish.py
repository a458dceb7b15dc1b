"""Copies finished runs to `results/` and writes the tables of README.md and docs/ from what is there.

    python -m scripts.publish runs/toy/*/seed1
    python -m scripts.publish --claims runs/claims/quick
    python -m scripts.publish --ablation runs/ablation/ablation.json

Copied are results.json of each run with its validation curves, the figures that compare them, and their evaluation on
the test set with the translations; of a corpus that is not built in, nothing that shows its own sentences. Without
runs, only the tables are written anew.
"""

import argparse
import shutil
from pathlib import Path

from pipeline.ablation_table import together
from pipeline.claims_table import claims_table
from pipeline.curves import scalar_curves
from pipeline.documents import documents, read_claims, with_tables
from pipeline.errors import UserError, exit_on_error
from pipeline.report_content import read_json
from pipeline.results import write_json

RESULTS = Path("results")
VALIDATION_CURVES = ("loss/val", "bleu/val")
OF_AN_EVALUATION = (".json", ".jsonl", ".md", ".png", ".hyp")


def publish(runs: list[Path], results_folder: Path) -> None:
    """Copies `runs` into `results_folder`/<corpus>/.

    Raises:
        UserError: A run is not finished.
    """
    for run in runs:
        if run.parent.name == "comparison":  # runs/CORPUS/*/seed1 names its figures too; they are copied with the runs
            continue
        path = run / "results.json"
        if not path.is_file():
            raise UserError(f"{run} has no results.json: it is not finished; train it with make train")
        results = read_json(path)
        folder = results_folder / results["corpus"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{results['model']}-seed{results['seed']}"
        shutil.copyfile(path, folder / f"{name}.json")
        write_json(folder / "curves" / f"{name}.json", scalar_curves(run, VALIDATION_CURVES))
        evaluation = run.parent.parent / "evaluation" / "test"
        if (evaluation / "evaluation.json").is_file():
            kept = folder / "evaluation"
            kept.mkdir(exist_ok=True)
            for path in evaluation.iterdir():
                if path.suffix in OF_AN_EVALUATION:
                    shutil.copyfile(path, kept / path.name)
        figures = "*.png" if results["corpus"]["is_synthetic"] else "length.png"
        for figure in (run.parent.parent / "comparison" / run.name).glob(figures):
            shutil.copyfile(figure, folder / figure.name)


def publish_ablation(path: Path, results_folder: Path) -> None:
    """Copies what `scripts.ablate` wrote to `path`, beside the models of the same ablation that are published already.

    Raises:
        UserError: There is none, or what is published is not of the same recipe, trained and scored alike.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there; make it with python -m scripts.ablate")
    content = read_json(path)
    published = results_folder / content["corpus"]["name"] / "ablation.json"
    if published.is_file():
        try:
            content = together(read_json(published), content)
        except UserError as error:
            raise UserError(f"{error}; to publish this one in its place, remove {published}") from error
    write_json(published, content)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--claims", type=Path, help="folder with claims, as scripts.claims leaves it")
    parser.add_argument("--ablation", type=Path, help="JSON of an ablation, as scripts.ablate leaves it")
    return parser


def main() -> None:
    options = _parser().parse_args()
    with exit_on_error():
        publish(options.runs, RESULTS)
        if options.claims:
            publish_claims(options.claims, RESULTS)
        if options.ablation:
            publish_ablation(options.ablation, RESULTS)
        for path in documents(Path()):
            path.write_text(with_tables(path.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
