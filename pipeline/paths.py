"""Paths as people type them."""

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """A path whose ~ at the start is the home folder: not every shell replaces it after a = or in a variable of make,
    and at our own prompt there is none. Of a user that this machine does not have, it stays."""
    return Path(os.path.expanduser(path))
