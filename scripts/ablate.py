"""What each part of a recipe is worth: every model trained with the whole recipe and without one part, on validation.

    python -m scripts.ablate --corpus path/to/multi30k_tok --recipe multi30k --epochs 10 --jobs 2

The parts, and what each run does without them, stand in configs/RECIPE/ablation.yaml. The test set is not looked at.
Trainings that are there already are not made again, and one that was stopped goes on. Every difference is paired: two
models on the same sentences, with a 95 % interval by bootstrap over sentences. Runs are in RUNS/PART/<corpus>/<model>/.
The models may be given one at a time: `scripts.publish --ablation` puts each beside those that are published already.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.ablation import Ablation, Training
from pipeline.ablation_table import ablation_table
from pipeline.children import ended_by_signal, side_by_side
from pipeline.circumstances import limit_threads
from pipeline.errors import UserError, exit_on_error
from pipeline.json_files import write_json
from pipeline.paths import expanded
from pipeline.provenance import provenance
from pipeline.recipes import refuse_options_with_another_name
from pipeline.scoring import checked_search

# What is not taken after `--`, and what it is called before it.
_OWN_OPTIONS = {
    "--data.corpus": "--corpus",
    "--seed_everything": "--seed",
    "--runs_dir": "--runs_dir before --",
    "--trainer.max_epochs": "--epochs",
    "--model.name": "--models",
    "--score_test": "make train, which scores",
}


def ablate(options: argparse.Namespace) -> None:
    """Trains what is missing, scores all on validation, prints the table and writes the JSON.

    Raises:
        UserError: An option is out of its range, or a training failed.
    """
    search = checked_search(options.beam, 1.0, fast=True)
    for name in ("epochs", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    refuse_options_with_another_name(options.arguments, _OWN_OPTIONS)
    models = options.models.split()
    if not models:
        raise UserError('no models are named; for instance --models "gru gru_attention transformer"')
    ablation = Ablation(options.corpus, options.recipe, models, options.epochs, options.seed, search, options.arguments)
    trainings = ablation.trainings(options.runs_dir)
    out = options.out or options.runs_dir / "ablation.json"
    ablation.refuse_to_lose(out, trainings)
    out.parent.mkdir(parents=True, exist_ok=True)  # now, and not after the hours of training
    made = provenance("scripts.ablate")  # before the hours of training, in which the code may go on
    _train(trainings, options.jobs)
    content = ablation.content(trainings, made)
    ablation.refuse_to_lose(out, trainings)  # once more: another ablation may have ended meanwhile
    write_json(out, content)
    print(f"\n{ablation_table(content)}\n\nJSON: {out}")


def _train(trainings: Sequence[Training], jobs: int) -> None:
    with side_by_side([training.command for training in trainings], jobs) as finished:
        for place, status, said in finished:
            training = trainings[place]
            if status:
                print(f"{shlex.join(training.command)}\n{said}", file=sys.stderr)
                how = "failed" if status > 0 else ended_by_signal(status, "give fewer --jobs")
                raise UserError(f"a training {how}; the same command goes on from what is done")
            print(f"{training.model}, {training.part.without}: trained", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", required=True, help="toy, multi30k, a folder, or owner/name[:config] on the Hub")
    parser.add_argument("--recipe", default="multi30k", help="a folder of configs/ (default: multi30k)")
    parser.add_argument("--models", default="gru gru_attention transformer", help="names of files in configs/model")
    parser.add_argument("--epochs", type=int, default=10, help="of every training (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of weights, batches and dropout")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side (default: 1)")
    parser.add_argument("--beam", type=int, default=5, help="hypotheses in beam search (default: 5)")
    parser.add_argument("--runs_dir", type=expanded, default=Path("runs/ablation"), help="where run folders are")
    parser.add_argument("--out", type=expanded, help="where scores are written (default: RUNS_DIR/ablation.json)")
    parser.add_argument("arguments", nargs="*", help="after --: anything that scripts.train takes")
    return parser


def main() -> None:
    with exit_on_error():
        options = _parser().parse_args()
        limit_threads()
        ablate(options)


if __name__ == "__main__":
    main()
