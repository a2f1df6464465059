"""What edgetpu_compiler prints, as far as the gate reads it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAPPED = "Mapped to Edge TPU"
_VERSION = re.compile(r"Edge TPU Compiler version (\d+(?:\.\d+)*)")
_ON_CHIP = re.compile(r"Number of operations that will run on Edge TPU: (\d+)")
_ON_CPU = re.compile(r"Number of operations that will run on CPU: (\d+)")
_SUBGRAPHS = re.compile(r"Number of Edge TPU subgraphs: (\d+)")
_TOTAL = re.compile(r"Total number of operations: (\d+)")
_STATUS = re.compile(r"^\s*([A-Za-z][\w-]*)[ \t]+(\d+)[ \t]+(\S.*?)\s*$", re.MULTILINE)
_SUCCESS = re.compile(r"Model (?:successfully compiled|compiled successfully)")
_INTERNAL = "Internal compiler error"
_REFUSAL = re.compile(
    rf"{_INTERNAL}|Invalid model|Model not quantized|ERROR:|Compilation failed(?: due to|:| *!)"
)
_EXCEPTION = "terminating with uncaught exception"
_OF_MACHINE = re.compile(r"Compilation timeout|std::bad_alloc")
"""What depends on how fast the machine is, and on its memory."""
_CONSEQUENCES = re.compile(
    r"Registration failed|Restored original execution plan|Invalid model|Compilation failed *!"
)
"""Lines that only say that it has failed, and stand beside the one that says why."""
_OWN_WORDS = re.compile("Compilation failed(?: due to|:)")
_LONGEST = 400
_SHOWN = 2
"""Lines of a refusal that are told."""
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
    """The lines that say why it refuses the model; empty where it does not."""
    internal: bool
    """Whether it refuses by an internal error, which comes and goes."""
    of_machine: str
    """What it says where this machine was too slow for it, or had too little memory."""
    statuses: Mapping[str, Mapping[str, int]]
    """By the kind of operator: how many have which status."""

    def unmapped(self, kind: str) -> Mapping[str, int]:
        """How many operators of a kind have which status, of those on the CPU."""
        found = self.statuses.get(printed_kind(kind), {})
        return {status: count for status, count in found.items() if status != MAPPED}

    def reason(self, kind: str) -> str:
        """Why operators of a kind stay on the CPU, in the compiler's words."""
        return "; ".join(self.unmapped(kind))


def printed_kind(kind: str) -> str:
    """A kind of operator as the log names it: it has one name for all custom ones."""
    return kind.partition(":")[0]


def read_log(text: str) -> CompilerLog:
    """Reads a log; what it does not say is None or empty."""
    version = _VERSION.search(text)
    lines = [" ".join(each.split())[:_LONGEST] for each in text.splitlines()]
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
        refusal=_sentences(_refusal(lines)),
        internal=_INTERNAL in text,
        of_machine=_sentences(dict.fromkeys(filter(_OF_MACHINE.search, lines))),
        statuses=statuses,
    )


def _refusal(lines: Iterable[str]) -> list[str]:
    """The lines that tell most of why it refuses a model, in their order; none where it does not.

    Its own words for the reason weigh more than those of the parts that it is made of.
    """
    found = list(dict.fromkeys(each for each in lines if _REFUSAL.search(each)))
    if not found:
        return []
    thrown = (each for each in dict.fromkeys(lines) if _EXCEPTION in each)
    telling = [*(each for each in found if not _CONSEQUENCES.search(each)), *thrown]
    own = [each for each in telling if _OWN_WORDS.search(each)]
    chosen = [*own, *(each for each in telling if each not in own)][:_SHOWN]
    return sorted(chosen, key=telling.index) or found[:1]


def _sentences(lines: Iterable[str]) -> str:
    """The lines as one."""
    told = ""
    for each in lines:
        between = "" if not told else " " if told.endswith((".", "!", "?")) else "; "
        told += between + each
    return told


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
