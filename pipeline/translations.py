"""Every translation of the test set that a run leaves, a line each: `translations.jsonl`.

Worked example, of a sentence with one sure link (`Link`: source word, target word, whether it is sure, phenomenon):

    {"src": "dogs sleep", "tgt": "Hunde schlafen", "links": [[0, 0, true, "noun"]], "index": 0, "nats": 0.7,
     "tokens": 3, "correct": 3, "hypothesis": "Hunde schlafen"}
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.data.corpus import SentencePair
from pipeline.errors import UserError
from pipeline.json_files import read_json_lines, write_json_lines
from pipeline.metrics import SentenceScore


def write_translations(path: Path, pairs: Sequence[SentencePair], scores: Sequence[SentenceScore]) -> None:
    """One JSON object per test sentence: the pair with its word links, the translation, its teacher-forced score."""
    write_json_lines(path, ({**pairs[score.index]._asdict(), **score._asdict()} for score in scores))


def read_translations(path: Path) -> list[dict[str, Any]]:
    """What `write_translations` wrote, in the order of the test set. Raises UserError where it is damaged."""
    try:
        return sorted(read_json_lines(path), key=lambda row: row["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is broken ({type(error).__name__}: {error}); bring it back, or RETRAIN=1") from error
