"""From a corpus's name to its sentences: built in, on the Hub, or in a local folder."""

import contextlib
import hashlib
import os
from pathlib import Path

from pipeline.data import corpus as corpus_module
from pipeline.data import grammar, inflection, lexicon, phrases, toy
from pipeline.data.corpus import SPLITS, Corpus, Link, SentencePair
from pipeline.data.files import read_folder
from pipeline.data.hub import MULTI30K, MULTI30K_CONTENT, cached_revisions, hub_answers, read_hub, why_silent
from pipeline.errors import UserError
from pipeline.json_files import read_json, write_json
from pipeline.paths import expanded

KNOWN = {
    "toy": "built in, needs no network",
    "multi30k": f"English–German picture captions, {MULTI30K} on the Hugging Face Hub",
}
_FOR_THE_TOY = "for the built-in toy corpus, which takes minutes: make train CORPUS=toy"


def load_corpus(corpus: str, src: str, tgt: str, cache_dir: Path, revision: str | None = None) -> Corpus:
    """Reads a corpus.

    Args:
        corpus: `toy`, `multi30k`, a local folder, or a dataset on the Hub, as `read_hub` takes it.
        src: Source language: a column's name, or the ending of a text file.
        tgt: Target language, likewise.
        cache_dir: Where the generated toy corpus is kept.
        revision: Of a dataset on the Hub; None takes its newest.

    Raises:
        UserError: There is no such corpus, its files are not as they should be, or both languages are one.
    """
    if src == tgt:
        raise UserError(f"source and target language are both {src}; give two, as --data.src en --data.tgt de")
    folder = expanded(corpus)
    is_here = corpus == "toy" or (bool(corpus) and folder.is_dir())
    if is_here and revision is not None:
        raise UserError(f"--data.revision is {revision}, but {corpus} is here, and only the Hub has revisions")
    if corpus == "toy":
        if (src, tgt) != ("en", "de"):
            raise UserError(f"the toy corpus is en→de only, not {src}→{tgt}; leave --data.src and --data.tgt out")
        return _cached_toy(cache_dir)
    if is_here:
        return Corpus(
            corpus_name(corpus), f"local folder {corpus_name(corpus)}", src, tgt, **read_folder(folder, src, tgt)
        )
    if corpus == "multi30k":
        loaded = Corpus("multi30k", MULTI30K, src, tgt, **read_hub(MULTI30K, src, tgt, revision))
        if loaded.content_hash() != MULTI30K_CONTENT and (src, tgt) == ("en", "de"):
            print(f"note: {MULTI30K} differs from the text that this project's published numbers were made on")
        return loaded
    if corpus.count("/") == 1 and not corpus.startswith((".", "/", "~")):
        try:
            return Corpus(corpus_name(corpus), corpus, src, tgt, **read_hub(corpus, src, tgt, revision))
        except UserError as error:
            raise UserError(f"{corpus} is no folder here, so it is taken for a dataset on the Hub: {error}") from error
    known = "; ".join(f"{name} ({what})" for name, what in KNOWN.items())
    raise UserError(
        f"no corpus {corpus!r}: it is neither a folder nor one of: {known}; or owner/name[:config] on the Hub"
    )


def corpus_name(corpus: str) -> str:
    """What the run folders of a corpus are called: its folder's, as it was given, or its dataset's last name."""
    return Path(os.path.abspath(expanded(corpus))).name


def choose_corpus() -> tuple[str, str]:
    """What `auto` stands for on this machine, and why, in plain words."""
    if cached_revisions(MULTI30K):
        return "multi30k", f"Multi30k is in the local Hugging Face cache; {_FOR_THE_TOY}"
    if hub_answers():
        return "multi30k", f"the Hugging Face Hub answers; {_FOR_THE_TOY}"
    why, remedy = why_silent()
    return "toy", (
        f"{why}, and Multi30k is not cached, so this trains on the built-in toy corpus; for Multi30k {remedy} and run "
        "again, or give a folder that holds it: make train CORPUS=path/to/multi30k"
    )


def _cached_toy(cache_dir: Path) -> Corpus:
    """The toy corpus from the cache: drawing it takes some seconds, and every process of a run needs it."""
    rules = b"".join(
        Path(module.__file__).read_bytes() for module in (corpus_module, lexicon, inflection, phrases, grammar, toy)
    )
    path = expanded(cache_dir) / f"toy-{hashlib.sha256(rules).hexdigest()[:16]}.json"
    if path.is_file():
        with contextlib.suppress(ValueError, TypeError):  # damaged: it is drawn anew
            return _read_toy(path)
    drawn = toy.toy_corpus()
    write_json(path, {split: drawn.split(split) for split in SPLITS}, is_compact=True)
    return _read_toy(path)


def _read_toy(path: Path) -> Corpus:
    splits = {
        split: [SentencePair(source, target, tuple(Link(*link) for link in links)) for source, target, links in pairs]
        for split, pairs in read_json(path).items()
    }
    return Corpus("toy", toy.SOURCE, "en", "de", **splits, is_synthetic=True)
