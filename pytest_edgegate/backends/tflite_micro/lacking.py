"""The operators of a file that LiteRT-Micro lacks: all of them, where it names the first."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.schema import import_schema, names_of, pack, unpack
from pytest_edgegate.backends.litert.signatures import text
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tflite_micro.importing import import_runtime

_LACKING = re.compile(
    r"Didn't find op for builtin opcode '(\w+)'|Failed to get registration from op code (\S+)"
)
_ENOUGH = 1 << 20
"""Bytes of an arena: operators are looked up before tensors are allocated."""


def names_a_lacking_one(line: str) -> bool:
    return bool(_LACKING.search(line))


def lacking_operators(path: Path) -> list[str]:
    """The names of the operators, each once, in the order of the file.

    The interpreter looks up every operator before it prepares one, and stops at the first that it
    lacks. So one that no interpreter has is appended, at which it stops at the latest, and each
    that it names is made into a known one until it names that.
    """
    model = unpack(path)
    kinds = import_schema().BuiltinOperator
    _append(model, kinds.DELEGATE)
    found: list[str] = []
    while (name := _first(pack(model))) not in ("", "DELEGATE"):
        replaced = _replace(model, name, kinds.ADD)
        if not replaced:
            return [*found, name]
        found += replaced
    return list(dict.fromkeys(found))


def _first(content: bytes) -> str:
    """The first operator that the interpreter lacks, or an empty text."""
    runtime = import_runtime()
    with held_native_output() as printed:
        try:
            runtime.Interpreter.from_bytes(content, arena_size=_ENOUGH)
        except RuntimeError:
            found = next(filter(None, map(_LACKING.search, printed.lines())), None)
            return "" if found is None else found[1] or found[2]
    return ""


def _append(model: Any, kind: int) -> None:
    """An operator of this *kind* behind the last one."""
    code = copy.copy(model.operatorCodes[0])
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version = (
        kind,
        kind,
        None,
        1,
    )
    operators = model.subgraphs[-1].operators
    last = copy.copy(operators[-1])
    last.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(code)
    operators.append(last)


def _replace(model: Any, name: str, kind: int) -> list[str]:
    """Another *kind* in place of the operator of that *name*; the names of those replaced.

    The interpreter calls all custom operators CUSTOM.
    """
    names, found = names_of(import_schema().BuiltinOperator), []
    for code in model.operatorCodes:
        if names.get(max(code.builtinCode, code.deprecatedBuiltinCode)) == name:
            found.append(text(code.customCode) if code.customCode else name)
            code.builtinCode = code.deprecatedBuiltinCode = kind
            code.customCode = None
    return found
