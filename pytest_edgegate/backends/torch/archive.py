"""What may be in a .pt2 archive: data, and no code.

``torch.export.load`` reads some members with pickle, falls back to the pickle that runs code where
the safe one fails, and hands expressions of the graph to sympy, which evaluates them. All of that
is looked at here, by the standard library, before torch sees the file.
"""

from __future__ import annotations

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError

_HARMLESS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|parameter)(_v2|_v3)?|torch Size"
    r"|torch (Float|Double|Half|BFloat16|Int|Long|Short|Char|Byte|Bool)Storage"
    r"|torch (float|double|half|bfloat16|int|uint|bool)\d*|torch\.serialization _get_layout"
)
"""What the pickles of plain tensors name."""
_SYMPY = frozenset({
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Mod", "FloorDiv",
    "CleanDiv", "CeilDiv", "CeilToInt", "FloorToInt", "PythonMod", "ModularIndexing", "Where",
    "IntTrueDiv", "FloatTrueDiv", "ToFloat", "TruncToInt", "TruncToFloat", "RoundToInt",
    "Identity", "Eq", "Ne", "Equality", "Unequality", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not",
    "LessThan", "GreaterThan", "StrictLessThan", "StrictGreaterThan", "Piecewise", "ExprCondPair",
})  # fmt: skip
"""What an expression over symbolic sizes may call; none of it evaluates text."""
_ARITHMETIC = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.Tuple, ast.BinOp,
    ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_EXPRESSIONS = ("expr_str", "as_expr", "hint_expr")
_TARGETS = re.compile(
    r"torch\.ops\.[\w.]+|_operator\.\w+|operator\.\w+|math\.\w+|torch\.sym_\w+"
    r"|torch\._higher_order_ops\.[\w.]+"
)


def is_archive(path: Path) -> bool:
    """Whether a zip file is a .pt2 archive. Raises ConfigurationError for a damaged one."""
    return any(name.endswith("models/model.json") or "/models/" in name for name in _names(path))


def is_torch_save(path: Path) -> bool:
    """Whether a zip file is what torch.save or torch.jit.save made: a pickle in the main."""
    return any(name.endswith("/data.pkl") and name.count("/") == 1 for name in _names(path))


def refuse_code(path: Path) -> None:
    """Refuses an archive with code in it, reading it without torch.

    Raises UnsupportedError for what would run, ConfigurationError for what can't be read.
    """
    found = sorted(set(_code(path)))
    if found:
        raise UnsupportedError(
            f"{path.name} holds pickled members or expressions that can run code "
            f"({', '.join(found[:4])}), and a gate runs no code from a file",
            "where you trust it, load it yourself and return the module from edge_model: "
            f'torch.export.load("{path.name}").module()',
        )


def refuse_pickles(path: Path, torch: Any) -> None:
    """Refuses pickled members that torch's own safe reader does not take.

    ``torch.export.load`` would read just those again with the pickle that runs code.
    """
    refuse_code(path)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pt"):
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except Exception as error:  # UnpicklingError, and whatever a crafted zip gives
                    raise UnsupportedError(
                        f"{path.name} has the pickled member {name}, which torch's safe reader "
                        "refuses",
                        "save the program again with torch.export.save, without objects of your "
                        "own among its example inputs",
                    ) from error


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise _damaged(path, error) from error


def _code(path: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield from _in_json(name, json.loads(archive.read(name)))
                elif name.endswith(".pt"):
                    yield from _in_pickle(name, archive.read(name))
                elif name.rsplit("/", 1)[-1].startswith(("opaque_obj", "custom_obj", "script_obj")):
                    yield name
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError,
            NotImplementedError, RecursionError) as error:  # fmt: skip
        raise _damaged(path, error) from error


def _in_json(member: str, content: Any) -> Iterator[str]:
    """Pickled weights, and expressions and targets that are not plain."""
    if isinstance(content, dict):
        if content.get("use_pickle"):
            yield f"{content.get('path_name', member)} (pickled)"
        target = content.get("target")
        if "inputs" in content and isinstance(target, str) and not _TARGETS.fullmatch(target):
            yield f"the call of {target}"
        for key, value in content.items():
            if key in _EXPRESSIONS and isinstance(value, str) and not _plain(value):
                yield f"the expression {value[:40]!r}"
            yield from _in_json(member, value)
    elif isinstance(content, list):
        for value in content:
            yield from _in_json(member, value)


def _plain(expression: str) -> bool:
    """Arithmetic over symbols, as sympy prints it: no attribute, and no call but those of it."""
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, MemoryError):
        return False
    called = [each.func for each in nodes if isinstance(each, ast.Call)]
    return all(isinstance(each, _ARITHMETIC) for each in nodes) and all(
        isinstance(each, ast.Name) and each.id in _SYMPY for each in called
    )


def _in_pickle(member: str, content: bytes) -> Iterator[str]:
    """The callables that a torch.save member names, but for those of plain tensors."""
    if not content:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        for name in inner.namelist():
            if name.endswith(".pkl"):
                for each in _globals(inner.read(name)):
                    if not _HARMLESS.fullmatch(each):
                        yield f"{member} ({each})"


def _globals(pickled: bytes) -> Iterator[str]:
    """``module name`` of everything that a pickle would import."""
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument)
        elif opcode.name == "STACK_GLOBAL":  # the names are on the stack: the last two strings
            yield " ".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def _damaged(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} is a damaged archive: {error}",
        "save it again with torch.export.save(torch.export.export(model, (x,)), path)",
    )
