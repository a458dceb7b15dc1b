"""Writes what the report shows of trained models, FOLDER/explorer.json: maps of some test sentences, and loss curves.

    python -m scripts.explorer runs/toy

`make report` calls this where it is needed, so that the report itself is made without torch, in seconds.
"""

import argparse
from pathlib import Path

from pipeline.circumstances import limit_threads
from pipeline.errors import UserError, exit_on_error
from pipeline.explorer import explorer_content
from pipeline.json_files import write_json
from pipeline.loaded_runs import find_runs
from pipeline.report_content import explorer_hashes


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.explorer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder with finished runs, of one corpus")
    with exit_on_error():
        options = parser.parse_args()
        limit_threads()
        if not options.folder.is_dir():
            raise UserError(f"{options.folder} is no folder; give one with finished runs, for instance runs/toy")
        runs = find_runs([options.folder])
        of = explorer_hashes([run.folder for run in runs])  # first: a run may be trained anew meanwhile
        write_json(options.folder / "explorer.json", explorer_content(runs) | {"of": of}, is_compact=True)


if __name__ == "__main__":
    main()
