"""The tests of this folder reach no network and no folder but their own; the full toy corpus is drawn once."""

import json
import os
import socket
from pathlib import Path

import datasets
import pytest

from pipeline.data.corpus import Corpus
from pipeline.data.toy import toy_corpus
from tests.commands import ROOT


@pytest.fixture(autouse=True)
def hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine can be connected to, and `datasets` writes under `tmp_path`."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def look_up_here_only(host, *arguments, **options):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(f"a test looked for {host}")
        return look_up(host, *arguments, **options)

    def connect_here_only(self: socket.socket, address) -> None:
        assert address[0] in ("127.0.0.1", "::1"), f"a test tried to reach {address}"
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here_only)
    monkeypatch.setattr(socket.socket, "connect", connect_here_only)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")] + ["HF_HUB_OFFLINE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    for name in ("HF_DATASETS_CACHE", "DOWNLOADED_DATASETS_PATH", "EXTRACTED_DATASETS_PATH"):
        monkeypatch.setattr(datasets.config, name, tmp_path / "datasets" / name)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The toy corpus in full: some seconds, so once for all tests."""
    return toy_corpus()


def closed_port() -> int:
    """A port of this machine at which nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def published_hashes(name: str) -> set[str]:
    """The content hash of a corpus in each published result on it."""
    paths = (ROOT / "results" / name).glob("*-seed*.json")
    return {json.loads(path.read_text(encoding="utf-8"))["corpus"]["content_hash"] for path in paths}
