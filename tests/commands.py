"""The commands that a user types, on a small corpus and with small models."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from pipeline.data.grammar import ToyGrammar
from pipeline.errors import UserError
from tests.prepared_python import ROOT, run_module

SMALL = [
    *("--data.vocab_size", "700", "--data.batch_tokens", "128", "--trainer.accelerator", "cpu"),
    *("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"),
    *("--alignment_maps", "false"),  # they would take more than half of the time
]
GRU_SIZES = ["--model.network.init_args.d_embed", "8", "--model.network.init_args.d_model", "12"]
TRANSFORMER_SIZES = ["--model.network.init_args.d_model", "8", "--model.network.init_args.d_ff", "12"]
# In the place of trainings.
SLOW = [sys.executable, "-c", "import time; time.sleep(600)"]
FAILING = [sys.executable, "-c", "print('it failed'); raise SystemExit(3)"]


def write_corpus(folder: Path) -> Path:
    """Makes a folder of jsonl files with sentences of the toy grammar, and returns it."""
    grammar = ToyGrammar(seed=3)
    folder.mkdir()
    for split, size in (("train", 60), ("val", 9), ("test", 11)):
        pairs = [grammar.sentence(1, 0.2) for _ in range(size)]
        lines = [json.dumps({"en": pair.src, "de": pair.tgt}, ensure_ascii=False) for pair in pairs]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(
    *arguments: str, module: str = "scripts.train", expect: int | None = 0, stdin: bytes = b""
) -> subprocess.CompletedProcess:
    """A command in a process of its own, without network; `expect` None takes any exit status."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    environment.pop("PYTEST_CURRENT_TEST", None)  # another one in each test
    done = run_module(module, arguments, environment, stdin)
    assert expect is None or done.returncode == expect, f"{done.stdout}\n{done.stderr}"
    return done


def refusal_of(call) -> str:
    """What `call()` says when it refuses; "" where it does not."""
    try:
        call()
    except UserError as error:
        return str(error)
    return ""


def said_by_a_child(action: Callable[[], None]) -> str:
    """What a call raises in a process of its own that this one forks, as text; "" where it raises nothing."""
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            action()
        except Exception as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, encoding="utf-8") as pipe:
        return pipe.read()


def fit(corpus: Path, tmp_path: Path, model: str, *more: str, expect: int | None = 0) -> subprocess.CompletedProcess:
    """Trains a small model; its run is in `tmp_path`/runs."""
    return run(*fit_arguments(corpus, tmp_path, model, *more), expect=expect)


def fit_arguments(corpus: Path, tmp_path: Path, model: str, *more: str) -> list[str]:
    sizes = TRANSFORMER_SIZES if model == "transformer" else GRU_SIZES
    folders = ["--data.corpus", str(corpus), "--data.cache_dir", str(tmp_path / "cache")]
    return ["fit", *files_of(model), *SMALL, *sizes, *folders, "--runs_dir", str(tmp_path / "runs"), *more]


def files_of(model: str) -> list[str]:
    """The settings that `make train` gives a model on a corpus of one's own."""
    names = ("base", "corpus/other", f"model/{model}", f"other/{model}")
    there = [f"configs/{name}.yaml" for name in names if (ROOT / "configs" / f"{name}.yaml").is_file()]
    return [word for path in there for word in ("-c", path)]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]
