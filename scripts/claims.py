"""Tests the claims: trains what is needed, once, and prints a verdict for each.

    python -m scripts.claims                          # all claims, quick: half an hour to an hour on two CPU cores
    python -m scripts.claims C1 C5 --profile full     # two of them with the full grids
    python -m scripts.claims --text multi30k  # C0, C1 and C7 on natural text too (from the Hub, or its folder)
    python -m scripts.claims --jobs 8

What is trained is kept in --cache under a hash of what determines it: an interrupted call goes on where it was, and a
second one only draws. To run jobs beyond one machine, call `run` inside a joblib.parallel_config of your own.

Each claim leaves NAME.json (findings, thresholds, intervals, every number of the figure, provenance) and NAME.png in
--out, and all a table, claims.md. A verdict is: holds, holds in part, fails, or undecided; pipeline/claims/verdict.py
has the rule, each page in pipeline/claims/ its criterion.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from matplotlib.image import imread
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from pipeline import claim_texts
from pipeline.atomic import write_text
from pipeline.children import num_processors
from pipeline.circumstances import commit, default_device
from pipeline.claims import natural_text, natural_text_findings, verdict
from pipeline.claims.jobs import Failure, Job, Results, run_jobs
from pipeline.claims.natural_text import Text, find_text
from pipeline.claims_table import claims_table, conditions
from pipeline.documents import read_claims
from pipeline.errors import UserError, exit_on_error
from pipeline.json_files import write_json
from pipeline.panels import save_panels
from pipeline.paths import expanded
from pipeline.provenance import provenance

INTERVALS = "over items: bootstrap; over seeds: their variance, with Student's tails (pipeline/statistics.py)"
PAGES = {path.stem.partition("_")[0].upper(): path.stem for path in claim_texts.pages()}  # "C1" → "c1_bottleneck"


def page_of(name: str) -> ModuleType:
    """The page of a claim."""
    if name not in PAGES:
        raise UserError(f"no claim {name!r}; there are {' '.join(PAGES)}")
    return importlib.import_module(f"pipeline.claims.{PAGES[name]}")


def run(
    names: Sequence[str],
    profile: str,
    workers: int,
    cache: Path,
    out: Path,
    text: Text | None = None,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Runs, judges and writes the claims `names`, on natural text where there is one; returns what the JSON files
    hold."""
    commit()  # of the code that is loaded now, whatever is committed meanwhile
    torch.set_num_threads(1)  # as every job has, so that the hardware is said as it was
    pages = [page_of(name) for name in names]
    jobs = [job for page in pages for job in _jobs(page, profile, text)]
    out.mkdir(parents=True, exist_ok=True)  # before the hours of training, after which it might not be possible
    results, failures = _run_with_progress(jobs, cache, workers, device)
    for failure in failures:
        print(f"failed: {failure.job}\n{failure.error}", file=sys.stderr)
    contents = [_judge(page, results, failures, profile, text, device) for page in pages]
    for page, content in zip(pages, contents, strict=True):
        _write(page, content, out)
    tested = read_claims(out)
    write_text(out / "claims.md", claims_table(tested))
    print(f"\n{claims_table(contents, tested)}\nJSON, figures, and the table of all claims tested so far: {out}")
    return contents


def _jobs(page: ModuleType, profile: str, text: Text | None) -> list[Job]:
    """Those of the page, then those on natural text."""
    on_text = natural_text.jobs(page.CLAIM.name, profile, text) if text and _is_on_text(page) else []
    return [*page.jobs(profile), *on_text]


def _is_on_text(page: ModuleType) -> bool:
    return page.CLAIM.name in natural_text.MODELS_OF


def _run_with_progress(jobs: Sequence[Job], cache: Path, workers: int, device: str) -> tuple[Results, list[Failure]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("jobs", total=len(dict.fromkeys(jobs)))
        return run_jobs(jobs, cache, workers, on_done=lambda job: progress.advance(task), device=device)


def _judge(
    page: ModuleType, results: Results, failures: Sequence[Failure], profile: str, text: Text | None, device: str
) -> dict[str, Any]:
    findings, numbers = page.judge(results, profile)
    of_text: dict[str, Any] = {}
    if _is_on_text(page):
        of_text = {"natural_text": text and {"corpus": text.name, "content_hash": text.content_hash}}
    if text and of_text:
        more, numbers["natural_text"] = natural_text_findings.judge(page.CLAIM.name, results, profile, text)
        findings = [*findings, *more]
        of_text["natural_text"] |= natural_text.PROFILES[profile]
    judged = verdict.judge(findings)
    mine = _jobs(page, profile, text)
    return {
        "claim": page.CLAIM._asdict(),
        "verdict": judged.verdict,
        "why": judged.why + ("; on natural text: not run" if of_text and not text else ""),
        "findings": [finding._asdict() for finding in findings],
        "intervals": INTERVALS,
        "numbers": numbers,
        "profile": profile,
        "settings": dict(page.PROFILES[profile]),
        **of_text,
        **results.effort(mine),
        "missing_jobs": [str(failure.job) for failure in failures if failure.job in mine],
        **provenance("scripts.claims", device),
    }


def _write(page: ModuleType, content: dict[str, Any], out: Path) -> None:
    """The JSON is removed first and written last: where there is one, the figure beside it is of it."""
    name = page.CLAIM.name
    (out / f"{name}.json").unlink(missing_ok=True)
    panels = page.draw(content["numbers"])
    if of_text := content["numbers"].get("natural_text"):
        panels = [*panels, *natural_text_findings.draw(of_text)]
    path, events = out / f"{name}.png", out / "events" / name
    is_new = save_panels(path, f"{name} {page.CLAIM.title}: {content['verdict']}", panels, conditions(content))
    if is_new or not any(events.glob("events.out.*")):
        for stale in events.glob("events.out.*"):
            stale.unlink()
        with SummaryWriter(str(events)) as writer:
            writer.add_image(f"claims/{name}", imread(path), dataformats="HWC")
    write_json(out / f"{name}.json", content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.claims", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("claims", nargs="*", default=[], help=f"which: {' '.join(PAGES)}; default: all")
    parser.add_argument("--profile", choices=("quick", "full"), default="quick", help="size of the grids")
    parser.add_argument("--jobs", type=int, default=num_processors(), help="how many at once (default: one per core)")
    parser.add_argument("--text", help="natural text for C0, C1 and C7: a Multi30k folder, or multi30k from the Hub")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where trainings run (auto: a GPU if any)"
    )
    parser.add_argument(
        "--runs_dir",
        type=expanded,
        default=Path("runs"),
        help="folder of runs, in which claims/ has all below (default: runs)",
    )
    parser.add_argument("--cache", type=expanded, help="where finished jobs are kept (default: RUNS_DIR/claims/cache)")
    parser.add_argument("--out", type=expanded, help="where results are written (default: RUNS_DIR/claims/PROFILE)")
    return parser


def _device(wanted: str) -> str:
    """`auto` made one of cpu and cuda."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU here; leave --device out, or install torch with CUDA")
    return wanted if wanted != "auto" else default_device()


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        if options.jobs < 1:
            raise UserError(f"--jobs is {options.jobs}; it must be at least 1")
        folder = options.runs_dir / "claims"
        cache, out = options.cache or folder / "cache", options.out or folder / options.profile
        text = find_text(options.text, options.profile) if options.text else None
        names = options.claims or list(PAGES)
        try:
            contents = run(names, options.profile, options.jobs, cache, out, text, _device(options.device))
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here", file=sys.stderr)
            raise
    if any(content["missing_jobs"] for content in contents):
        sys.exit(1)


if __name__ == "__main__":
    main()
