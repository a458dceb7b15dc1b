"""Kills trainings at random moments, lets them go on, and compares what they leave with trainings nobody touched.

    python -m tests.soak --kills 50

Every model is trained on a little corpus of the toy grammar, by one process and by two. Weights, optimiser, losses,
curves, translations and files must come out identical, bit for bit; else the differences are printed and the exit
status is 1. Linux only.
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.checkpoint_file import checksum_file, read_checkpoint
from pipeline.data.grammar import ToyGrammar
from pipeline.finished_runs import read_results
from pipeline.json_files import write_json_lines
from pipeline.recipes import config_files
from pipeline.run_folder import RunFolder
from scripts import train

SIZES = {
    "gru": {"d_embed": 32, "d_model": 48},
    "gru_attention": {"d_embed": 32, "d_model": 48},
    "transformer": {"d_model": 32, "d_ff": 48},
}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Of results.json: what says when and how, not what.
NOT_COMPARED = ("seconds", "command", "date", "commit", "earlier_commits", "versions", "hardware")
_PAIRS = {"train": 120, "val": 12, "test": 12}
_KILLS_PER_RUN = 5
_PATIENCE = 120  # seconds that processes may take to notice that one of them is gone


class Case(NamedTuple):
    """A training: by what model, with how many processes, on what corpus and settings."""

    model: str
    processes: int
    folder: Path

    def arguments(self, runs: Path) -> list[str]:
        """What `scripts.train` is given."""
        files = [*map(str, config_files("little", None, self.model)), str(self.folder / "soak.yaml")]
        arguments = ["fit", *(part for file in files for part in ("-c", file))]
        arguments += ["--data.corpus", str(self.folder / "little"), "--data.cache_dir", str(self.folder / "cache")]
        arguments += ["--runs_dir", str(runs), "--trainer.devices", str(self.processes)]
        for size, value in SIZES[self.model].items():
            arguments += [f"--model.network.init_args.{size}", str(value)]
        return arguments + (["--trainer.strategy", "ddp"] if self.processes > 1 else [])


class Training:
    """A training in a session of its own, so that all its processes can be found and killed.

    A single process is forked from this one, which has everything imported, to be quick.
    """

    def __init__(self, case: Case, runs: Path) -> None:
        self.folder = RunFolder(runs, "little", case.model, 1)
        self.log = case.folder / "training.log"
        num_logs = self._num_logs()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_train, args=(case.arguments(runs), case.processes, self.log))
        self._process.start()
        while self._process.is_alive() and self._num_logs() == num_logs:
            time.sleep(0.01)

    def _num_logs(self) -> int:
        return len(list(self.folder.path.glob("events.out.*")))

    def ends(self, seconds: float) -> bool:
        """Whether the training ends by itself within this time.

        Raises:
            AssertionError: It ends with an error.
        """
        deadline = time.monotonic() + seconds
        # Not join(): it would wait for good once the process has become another program.
        while self._process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not self._process.exitcode, f"a training failed with status {self._process.exitcode}"
        return not self._process.is_alive()

    def kill(self, signal_: signal.Signals, whom: str) -> None:
        """Sends a signal to `all` processes, or to the `first` or the `last` one alone, and waits until all are gone.

        Raises:
            TimeoutError: Some live on.
        """
        group = self._process.pid
        if whom == "all":
            os.killpg(group, signal_)
        else:
            os.kill(max(_children(group), default=group) if whom == "last" else group, signal_)
        deadline = time.monotonic() + _PATIENCE
        while _lives(group):
            time.sleep(0.05)
            if time.monotonic() > deadline:
                os.killpg(group, signal.SIGKILL)
                raise TimeoutError(f"{whom} of the processes got {signal_.name}, and the others hang")


def _train(arguments: list[str], processes: int, log: Path) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if processes > 1:  # Lightning starts the others by the command that started the first
        os.execv(sys.executable, [sys.executable, "-m", "scripts.train", *arguments])
    sys.argv = ["scripts.train", *arguments]
    train.main()


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _lives(group: int) -> bool:
    """Whether any process of the group still runs; one that has ended and waits to be forgotten does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


def write_corpus_and_settings(folder: Path) -> None:
    """What all trainings share: sentences, and checkpoints so often that a kill may hit one."""
    grammar = ToyGrammar(seed=3)
    for split, size in _PAIRS.items():
        pairs = [grammar.sentence(1, 0.2) for _ in range(size)]
        write_json_lines(folder / "little" / f"{split}.jsonl", [{"en": pair.src, "de": pair.tgt} for pair in pairs])
    # Without AlignmentMaps: drawing would take longer than training.
    callbacks = [
        {"class_path": "pipeline.callbacks.SampleTranslations"},
        {
            "class_path": "pytorch_lightning.callbacks.EarlyStopping",
            "init_args": {"monitor": "loss/val", "patience": 5},
        },
        {"class_path": "pipeline.callbacks.Checkpoints", "init_args": {"every_seconds": 0.2}},
    ]
    trainer = {
        "accelerator": "cpu",
        "max_epochs": 6,
        "val_check_interval": 0.5,
        "log_every_n_steps": 3,
        "enable_progress_bar": False,
        "callbacks": callbacks,
    }
    settings = {"trainer": trainer, "data": {"vocab_size": 700, "batch_tokens": 96}}
    (folder / "soak.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def fingerprint(folder: RunFolder) -> dict[str, Any]:
    """What a run leaves behind, in values that can be compared."""
    found: dict[str, Any] = {
        "files": sorted(
            str(path.relative_to(folder.path))
            for path in folder.path.rglob("*")
            if path.is_file() and not path.name.startswith("events.out.")
        ),
        "translations": hashlib.sha256(folder.translations.read_bytes()).hexdigest(),
        "results": {key: value for key, value in read_results(folder.path).items() if key not in NOT_COMPARED},
    }
    for path in (folder.best, folder.last):
        checkpoint = read_checkpoint(path)
        kept = ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "global_step", "epoch")
        found[path.name] = {key: _digest(checkpoint[key]) for key in kept}
        found[path.name]["checksum is kept"] = len(checksum_file(path).read_text().splitlines())
    events = EventAccumulator(str(folder.path), size_guidance={"scalars": 0}).Reload()
    for tag in sorted(set(events.Tags()["scalars"]) - {"speed/tokens_per_second"}):
        found[tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    return found


def _digest(value: Any) -> Any:
    """Tensors by their SHA-256, everything else as it is."""
    if isinstance(value, torch.Tensor):
        return hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()[:16]
    if isinstance(value, dict):
        return {key: _digest(one) for key, one in value.items()}
    return [_digest(one) for one in value] if isinstance(value, list | tuple) else value


def soak(case: Case, kills: int, random_: random.Random, deadline: float) -> int:
    """Kills trainings of `case` until there were `kills` or time is up; returns how many there were.

    Raises:
        AssertionError: A training that was killed left something else than one that was not.
        TimeoutError: Processes lived on after one of them was killed.
    """
    untouched = Training(case, case.folder / f"{case.model}-{case.processes}-untouched")
    start = time.monotonic()  # of training itself: importing takes longer, and nothing can be lost there
    assert untouched.ends(_PATIENCE), "a training does not end"
    expected, duration = fingerprint(untouched.folder), time.monotonic() - start
    done, round_ = 0, 0
    while done < kills and time.monotonic() < deadline:
        runs = case.folder / f"{case.model}-{case.processes}-{round_}"
        done += _kill_often(case, runs, min(_KILLS_PER_RUN, kills - done), random_, duration)
        last = Training(case, runs)
        assert last.ends(_PATIENCE), "a training does not end"
        found = fingerprint(last.folder)
        differing = [key for key in expected.keys() | found.keys() if found.get(key) != expected.get(key)]
        for key in differing:
            print(f"  {key}\n    untouched {expected.get(key)}\n    killed    {found.get(key)}", flush=True)
        assert not differing, f"{runs} differs in {', '.join(sorted(differing))}"
        round_ += 1
        print(f"{_name(case)}: identical after {done} kills", flush=True)
    return done


def _kill_often(case: Case, runs: Path, kills: int, random_: random.Random, duration: float) -> int:
    """Starts a training again and again and kills it each time; returns how often before it was finished."""
    for done in range(kills):
        training = Training(case, runs)
        if training.ends(random_.uniform(0, duration / 2)):
            return done
        signal_ = random_.choice(SIGNALS)
        whom = "all" if case.processes == 1 or signal_ == signal.SIGINT else random_.choice(("all", "first", "last"))
        training.kill(signal_, whom)
        print(f"{_name(case)}: {signal_.name} to {whom}, {_progress(training.folder)}", flush=True)
    return kills


def _progress(folder: RunFolder) -> str:
    if folder.is_finished:
        return "finished"
    return f"goes on after step {read_checkpoint(folder.last)['global_step']}" if folder.can_go_on else "starts anew"


def _name(case: Case) -> str:
    return f"{case.model}, {case.processes} process{'es' if case.processes > 1 else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=54, help="in all, shared among models and numbers of processes")
    parser.add_argument("--minutes", type=float, default=60, help="after which nothing more is killed")
    parser.add_argument("--models", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--processes", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the signals")
    return parser


def main() -> None:
    options = _parser().parse_args()
    if sys.platform != "linux":
        sys.exit("error: make soak asks /proc which processes live, and so needs Linux")
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(1)  # and so no threads that a fork would lose
    random_ = random.Random(options.seed)
    deadline = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        write_corpus_and_settings(folder)
        cases = [Case(model, processes, folder) for processes in options.processes for model in options.models]
        kills: list[int] = []  # of each case
        try:
            for number, case in enumerate(cases):
                wanted = -(-(options.kills - sum(kills)) // (len(cases) - number))
                kills.append(soak(case, wanted, random_, deadline))
        except (AssertionError, TimeoutError) as error:
            log = folder / "training.log"
            print(f"error: {error}\n{log.read_text()[-3000:] if log.is_file() else ''}", file=sys.stderr)
            sys.exit(1)
    print(f"{sum(kills)} kills; weights, optimisers, losses, curves, translations and files are identical")
    if unseen := [_name(case) for case, number in zip(cases, kills, strict=True) if not number]:
        print(f"error: never killed, so nothing is known of: {'; '.join(unseen)}; give more --kills or --minutes")
        sys.exit(1)


if __name__ == "__main__":
    main()
