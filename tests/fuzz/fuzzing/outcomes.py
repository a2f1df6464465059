"""What became of an input."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    CLEAR = "clear error"
    VERDICT = "honest verdict"
    TRACEBACK = "traceback"
    UNCLEAR = "unclear"
    """An error of ours that does not say what it has to, or a verdict that can't be right."""
    WROTE = "wrote a file"
    CRASH = "crash"
    NATIVE = "native crash"
    HANG = "hang"


BAD = (Kind.TRACEBACK, Kind.UNCLEAR, Kind.WROTE, Kind.CRASH, Kind.HANG)
"""What no input may lead to. A crash inside a native library is counted apart, by name."""


@dataclass(frozen=True)
class Result:
    """``text`` is one line: the error's first, the exception's last, the signal."""

    number: int
    kind: Kind
    text: str = ""
    detail: str = ""
    """More of it, for who looks into it: the traceback."""
    faults: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Result:
        return cls(**{**given, "kind": Kind(given["kind"]), "faults": tuple(given["faults"])})
