"""Other translation toolkits, run as their users run them: settings, a command, and the speed that its log tells.

They need other versions of libraries than this project, so they live in an environment of their own, and all that is
known of it here is its Python interpreter. Each toolkit gets the same sentences, cut into the same pieces, as text:

    train.src   ▁the ▁dog ▁sleep s ▁.     train.tgt   ▁der ▁Hund ▁schläf t ▁.     vocab   one piece in a line

and the same sizes (`peer_settings/`, in its own words), and trains and searches on the CPU in float32, in a process of
its own. What differs is what a toolkit is: its batches, its loop, its search.
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from pipeline.bench.reference import LABEL_SMOOTHING, LR
from pipeline.data.batching import EncodedPair
from pipeline.data.tokenizer import EOS, FIRST_PIECE, Tokenizer
from pipeline.errors import UserError

_SETTINGS = Path(__file__).parent / "peer_settings"
_SENTENCES_PER_BATCH = 64  # in search; OpenNMT-py and CTranslate2 are slower with 30 and with 128
_PATIENCE = 1800  # seconds


class Workload(NamedTuple):
    """What every toolkit has to do.

    Attributes:
        model: `transformer`, or `gru_attention`: one layer, one direction, dot-product attention, no input feeding.
        sizes: `d_model` and `dropout`; of the Transformer also `num_layers`, `d_ff` and `num_heads`. One matrix with
            rows of `d_model` numbers is source embedding, target embedding and output.
        batch_tokens: At most this many target tokens in a batch, padding included.
        steps: Optimiser steps of a window.
        length: Pieces of every translation, no fewer and no more: untrained models do not know where to end.
        beam: Hypotheses per sentence.
        threads: CPU threads.
    """

    model: str
    sizes: dict[str, Any]
    batch_tokens: int
    steps: int
    length: int
    beam: int
    threads: int


class Command(NamedTuple):
    """What a toolkit is asked to do.

    Attributes:
        arguments: Of the Python interpreter; the path of the settings comes last.
        settings: Files in `peer_settings`, joined, with `$names` filled in.
        pattern: Finds numbers in the log: target tokens per second of each window (training), or seconds that add up to
            the time of the whole search without loading.
    """

    arguments: tuple[str, ...]
    settings: tuple[str, ...]
    pattern: str


class Toolkit(NamedTuple):
    """One toolkit; `train` is None where it can only search, with what the one before it trained.

    Attributes:
        package: Its name in the Python Package Index.
        models: The models it has, of those in `Workload.model`.
    """

    package: str
    models: tuple[str, ...]
    train: Command | None
    search: Command


# Only OpenNMT-py has the GRU: that of JoeyNMT fails unless it reads both ways, that of eole always feeds its input, and
# Sockeye has none.
TOOLKITS = (
    Toolkit(
        "OpenNMT-py",
        ("transformer", "gru_attention"),
        Command(("-m", "onmt.bin.train", "-config"), ("opennmt-train.yaml", "opennmt-$model.yaml"), r"/ *(\d+) tok/s"),
        Command(
            ("-m", "onmt.bin.translate", "-config"),
            ("opennmt-search.yaml",),
            r"Total translation time \(s\): ([\d.]+)",
        ),
    ),
    Toolkit(
        "joeynmt",
        ("transformer",),
        Command(("-m", "joeynmt", "train", "-t"), ("joeynmt.yaml",), r"Tokens per Sec: *(\d+)"),
        # The last one: it searches the development set first.
        Command(("-m", "joeynmt", "test"), ("joeynmt.yaml",), r"(?s).*Generation took ([\d.]+)"),
    ),
    Toolkit(
        "sockeye",
        ("transformer",),
        Command((str(_SETTINGS / "sockeye_train.py"),), ("sockeye-train.yaml",), r"tok/sec=([\d.]+)"),
        Command((str(_SETTINGS / "sockeye_search.py"),), ("sockeye-search.yaml",), r"Total time: ([\d.]+)"),
    ),
    Toolkit(
        "eole",
        ("transformer",),
        Command(("-m", "eole.bin.main", "train", "-config"), ("eole-train.yaml",), r"/ *(\d+) tok/s"),
        Command(
            ("-m", "eole.bin.main", "predict", "-config"),
            ("eole-search.yaml",),
            r"(?:Step 0 time|including all) \(s\): ([\d.]+)",
        ),
    ),
    Toolkit(
        "ctranslate2",
        ("transformer",),
        None,
        Command((str(_SETTINGS / "ctranslate2_search.py"),), ("ctranslate2-search.yaml",), r"search took ([\d.]+) s"),
    ),
)


class PeerError(Exception):
    """A toolkit is there, but its command did not do what it should; the message ends with its last words."""


def find_toolkits(python: Path) -> dict[str, str]:
    """Package → version of those toolkits that are installed beside this interpreter.

    Raises:
        UserError: There is no such interpreter, or it has none of them.
    """
    code = (
        "import importlib.metadata as m, json, sys\n"
        "there = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: there[n.lower()] for n in sys.argv[1:] if n.lower() in there}))"
    )
    names = [toolkit.package for toolkit in TOOLKITS]
    try:
        done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise UserError(
            f"--peers is {python}, which is no Python interpreter that runs ({error}); "
            "give that of an environment with other toolkits, such as peers/bin/python"
        ) from error
    if not found:
        raise UserError(f"--peers is {python}, which has none of {', '.join(names)}; install one of them there")
    return found


def write_sentences(
    folder: Path, tokenizer: Tokenizer, train: Sequence[EncodedPair], test: Sequence[EncodedPair]
) -> None:
    """Writes what the toolkits read. The test sentences are sorted by length, which spares all of them padding."""
    test = sorted(test, key=lambda pair: len(pair.src))
    # JoeyNMT does not train without a development set; one sentence costs it the least.
    for split, pairs in (("train", train), ("dev", test[:1]), ("test", test)):
        for side in ("src", "tgt"):
            rows = [[i for i in getattr(pair, side).tolist() if i != EOS] for pair in pairs]
            _write_lines(folder / f"{split}.{side}", [" ".join(tokenizer.pieces(row)) for row in rows])
    _write_lines(folder / "vocab", tokenizer.pieces(range(FIRST_PIECE, tokenizer.size)))


def train(python: Path, toolkit: Toolkit, folder: Path, work: Workload) -> float:
    """Trains for two windows and leaves the model in `folder`, where the sentences are.

    Returns:
        Real target tokens per second of the second window; the first one warms up.

    Raises:
        PeerError: The toolkit did not.
    """
    windows = _run(python, toolkit.train, folder, work)
    if len(windows) < 2:
        raise PeerError("it tells no speed of a second window")
    return windows[-1]


def search(python: Path, toolkit: Toolkit, folder: Path, work: Workload) -> float:
    """Translates the test sentences with the model in `folder`; returns sentences per second.

    Raises:
        PeerError: The toolkit did not.
    """
    seconds = _run(python, toolkit.search, folder, work)
    if not sum(seconds):
        raise PeerError("it tells no time of its search")
    return len((folder / "test.src").read_bytes().splitlines()) / sum(seconds)


def settings(command: Command, work: Workload) -> str:
    """The content of the toolkit's settings file."""
    values = work._asdict() | work.sizes | {"all_steps": 2 * work.steps, "sentences_per_batch": _SENTENCES_PER_BATCH}
    values |= {"lr": LR, "label_smoothing": LABEL_SMOOTHING}
    files = [_SETTINGS / Template(name).substitute(values) for name in command.settings]
    return "".join(Template(file.read_text(encoding="utf-8")).substitute(values) for file in files)


def _run(python: Path, command: Command, folder: Path, work: Workload) -> list[float]:
    """The numbers that `command.pattern` finds in the log of a command that ended well."""
    (folder / "settings.yaml").write_text(settings(command, work), encoding="utf-8")
    environment = os.environ | {
        "OMP_NUM_THREADS": str(work.threads),
        "CUDA_VISIBLE_DEVICES": "",
        # A checkpoint of OpenNMT-py holds its options as an object, which torch 2.6 and later refuse to read.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    try:
        done = subprocess.run(
            [python.absolute(), *command.arguments, "settings.yaml"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"it did not end within {_PATIENCE} seconds") from error
    log = done.stdout.decode("utf-8", errors="replace")
    if done.returncode:
        last_words = (log.strip().splitlines() or ["it said nothing"])[-1]
        raise PeerError(f"it ended with status {done.returncode}: {last_words[:300]}")
    return [float(number) for number in re.findall(command.pattern, log)]


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
