"""Measures how fast this project trains and translates here, and how far that is from what the machine can do.

    python -m scripts.bench --corpus path/to/multi30k            # a quarter of an hour on two CPU cores
    python -m scripts.bench --corpus toy --rounds 1 --steps 2    # a look

Everything is measured in one run, in turns: a window of --steps optimiser steps of the bare PyTorch loop, then of each
way through the pipeline, --rounds times. Speeds depend on who else uses the machine; ratios within a round much less,
so compare those. Writes bench.json and bench.md to --out; unfinished-bench.json has what one that was cut off had
measured.

With --gpu only what a GPU adds is measured, in --rounds windows, and written to gpu.json and gpu.md: eager steps and
CUDA graphs, these in three precisions, in a bare loop and through the pipeline; and search.

With --to_score one `make train` of the fast paths, without alignment maps, is timed and nothing else, and written to
to_score.json and to_score.md:

    python -m scripts.bench --to_score gru=20 gru_attention=37 transformer=39 --corpus path/to/multi30k --jobs 3

Reference models: Transformer 4 + 4 layers, d_model 128, d_ff 256, 4 heads; GRU with 256; 4,096 target tokens per batch.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS; read when CUDA starts

import torch

from pipeline.atomic import write_text
from pipeline.bench.ceilings import ceilings, step_against_ceilings
from pipeline.bench.comparison import compare
from pipeline.bench.gpu import PAIRS, FewPairs, measure_gpu
from pipeline.bench.peers import find_toolkits
from pipeline.bench.process import measure_commands
from pipeline.bench.reference import MODELS, TRANSFORMER_SIZES, share_of_padding
from pipeline.bench.scaling import LENGTHS, by_corpus_size, by_length
from pipeline.bench.searching import measure_search
from pipeline.bench.to_score import train_to_score
from pipeline.bench.training import measure_training
from pipeline.bench_table import bench_table, gpu_table, to_score_table
from pipeline.children import num_processors, threads_each
from pipeline.data.datamodule import TranslationData
from pipeline.data.loading import corpus_name
from pipeline.errors import UserError, exit_on_error
from pipeline.json_files import write_json
from pipeline.paths import expanded
from pipeline.provenance import provenance
from pipeline.recipes import config_files, leaves_no_scores

_OF_TO_SCORE = ("recipe", "seed", "jobs", "runs_dir", "arguments")
# What a measurement takes no notice of, besides.
_UNREAD = {
    "to_score": ("vocab_size", "batch_tokens", "rounds", "steps", "search_steps"),
    "gpu": ("threads", "steps", "search_steps"),
}


def measure(options: argparse.Namespace, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Everything that bench.json holds; `keep` gets what there is after each part."""
    torch.set_num_threads(options.threads)
    _prepare()
    made = provenance("scripts.bench", "cpu")
    started = time.perf_counter()
    data = TranslationData(
        options.corpus, vocab_size=options.vocab_size, batch_tokens=options.batch_tokens, cache_dir=options.cache_dir
    )
    data.setup()
    set_up_seconds = time.perf_counter() - started
    content: dict[str, Any] = {
        "reference": {
            "corpus": data.corpus.name,
            "vocab_size": options.vocab_size,
            "batch_tokens": options.batch_tokens,
            "threads": options.threads,
            "rounds": options.rounds,
            "steps_per_window": options.steps,
            "tokens_per_epoch": sum(len(pair.tgt) + 1 for pair in data.train_dataloader().pairs),
        },
        "set_up_seconds": set_up_seconds,
        "padding": share_of_padding(data),
    }
    lengths = [length for length in LENGTHS if length <= options.batch_tokens]
    sizes = [size for size in (1000, 4000, 16000) if size < len(data.corpus.train)] + [len(data.corpus.train)]
    parts: dict[str, Callable[[], Any]] = {
        "training": lambda: {model: measure_training(data, model, options.rounds, options.steps) for model in MODELS},
        "search": lambda: measure_search(data, options.rounds, options.search_steps),
        "ceilings": ceilings,
        "steps": lambda: {
            model: step_against_ceilings(data, model, content["ceilings"], options.rounds) for model in MODELS
        },
        "by_length": lambda: by_length(options.vocab_size, options.batch_tokens, lengths, options.rounds),
        "by_corpus_size": lambda: by_corpus_size(data.corpus, (data.src, data.tgt), options.vocab_size, sizes),
        "processes": lambda: _processes(options),
    }
    if options.peers:
        parts["peers"] = lambda: compare(data, options.peers, options.rounds, options.steps, options.threads)
    for name, part in parts.items():
        print(f"{time.strftime('%H:%M:%S')} measuring: {name.replace('_', ' ')} …", file=sys.stderr, flush=True)
        content[name] = part()
        keep(content)
    return content | made


def _prepare() -> None:
    """Deterministic algorithms, as training has them, and no tips between the measurements."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def measure_on_gpu(options: argparse.Namespace, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Everything that gpu.json holds; `keep` gets what there is after each way of each model."""
    _prepare()
    made = provenance("scripts.bench")
    reference = {
        "corpus": corpus_name(options.corpus),
        "vocab_size": options.vocab_size,
        "batch_tokens": options.batch_tokens,
        "eval_batch_tokens": 40_960,  # the test set in one batch
        "rounds": options.rounds,
        "training_pairs": PAIRS,
    }
    sizes = {name: reference[name] for name in ("vocab_size", "batch_tokens", "eval_batch_tokens")}
    data = FewPairs(options.corpus, **sizes, cache_dir=options.cache_dir)
    data.setup()
    content = {"reference": reference, **made}

    def kept(found: dict[str, Any]) -> None:
        keep(content | found)
        done = sum(len(of_model["ways"]) for of_model in found["models"].values())
        print(f"{time.strftime('%H:%M:%S')} {done} ways measured …", file=sys.stderr, flush=True)

    return content | measure_gpu(data, options.rounds, torch.device("cuda"), kept)


def measure_to_score(options: argparse.Namespace, targets: dict[str, float]) -> dict[str, Any]:
    """Everything that to_score.json holds."""
    made = provenance("scripts.bench")
    name, seed = corpus_name(options.corpus), 1 if options.seed is None else options.seed
    arguments = ["--corpus", options.corpus, "--jobs", str(options.jobs)]
    arguments += ["--recipe", options.recipe] if options.recipe else []
    arguments += ["--", "--model.fast", "true", "--alignment_maps", "false"]
    arguments += ["--data.cache_dir", options.cache_dir, *options.arguments]
    threads = threads_each(options.threads, options.jobs, len(targets))
    with tempfile.TemporaryDirectory() as unkept:
        runs = options.runs_dir or Path(unkept) / "runs"
        found = train_to_score(targets, arguments, runs, name, seed, threads)
    return {
        "reference": {"corpus": name, "recipe": options.recipe, "jobs": options.jobs, "seed": seed},
        **made,
        **found,  # with the hardware that trained
    }


def _targets(options: argparse.Namespace) -> dict[str, float]:
    """`gru=20 …` as numbers. Raises UserError where one is none, or where that training could not start."""
    targets = {}
    for text in options.to_score:
        model, _, target = text.partition("=")
        try:
            targets[model] = float(target)
        except ValueError as error:
            raise UserError(f"--to_score {text}: give a model and its BLEU, for instance gru=20") from error
        config_files(options.corpus, options.recipe, model)
    if options.corpus == "auto" or leaves_no_scores(options.arguments):
        raise UserError("--to_score needs a corpus by its name, and scores on its test set")
    if options.runs_dir and options.runs_dir.exists():
        raise UserError(f"--runs_dir {options.runs_dir} is there, and a finished run is not trained again")
    return targets


def _processes(options: argparse.Namespace) -> dict[str, Any]:
    """Of each model, how long a command of training takes to its first step, and how much memory it needs."""
    shared = ["--data.corpus", options.corpus, "--data.vocab_size", str(options.vocab_size)]
    shared += ["--data.batch_tokens", str(options.batch_tokens), "--data.cache_dir", options.cache_dir]
    own = {"transformer": ["--model.network.init_args.num_layers", str(TRANSFORMER_SIZES["num_layers"])]}
    return {
        model: measure_commands(
            f"configs/model/{model}.yaml", shared + own.get(model, []), options.steps, options.threads
        )
        for model in MODELS
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", default="toy", help="toy, multi30k, a folder, or owner/name[:config] on the Hub")
    parser.add_argument("--vocab_size", type=int, default=9728, help="rows of the joint vocabulary")
    parser.add_argument("--batch_tokens", type=int, default=4096, help="most target tokens of a batch, with padding")
    parser.add_argument("--threads", type=int, default=num_processors(), help="CPU threads (default: all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="windows per way")
    parser.add_argument("--steps", type=int, default=6, help="optimiser steps per window")
    parser.add_argument("--search_steps", type=int, default=100, help="training steps before search is timed")
    parser.add_argument("--cache_dir", default="data/cache", help="where tokenizers are kept")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="PYTHON",
        help="also measure the toolkits (OpenNMT-py, joeynmt, sockeye, eole, ctranslate2) installed beside this Python",
    )
    parser.add_argument("--gpu", action="store_true", help="measure what a GPU adds, and nothing else")
    parser.add_argument(
        "--to_score", nargs="+", metavar="MODEL=BLEU", help="time make train until each model has that BLEU, only"
    )
    parser.add_argument("--recipe", help="with --to_score: settings, by the name of a file in configs/corpus")
    parser.add_argument("--seed", type=int, help="with --to_score: of weights, batches and dropout (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="with --to_score: models trained at once")
    parser.add_argument(
        "--runs_dir", type=expanded, help="with --to_score: where runs are kept (default: they are not)"
    )
    parser.add_argument(
        "arguments", nargs="*", default=[], help="with --to_score, after --: anything that scripts.train takes"
    )
    parser.add_argument("--out", type=expanded, default=Path("runs/bench"), help="where results are written")
    return parser


def main() -> None:
    with exit_on_error():
        parser = _parser()
        options = parser.parse_args()
        given = {name for name, value in vars(options).items() if value != parser.get_default(name)}
        for name in ("rounds", "steps", "search_steps", "threads", "jobs"):
            if getattr(options, name) < 1:
                raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
        wanted = [name for name in ("gpu", "peers", "to_score") if getattr(options, name)]
        if len(wanted) > 1:
            raise UserError(f"--{wanted[0]} and --{wanted[1]} are two measurements; give one of them at a time")
        if not options.to_score and given.intersection(_OF_TO_SCORE):
            raise UserError("--recipe, --seed, --jobs, --runs_dir and what follows -- are of --to_score only")
        for kind in wanted:
            if unread := given.intersection(_UNREAD.get(kind, ())):
                raise UserError(f"--{kind} does not read --{', --'.join(sorted(unread))}; leave it out")
        if options.gpu:
            if not torch.cuda.is_available():
                raise UserError(f"torch {torch.__version__} finds no GPU; leave out --gpu")
            _measure_and_write(options, "gpu", measure_on_gpu, gpu_table)
        elif options.to_score:
            targets = _targets(options)  # before all else, which takes minutes
            _measure_and_write(options, "to_score", lambda *_: measure_to_score(options, targets), to_score_table)
        else:
            if options.peers:
                find_toolkits(options.peers)  # likewise
            _measure_and_write(options, "bench", measure, bench_table)


def _measure_and_write(
    options: argparse.Namespace,
    name: str,
    measurement: Callable[[argparse.Namespace, Callable[[dict[str, Any]], None]], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
) -> None:
    """Writes what `measurement` gives to NAME.json and, as a `table`, to NAME.md, and prints it."""
    options.out.mkdir(parents=True, exist_ok=True)
    unfinished = options.out / f"unfinished-{name}.json"
    content = measurement(options, lambda so_far: write_json(unfinished, so_far))
    write_json(options.out / f"{name}.json", content)
    unfinished.unlink(missing_ok=True)
    text = table(content)
    write_text(options.out / f"{name}.md", text)
    print(f"{text}\nJSON and this table: {options.out}")


if __name__ == "__main__":
    main()
