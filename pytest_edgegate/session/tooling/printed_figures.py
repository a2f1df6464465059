"""What a command of the user's own has printed: a JSON object with figures, and words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.printable import printable
from pytest_edgegate.core.tools import Absent, Figure, FigureOrAbsent
from pytest_edgegate.settings.units import budget

SAID = 300
"""Characters of others that are shown."""
_KEPT = 20_000
_STARTS = 100
"""Lines that may begin the object, of which the last ones are tried."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
"""And no others: a text in JSON may have the line separators of Unicode."""
_LEAST = {"s": 1e-9, "bytes": 1}
"""By the unit: a smaller figure is none. No inference takes less than a cycle of a processor."""
_MAY_BE_ZERO = ("streamed_bytes",)
PRINT = (
    'have it print its figures last, in bytes, seconds or ratios: {"memory": 43000, '
    '"latency_p50": 0.004}'
)


@dataclass(frozen=True)
class Printed:
    """The output of a program, without colours."""

    out: str
    errors: str = ""

    @classmethod
    def read(cls, out: IO[bytes], errors: IO[bytes]) -> Printed:
        return cls(_text_of(out), _text_of(errors))

    @property
    def last_words(self) -> str:
        """Its last line, or an empty string: that on stderr, where programs complain."""
        for text in (self.errors, self.out):
            lines = [line.strip() for line in _LINE_ENDS.split(text) if line.strip()]
            if lines:
                return printable(lines[-1])[:SAID]
        return ""

    def whole(self, name: str) -> RuntimeError | None:
        """All that it printed, as the cause of an error."""
        said = "\n".join(text[-_KEPT:] for text in (self.out, self.errors) if text.strip())
        return RuntimeError(f"{name} printed:\n{said}") if said else None


def _text_of(printed: IO[bytes]) -> str:
    printed.seek(0)
    return _COLOURS.sub("", printed.read().decode("utf-8", "replace").replace("\ufeff", ""))


def object_at_end(text: str) -> Mapping[str, Any] | None:
    """The JSON object that a text ends with."""
    lines = _LINE_ENDS.split(text.strip())
    starts = [at for at, line in enumerate(lines) if line.lstrip().startswith("{")]
    for at in reversed(starts[-_STARTS:]):
        try:
            found = json.loads("\n".join(lines[at:]))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def is_told(told: Mapping[str, Any], metric: str) -> bool:
    """Whether it says something of a metric: ``null`` is nothing."""
    return told.get(metric) is not None


def figure(metric: str, told: Mapping[str, Any], name: str) -> FigureOrAbsent:
    """The figure of a metric in the object that the tool *name* has printed."""
    if not is_told(told, metric):
        others = ", ".join(printable(str(each)) for each in list(told)[:10] if is_told(told, each))
        return Absent(
            f"{name} printed no {metric}, but {others or 'nothing'}"[:SAID],
            f"have it print {metric}, or name another tool for it",
        )
    value, unit = told[metric], kind_of(metric).unit
    number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        read = budget(metric, f"{value!r} s" if number and unit == "s" else value, name)
    except (ConfigurationError, ValueError) as error:
        message = error.message if isinstance(error, ConfigurationError) else str(error)
        return Absent(f"{name} printed a {metric} that is none: {printable(message)[:SAID]}", PRINT)
    if metric not in _MAY_BE_ZERO and read.limit < _LEAST.get(unit, 0):
        in_unit = {"s": "the seconds of one inference", "bytes": "bytes"}[unit]
        example = {"s": "0.004", "bytes": "43000"}[unit]
        return Absent(
            f"{name} printed a {metric} that is none: {printable(str(value))[:SAID]}, which no "
            "file takes",
            f'have it print {in_unit}: {{"{metric}": {example}}}; and leave {metric} out where it '
            "has not measured any",
        )
    return Figure(read.limit, f"tool:{name}")
