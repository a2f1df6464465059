"""Finds the imports of a pickle without unpickling it."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator

_HARMLESS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|parameter)(_v2|_v3)?|torch Size"
    r"|torch (Float|Double|Half|BFloat16|Int|Long|Short|Char|Byte|Bool)Storage"
    r"|torch (float|double|half|bfloat16|int|uint|bool)\d*|torch\.serialization _get_layout"
)
"""The names in pickles of plain tensors."""
_UNNAMED = "a computed name"


def foreign_globals(pickled: bytes) -> Iterator[str]:
    """``module name`` of a pickle's imports, except those for plain tensors.

    Raises ValueError for bytes that are not a pickle.
    """
    for each in _globals(pickled):
        if not _HARMLESS.fullmatch(each):
            yield each


def _globals(pickled: bytes) -> Iterator[str]:
    """``module name`` of everything that a pickle would import.

    ``STACK_GLOBAL`` takes its names from the stack, where a string may come from the memo, too:
    the stack is followed as far as that, and what is put there in any other way has no name.
    """
    memo: dict[int, str] = {}
    pushed: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        kind = opcode.name
        if kind in ("GLOBAL", "INST"):
            yield str(argument)
            pushed.append(_UNNAMED)
        elif kind == "STACK_GLOBAL":
            yield _UNNAMED if _UNNAMED in pushed[-2:] or len(pushed) < 2 else " ".join(pushed[-2:])
            pushed.append(_UNNAMED)
        elif kind.startswith("EXT"):
            yield _UNNAMED
        elif kind == "MEMOIZE":
            memo[len(memo)] = pushed[-1] if pushed else _UNNAMED
        elif kind.endswith("PUT"):
            memo[_slot(argument)] = pushed[-1] if pushed else _UNNAMED
        elif kind.endswith("GET"):
            pushed.append(memo.get(_slot(argument), _UNNAMED))
        elif kind not in ("PROTO", "FRAME"):
            pushed.append(argument if isinstance(argument, str) else _UNNAMED)


def _slot(argument: object) -> int:
    return int(str(argument))
