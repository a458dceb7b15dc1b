"""Paths as people type them."""

import os
import re
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """A path whose ~ at the start is the home folder: not every shell replaces it after a = or in a variable of make,
    and at our own prompt there is none. Of a user that this machine does not have, it stays."""
    return Path(os.path.expanduser(path))


def is_plain_word(name: str) -> bool:
    """Whether a file or folder can be called `name`, wherever it is; so not .. either, which is another folder."""
    return bool(re.fullmatch(r"(?!\.)[\w.+-]{1,100}", name))
