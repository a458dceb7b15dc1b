"""`python -m MODULE` without waiting for the libraries: a process that has imported them forks for each command.

Most of a short training's time is the import of torch and Lightning. Every command still has a process of its own, and
imports this project's code anew; POSIX only, as the tests are. On a Mac, whose own libraries do not outlive a fork,
each command waits for its imports.
"""

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LIBRARIES = (
    "pytorch_lightning.cli",
    "torch.utils.tensorboard",
    "matplotlib.figure",
    "sentencepiece",
    "sacrebleu",
    "rich",
)


def run_module(
    module: str, arguments: tuple[str, ...], environment: dict[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess:
    """What `subprocess.run` gives for `python -m module *arguments` in the project's root, with its output as text.

    Each `environment` has a prepared process of its own: the libraries read it when they are imported.
    """
    if sys.platform == "darwin":
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, input=stdin, capture_output=True
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    server = _server(tuple(sorted(environment.items())))
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")]
        Path(paths[0]).write_bytes(stdin)
        server.stdin.write(json.dumps([module, arguments, *paths]) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        stdout, stderr = (Path(path).read_text(encoding="utf-8") for path in paths[1:])
    return subprocess.CompletedProcess([sys.executable, "-m", module, *arguments], status, stdout, stderr)


@cache
def _server(environment: tuple[tuple[str, str], ...]) -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.prepared_python"],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # the end of its input ends it
    return server


def _serve() -> None:
    """Runs the commands that stand on standard input, one after the other, and answers with their exit statuses."""
    for library in _LIBRARIES:
        __import__(library)
    for line in sys.stdin:
        module, arguments, *paths = json.loads(line)
        child = os.fork()
        if not child:
            _become(module, arguments, paths)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(module: str, arguments: list[str], paths: list[str]) -> None:
    """Turns this process into the command, with files in the place of its terminal; it ends as the command does."""
    for descriptor, path in enumerate(paths):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
