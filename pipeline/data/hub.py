"""Parallel text from the Hugging Face Hub, without ever waiting long for a network that is not there."""

import contextlib
import os
import ssl
import threading
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from pipeline.data.corpus import SPLITS, SentencePair
from pipeline.data.files import SPLIT_NAMES, Table, pairs_of
from pipeline.errors import UserError

MULTI30K = "bentrevett/multi30k"
# SHA-256 of the text this project's published numbers were made on: the corpus is pinned by what is in it.
MULTI30K_CONTENT = "5f3e6094ceb58d08ca2453beaa2776808a1e08eade34d6bde10f768465862fd1"
TIMEOUT = 2.0  # seconds
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def hub_answers() -> bool:
    """Whether the Hub answers within 2 seconds, through the proxy where the environment names one.

    The Hub's own client would try for half a minute where connections are refused, and for six where they are dropped.
    """
    if _switch_that_is_set():
        return False
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, ValueError, HTTPException):  # refused, unreachable, no address, no HTTP
            request = urllib.request.Request(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), method="HEAD")
            try:
                urllib.request.build_opener().open(request, timeout=TIMEOUT).close()
            except urllib.error.URLError as error:
                # A Python without certificates, as on Macs: the Hub's own client brings its own.
                if not isinstance(error.reason, ssl.SSLCertVerificationError):
                    raise
            answered.set()

    # In a thread: looking a name up has no time limit, and a host with several addresses would take one for each.
    attempt = threading.Thread(target=ask, daemon=True)
    attempt.start()
    attempt.join(TIMEOUT)
    return answered.is_set()


def why_silent() -> tuple[str, str]:
    """Why the Hub does not answer, in words, and what to do so that it does."""
    switch = _switch_that_is_set()
    if switch:
        return f"the Hugging Face Hub is not asked, since {switch} is set", "unset it"
    return f"the Hugging Face Hub does not answer within {TIMEOUT:g} seconds", "connect"


def _switch_that_is_set() -> str | None:
    """The variable by which the Hub is switched off, if one is."""
    on = ("1", "TRUE", "YES", "ON")
    return next((switch for switch in _OFFLINE if os.environ.get(switch, "").upper() in on), None)


def cached_revisions(name: str) -> set[str]:
    """The revisions of a dataset that can be loaded without the Hub: those that `datasets` made tables of, not those
    that were downloaded, which it does not read without the Hub, and which may be half there."""
    import datasets

    *owner, dataset = name.split("/")
    folder = "___".join([*owner, datasets.naming.camelcase_to_snakecase(dataset)])
    made = Path(datasets.config.HF_DATASETS_CACHE, folder).glob("*/*/*/dataset_info.json")
    return {path.parent.name for path in made}


def read_hub(name: str, src: str, tgt: str, revision: str | None = None) -> dict[str, list[SentencePair]]:
    """The three splits of a dataset on the Hub, from the local cache where the Hub does not answer.

    Args:
        name: "owner/name", or "owner/name:config" of a dataset that has several, of which one is wanted.

    Raises:
        UserError: Neither the Hub nor the cache has it, or a split or column is missing.
    """
    import datasets
    import huggingface_hub

    dataset, _, configuration = name.partition(":")
    if not hub_answers():
        cached = cached_revisions(dataset)
        why, remedy = why_silent()
        if not cached:
            raise UserError(
                f"{why}, and {name} is not cached; {remedy}, or give a local folder with train.jsonl, val.jsonl, "
                "test.jsonl (make train CORPUS=path/to/folder), or use CORPUS=toy"
            )
        if revision is not None and cached != {revision}:
            raise UserError(
                f"{why}, and cached of {name} is {' and '.join(sorted(cached))}, not {revision} alone; {remedy}, or "
                "leave out --data.revision to take what is cached"
            )
        # Both have read the environment already when they were imported.
        huggingface_hub.constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        loaded = datasets.load_dataset(dataset, configuration or None, revision=revision)
    except Exception as error:  # datasets, huggingface_hub and httpx have no base in common; scripts: RuntimeError
        raise UserError(f"cannot load {name} from the Hugging Face Hub: {' '.join(str(error).split())}") from error
    splits = {}
    for split in SPLITS:
        found = next((candidate for candidate in SPLIT_NAMES[split] if candidate in loaded), None)
        if found is None:
            raise UserError(
                f"{name} on the Hub has no {split} split; it has {', '.join(loaded)}; save it as "
                "train.jsonl, val.jsonl and test.jsonl to a folder, and give that"
            )
        splits[split] = pairs_of(_table_of(loaded[found], src, tgt), src, tgt, f"{name} ({found})")
    return splits


def _table_of(dataset, src: str, tgt: str) -> Table:
    """A `datasets.Dataset` as plain columns; of those that hold no text, which may be pictures or sound, the names."""
    of_text = (src, tgt, "translation")
    return Table({name: dataset[name][:] if name in of_text else () for name in dataset.column_names})
