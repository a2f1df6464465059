"""What an exception that has ended Vela is about: the model, the options, or Vela itself.

By what its source raises, and where (5.2). ``regor.compile``, the compiler proper, opens no file
and starts no thread: where it gives a reason, that is the network, or the memories for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_edgegate.backends.tools import one_line

_HEAD = "Traceback (most recent call last):\n"
_EXCEPTION = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<words>.*))?", re.S)
_ERRORS = "ethosu.vela.errors."
_IN_CONFIGURATION = re.compile(r'File ".*\barchitecture_features\.py",')
"""A frame of the module that reads the configuration, before Vela looks at the model."""
_MEMORIES = re.compile(
    r"Compilation failed: (?:\w[\w ]* memory not configured|Configured memory size out of bounds)"
)
"""The compiler's look at the memories that it is given, before that at the network."""
_COMPILER = re.compile(r"Compilation failed: *(?P<reason>.*)", re.S)
_NO_REASON = (
    "Failed to fetch error",
    "Compile() failed and no error set",
    "Unsupported input format",
    "No networks defined",
    "No graphs defined",
    "Output error",
)
"""Beginnings of what the compiler says where it knows no reason, was given nothing to compile, or
can't write what it has made."""
_NOT_PLACED = re.compile(r"\boperation\b.*\bcould not run on NPU", re.I | re.S)
"""The compiler's scheduler raises this past the place that puts ``Compilation failed`` first."""


@dataclass(frozen=True)
class Ending:
    """The exception that Vela has not caught."""

    kind: str
    """Its class, with the module if that is no built-in one."""
    words: str
    """All lines of what it says."""
    frames: str

    @property
    def spelt(self) -> str:
        return one_line(f"{self.kind}: {self.words}" if self.words else self.kind)

    @property
    def of_options(self) -> str:
        """Why Vela does not take its options; empty where it is about something else."""
        name, words = self.kind.removeprefix(_ERRORS), self.words
        unread = name == "InputFileError" and "configuration file" in words.lower()
        if unread or name in ("CliOptionError", "ConfigOptionError"):
            return one_line(words.strip("'\""))
        in_config = _IN_CONFIGURATION.search(self.frames) or _MEMORIES.match(words)
        return self.spelt if in_config or words == "Invalid System Config" else ""

    @property
    def of_model(self) -> bool:
        """Whether Vela refuses the network."""
        if self.of_options:
            return False
        if self.kind == "RuntimeError":
            said = _COMPILER.match(self.words)
            reason = "" if said is None else said["reason"]
            has_one = bool(reason) and not reason.startswith(_NO_REASON)
            return has_one or _NOT_PLACED.search(self.words) is not None
        return self.kind in (f"{_ERRORS}InputFileError", f"{_ERRORS}UnsupportedFeatureError")


def ending(printed: str) -> Ending | None:
    """The last exception in what Vela has *printed*; None where it has ended without one."""
    _, head, after = printed.rpartition(_HEAD)
    lines = after.splitlines()
    at = next((at for at, line in enumerate(lines) if line.strip() and not line[0].isspace()), -1)
    found = _EXCEPTION.fullmatch("\n".join(lines[at:]).rstrip()) if head and at >= 0 else None
    if found is None:
        return None
    return Ending(found["kind"], (found["words"] or "").strip(), "\n".join(lines[:at]))
