"""Writes one HTML file that shows everything that was trained, measured and tested: no server, no network, no torch.

    python -m scripts.report                    # all runs in runs/, to report/index.html
    python -m scripts.report runs/toy --out toy.html
    python -m scripts.report runs/toy/gru       # of a corpus, these runs only

Shown is what is there: finished runs with their curves and maps, their evaluation (make evaluate), the claims
(make claims; where they have not been tested here, the published results), and what has not been run yet. The maps are
computed by scripts.explorer, in a process of its own, where they are missing or are not of the runs as they are now.

With --bertviz, the attention of the shown sentences is also written for BertViz, https://github.com/jessevig/bertviz: a
file for each model and sentence, to bertviz/ beside the page; pipeline/bertviz.py says how to draw them.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from pipeline.atomic import write_text
from pipeline.bertviz import bertviz_arguments
from pipeline.children import ended_by_signal
from pipeline.errors import UserError, exit_on_error
from pipeline.json_files import read_json, write_json
from pipeline.pages import report_page
from pipeline.paths import expanded
from pipeline.report_claims import claim_reports
from pipeline.report_content import CorpusRuns, corpus_report, explorer_hashes, find_corpora

PUBLISHED_CLAIMS = Path("results/claims")
_LARGEST = 5_000_000  # bytes, of a page that can still be mailed


def write_report(runs: Path, claims: Path, out: Path) -> None:
    """Writes the report on the finished runs inside `runs` and the claims inside `claims` to `out`.

    Raises:
        UserError: There is no finished run, or what a run left cannot be read.
    """
    corpora = find_corpora(runs)
    for corpus in corpora:
        if not _is_up_to_date(corpus):
            print(f"computing the maps of {corpus.inside} …", flush=True)
            _compute_maps(corpus.inside)
    reports = [corpus_report(corpus) for corpus in corpora]
    page = report_page(
        sorted(reports, key=lambda corpus: (not corpus.is_synthetic, corpus.name)),
        claim_reports([claims / "full", claims / "quick"], PUBLISHED_CLAIMS),
        time.strftime("%Y-%m-%d"),
    )
    write_text(out, page)
    size = len(page.encode())
    print(f"{out} ({size / 1e6:.1f} MB); open it in a browser: {out.resolve().as_uri()}")
    if size > _LARGEST:
        print("note: that is more than can be mailed; report on one corpus at a time, with CORPUS=")


def write_bertviz(runs: Path, out: Path) -> None:
    """Writes the attention of the shown sentences to the folder `out`, as `bertviz_arguments` gives it."""
    for corpus in find_corpora(runs):
        for model in read_json(corpus.explorer)["models"]:
            for number, sentence in enumerate(model["sentences"], 1):
                arguments = bertviz_arguments(sentence)
                if arguments:
                    write_json(out / f"{corpus.folder.name}-{model['name']}-{number}.json", arguments, is_compact=True)
    print(f"attention for BertViz: {out}")


def _is_up_to_date(corpus: CorpusRuns) -> bool:
    """Whether the explorer's data are of just these runs, as they are now."""
    return corpus.explorer.is_file() and read_json(corpus.explorer).get("of") == explorer_hashes(corpus.runs)


def _compute_maps(folder: Path) -> None:
    status = subprocess.run([sys.executable, "-m", "scripts.explorer", str(folder)]).returncode
    if status:
        why = "the lines above say why"
        if status < 0:
            why = f"python -m scripts.explorer {ended_by_signal(status, 'use a machine with more')}"
        raise UserError(f"the maps of {folder} could not be computed: {why}")


def _page(out: str) -> Path:
    """The page that `out` names; a browser would show one without such an ending as text."""
    path = expanded(out)
    return path if path.suffix.lower() in (".html", ".htm") else path / "index.html"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="?", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    parser.add_argument(
        "--claims", type=Path, default=Path("runs/claims"), help="where make claims wrote (default: runs/claims)"
    )
    parser.add_argument(
        "--out",
        type=_page,
        default=Path("report/index.html"),
        help="page to write, or folder for it (default: report/index.html)",
    )
    parser.add_argument("--bertviz", action="store_true", help="also write the attention in BertViz's form")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        write_report(options.runs, options.claims, options.out)
        if options.bertviz:
            write_bertviz(options.runs, options.out.parent / "bertviz")


if __name__ == "__main__":
    main()
