"""What edgetpu_compiler prints, as far as the gate reads it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

MAPPED = "Mapped to Edge TPU"
_VERSION = re.compile(r"Edge TPU Compiler version (\d+(?:\.\d+)*)")
_ON_CHIP = re.compile(r"Number of operations that will run on Edge TPU: (\d+)")
_ON_CPU = re.compile(r"Number of operations that will run on CPU: (\d+)")
_SUBGRAPHS = re.compile(r"Number of Edge TPU subgraphs: (\d+)")
_TOTAL = re.compile(r"Total number of operations: (\d+)")
_STATUS = re.compile(r"^\s*([A-Za-z][\w-]*)[ \t]+(\d+)[ \t]+(\S.*?)\s*$", re.MULTILINE)
_SUCCESS = re.compile(r"Model (?:successfully compiled|compiled successfully)")
_REFUSAL = re.compile(
    r"^.*(?:Internal compiler error|Invalid model|Model not quantized|ERROR:|"
    r"Compilation failed(?: due to|:)).*$",
    re.MULTILINE,
)
_DIGITS = 18


@dataclass(frozen=True)
class CompilerLog:
    """The log of one compilation."""

    version: str
    """Empty where the log does not begin with it."""
    on_chip: int | None
    on_cpu: int | None
    subgraphs: int | None
    succeeded: bool
    refusal: str
    """The line in which it refuses the model; empty where it does not."""
    statuses: Mapping[str, Mapping[str, int]]
    """By the kind of operator: how many have which status."""

    def reason(self, kind: str) -> str:
        """Why operators of a kind stay on the CPU, in the compiler's words."""
        return "; ".join(each for each in self.statuses.get(kind, {}) if each != MAPPED)


def read_log(text: str) -> CompilerLog:
    """Reads a log; what it does not say is None or empty."""
    version = _VERSION.search(text)
    refusal = _REFUSAL.search(text)
    on_chip, on_cpu, total = (_number(each, text) for each in (_ON_CHIP, _ON_CPU, _TOTAL))
    statuses = _statuses(text)
    if on_chip is None and total is not None and on_cpu is None and not _has_unmapped(statuses):
        # it says nothing more of a model that is mapped as a whole
        on_chip, on_cpu = total, 0
    return CompilerLog(
        version="" if version is None else version[1],
        on_chip=on_chip,
        on_cpu=on_cpu,
        subgraphs=_number(_SUBGRAPHS, text),
        succeeded=_SUCCESS.search(text) is not None,
        refusal="" if refusal is None else " ".join(refusal[0].split()),
        statuses=statuses,
    )


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return None if found is None or len(found[1]) > _DIGITS else int(found[1])


def _statuses(text: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, count, status in _STATUS.findall(text):
        if len(count) <= _DIGITS and (status == MAPPED or status.startswith(_STARTS)):
            found[kind][status] = found[kind].get(status, 0) + int(count)
    return dict(found)


_STARTS = ("Operation ", "More than one subgraph", "Tensor ")
"""How the compiler's statuses begin, so that other lines of its log are not taken for them."""


def _has_unmapped(statuses: Mapping[str, Mapping[str, int]]) -> bool:
    return any(each != MAPPED for found in statuses.values() for each in found)
