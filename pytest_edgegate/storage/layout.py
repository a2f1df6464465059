"""Where things are in the folder of a cache."""

from __future__ import annotations

import re
from pathlib import Path

ENTRIES, LOCKS, SCRATCH = "entries", "locks", "scratch"
NAMED = "by-digest"
"""Files named by the digest of an artifact that hold the key of the entry that has it."""
CANDIDATES = "candidates"
"""What the last run of each test has found, for ``--edge-accept``."""
MANIFEST = "entry.json"
MADE_BY = "# made by pytest-edgegate"
"""The first line of the ``.gitignore`` of a cache."""
SESSION = "session-"
"""The prefix of the locks that sessions hold for as long as they use entries."""
KEY = re.compile(r"[0-9a-f]{64}")


def entry_folder(cache: Path, key: str) -> Path:
    return cache / ENTRIES / key[:2] / key


def lock_file(cache: Path, key: str) -> Path:
    return cache / LOCKS / f"{key}.lock"


def going_mark(cache: Path, key: str) -> Path:
    """The file that exists while an entry is removed by ``cache prune``."""
    return entry_folder(cache, key).with_name(f"{key}.going")
