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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.ablation_table import together
from pipeline.atomic import write_atomically, write_text
from pipeline.claims_table import claims_table
from pipeline.curves import scalar_curves
from pipeline.documents import documents, read_claims, with_tables
from pipeline.errors import UserError, exit_on_error
from pipeline.evaluation.kept import EVALUATION, is_evaluation
from pipeline.finished_runs import read_results
from pipeline.json_files import read_json, write_json
from pipeline.report_content import SAME_NATS, nats_of_runs

RESULTS = Path("results")
VALIDATION_CURVES = ("loss/val", "bleu/val")
OF_AN_EVALUATION = (".json", ".md", ".png")
OF_A_RUN = (".jsonl", ".hyp")  # among those of an evaluation


def publish(runs: list[Path], results_folder: Path) -> None:
    """Copies `runs` into `results_folder`/<corpus>/.

    Raises:
        UserError: A run is not finished, has lost its curves, does not belong with what is published, or was evaluated
            before it was trained anew.
    """
    # runs/CORPUS/*/seed1 names the figures too; they are copied with the runs
    results_of = {run: read_results(run) for run in runs if run.parent.name != "comparison"}
    _refuse_twice(results_of.values())
    _refuse_two_recipes(results_of.values(), results_folder)
    evaluations = {run: _evaluation_of(run, results, results_folder) for run, results in results_of.items()}
    _refuse_several(results_of, evaluations)
    curves = {run: _curves_of(run) for run in results_of}
    for run, results in results_of.items():
        folder = results_folder / results["corpus"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{results['model']}-seed{results['seed']}"
        _copy(run / "results.json", folder / f"{name}.json")
        write_json(folder / "curves" / f"{name}.json", curves[run])
        if evaluation := evaluations[run]:
            _replace(folder / "evaluation", evaluation)
    for run, results in sorted(results_of.items(), key=lambda item: -item[1]["seed"]):  # the lowest seed's stay
        of_corpus = [made for made in results_of.values() if made["corpus"]["name"] == results["corpus"]["name"]]
        _copy_figures(run, results["corpus"], results_folder, of_corpus)


def _curves_of(run: Path) -> dict[str, list[list[float]]]:
    """The validation curves of a run. Raises UserError where it has none."""
    curves = scalar_curves(run, VALIDATION_CURVES)
    if "loss/val" not in curves:
        raise UserError(f"{run} has no curve of loss/val: copy its event files (events.out.tfevents.…) there as well")
    return curves


def _copy(source: Path, target: Path) -> None:
    write_atomically(target, lambda temporary: shutil.copyfile(source, temporary))


def _copy_figures(run: Path, corpus: dict[str, Any], results_folder: Path, given: Iterable[dict[str, Any]]) -> None:
    """Copies the figures that compare a run with others, unless the table has runs that are not among the `given`."""
    folder = results_folder / corpus["name"]
    missing = {_place(made) for made in _published(results_folder, [corpus["name"]])} - set(map(_place, given))
    for figure in (run.parent.parent / "comparison" / run.name).glob(
        "*.png" if corpus["is_synthetic"] else "length.png"
    ):
        if missing and (folder / figure.name).is_file():
            print(f"{folder / figure.name} is kept: {figure} would not show {', '.join(_names(missing))}")
        else:
            _copy(figure, folder / figure.name)


def _place(results: dict[str, Any]) -> tuple[str, int]:
    return results["model"], results["seed"]


def _names(places: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{model}, seed {seed}" for model, seed in sorted(places)]


def _refuse_twice(results: Iterable[dict[str, Any]]) -> None:
    """Raises UserError where two runs are of one corpus, model and seed, of which one would replace the other."""
    places = [(made["corpus"]["name"], *_place(made)) for made in results]
    for corpus, model, seed in places:
        if places.count((corpus, model, seed)) > 1:
            raise UserError(f"two of the runs are {model} of {corpus}, seed {seed}; publish one of them")


def _refuse_two_recipes(results: Iterable[dict[str, Any]], results_folder: Path) -> None:
    """Raises UserError where runs of one corpus and seed would stand in one table that had not the same batches, or of
    one model that have not the same number of parameters, or of one corpus that are not of the same text.

    Another tokenizer shows in the batches too, since it gives other lengths.
    """
    batches: dict[tuple[str, int], dict[str, str]] = {}  # by corpus and seed, the order's hash by model
    sizes: dict[tuple[str, str], dict[int, int]] = {}  # by corpus and model, the number of parameters by seed
    texts: dict[str, dict[tuple[str, int], str]] = {}  # by corpus, the text's hash by model and seed
    names = {made["corpus"]["name"] for made in results}
    for made in [*_published(results_folder, names), *results]:  # what is published anew replaces what was
        corpus, seed, model = made["corpus"]["name"], made["seed"], made["model"]
        batches.setdefault((corpus, seed), {})[model] = made["batch_order_hash"]
        sizes.setdefault((corpus, model), {})[seed] = made["parameters"]
        texts.setdefault(corpus, {})[_place(made)] = made["corpus"]["content_hash"]
    for corpus, of_places in texts.items():
        if len(set(of_places.values())) > 1:
            raise UserError(
                f"{'; '.join(_names(of_places))} of {corpus} were not trained on the same text and do not belong in "
                f"one table; publish all of them at once, or remove the others from {results_folder / corpus}"
            )
    for (corpus, seed), of_models in batches.items():
        if len(set(of_models.values())) > 1:
            raise UserError(
                f"{', '.join(of_models)} of {corpus}, seed {seed}, were not trained on the same batches and do not "
                f"belong in one table; publish all of them at once, or remove the others from {results_folder / corpus}"
            )
    for (corpus, model), of_seeds in sizes.items():
        if len(set(of_seeds.values())) > 1:
            found = ", ".join(f"seed {seed}: {parameters:,}" for seed, parameters in sorted(of_seeds.items()))
            raise UserError(
                f"{model} of {corpus} has not the same number of parameters in all its runs ({found}), so that a mean "
                f"of them says nothing; publish all seeds at once, or remove the others from {results_folder / corpus}"
            )


def _published(results_folder: Path, corpora: Iterable[str]) -> list[dict[str, Any]]:
    return [read_json(path) for name in corpora for path in (results_folder / name).glob("*-seed*.json")]


def _evaluation_of(run: Path, results: dict[str, Any], results_folder: Path) -> Path | None:
    """The folder with the evaluation of a run on its test set; None where there is none.

    Raises:
        UserError: It, or the published one that would stay, is of other weights than the run has now; or the published
            one has runs that it has not.
    """
    folder = run.parent.parent / "evaluation" / "test"
    published = results_folder / results["corpus"]["name"] / "evaluation"
    before = nats_of_runs(read_json(published / EVALUATION)) if is_evaluation(published) else {}
    is_there = is_evaluation(folder)
    evaluated = nats_of_runs(read_json(folder / EVALUATION)) if is_there else before
    now = results["nats_per_token"]["test"]
    if (is_there or _place(results) in before) and abs(evaluated.get(_place(results), float("inf")) - now) > SAME_NATS:
        raise UserError(
            f"{folder if is_there else published} is not of {run} as it is now ({now:.3f} nats per token on the test "
            "set): evaluate the runs again with make evaluate, or move that folder away to publish without it"
        )
    if is_there and (lost := before.keys() - evaluated.keys()):
        search = "--beam {beam} --alpha {alpha:g}".format(**read_json(folder / EVALUATION)["search"])
        advice = (
            f"put them together with python -m scripts.evaluate {folder} {published} --corpus FOLDER {search} "
            f"--out {folder}"
        )
        if before.keys() & evaluated.keys() or results["corpus"]["is_synthetic"]:  # refused: two of one run, word links
            advice = "evaluate all of these runs together again"
        raise UserError(
            f"{folder} would take the place of {published}, but has not {'; '.join(_names(lost))}; {advice}, or "
            "remove the second"
        )
    return folder if is_there else None


def _refuse_several(results_of: dict[Path, dict[str, Any]], evaluations: dict[Path, Path | None]) -> None:
    """Raises UserError where runs of one corpus have evaluations in several folders: one would be published."""
    of_corpus: dict[str, set[Path]] = {}
    for run, evaluation in evaluations.items():
        if evaluation:
            of_corpus.setdefault(results_of[run]["corpus"]["name"], set()).add(evaluation)
    for folders in of_corpus.values():
        if len(folders) > 1:
            raise UserError(
                f"{' and '.join(map(str, sorted(folders)))} are of one corpus, and one evaluation of it is published: "
                "evaluate these runs together, with --out in place of one of them, and remove the others"
            )


def _replace(kept: Path, evaluation: Path) -> None:
    """Copies an evaluation to `kept`, in the place of what was there until then."""
    copied = kept.with_name(f".{kept.name}.new")
    shutil.rmtree(copied, ignore_errors=True)
    copied.mkdir(parents=True)
    of_runs = {f"{model}-seed{seed}" for model, seed in nats_of_runs(read_json(evaluation / EVALUATION))}
    for path in evaluation.iterdir():
        is_stale = path.suffix in OF_A_RUN and path.stem not in of_runs
        if path.suffix in (*OF_AN_EVALUATION, *OF_A_RUN) and not is_stale:
            shutil.copyfile(path, copied / path.name)
    old = kept.with_name(f".{kept.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if kept.is_dir():
        kept.rename(old)
    copied.rename(kept)
    shutil.rmtree(old, ignore_errors=True)


def publish_ablation(path: Path, results_folder: Path) -> None:
    """Copies what `scripts.ablate` wrote to `path`, beside the models of the same ablation that are published already.

    Raises:
        UserError: There is none, or what is published is not of the same recipe, trained and scored alike.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there; make it with python -m scripts.ablate")
    content = read_json(path, "corpus", "models")
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
        UserError: There are none, or one has no figure, or less behind it than the published one.
    """
    written = sorted(folder.glob("C*.json"))
    if not written:
        raise UserError(f"{folder} holds no claims; test them with make claims")
    kept = results_folder / "claims"
    for path in written:
        if not path.with_suffix(".png").is_file():
            raise UserError(f"{path} has no figure beside it, as where make claims was stopped; run that again")
        published = read_json(kept / path.name) if (kept / path.name).is_file() else {}
        if lacking := _less_than(published, read_json(path, "missing_jobs", "profile")):
            raise UserError(
                f"{path} would take the place of {kept / path.name}, but {lacking}; test the claim again with that, or "
                "remove the published one"
            )
    kept.mkdir(parents=True, exist_ok=True)
    for path in written:
        for source in (path, path.with_suffix(".png")):
            _copy(source, kept / source.name)
    write_text(kept / "claims.md", claims_table(read_claims(kept)))


def _less_than(published: dict[str, Any], now: dict[str, Any]) -> str:
    """What a claim that is tested `now` lacks of the `published` one, in words; empty where it lacks nothing."""
    if now["missing_jobs"]:
        return f"{len(now['missing_jobs'])} of its jobs failed"
    if published.get("natural_text") and not now.get("natural_text"):
        return "was not tested on natural text (TEXT=, --text)"
    if published.get("profile") == "full" and now["profile"] != "full":
        return "was tested by a smaller profile (PROFILE=full, --profile full)"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--claims", type=Path, help="folder with claims, as scripts.claims leaves it")
    parser.add_argument("--ablation", type=Path, help="JSON of an ablation, as scripts.ablate leaves it")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        publish(options.runs, RESULTS)
        if options.claims:
            publish_claims(options.claims, RESULTS)
        if options.ablation:
            publish_ablation(options.ablation, RESULTS)
        for path in documents(Path()):
            write_text(path, with_tables(path.read_text(encoding="utf-8"), RESULTS))


if __name__ == "__main__":
    main()
