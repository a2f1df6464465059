"""Folders of the gate's own, which mean nothing to a user and are gone once a message is read.

Libraries put the path that they were given into their errors, and what they were given is a private
copy of the user's file, under its own name.
"""

from __future__ import annotations

import os
import re

_PLACES: dict[str, re.Pattern[str]] = {}
"""What the paths of files below each folder begin with."""
_NAME = r"[^/\\\s'\"]+"


def keep_private(folder: str) -> None:
    """Files in the subfolders of this folder are shown by their names from now on."""
    for each in {folder, os.path.realpath(folder)}:
        _PLACES.setdefault(each, re.compile(rf"{re.escape(each)}[/\\]{_NAME}[/\\]"))


def without_private_places(text: str) -> str:
    """The text with the files of private folders by their names."""
    for folder, beginning in _PLACES.items():
        if folder in text:
            text = beginning.sub("", text)
    return text
