"""The lines of the ini key edge_evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.evidence import EVIDENCE, INI_KEY


def evidence_from_lines(lines: Iterable[str]) -> tuple[tuple[str | None, str], ...]:
    """(target or None, evidence) of each line: ``vendor``, or ``coral = vendor`` for one target.

    Raises ConfigurationError, UnknownNameError.
    """
    found: dict[str | None, str] = {}
    for target, wanted in _parsed(lines):
        if found.setdefault(target, wanted) != wanted:
            whom = f" of {target}" if target else ""
            raise ConfigurationError(
                f"ini {INI_KEY} asks for {found[target]} and for {wanted}{whom}",
                "write one line for all targets, and one for each that differs",
            )
    return tuple(found.items())


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    for line in filter(None, map(str.strip, lines)):
        target, sign, wanted = (each.strip() for each in line.rpartition("="))
        if sign and not target:
            raise ConfigurationError(
                f"ini {INI_KEY}: {line!r} names no target",
                f"write {wanted or EVIDENCE[-1]}, or coral = {wanted or EVIDENCE[-1]}",
            )
        if wanted not in EVIDENCE:
            raise UnknownNameError("evidence", wanted, EVIDENCE, f"ini {INI_KEY}")
        yield target or None, wanted
