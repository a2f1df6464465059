"""What tells a function of the user's from another of its name."""

from __future__ import annotations

import hashlib
import inspect
import io
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import CodeType, ModuleType
from typing import Any

import numpy as np

_SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEEPEST = 8
_MOST_BYTES = 64 << 20
"""Of an array whose content counts: a digest takes 0.1 s of that."""


def identity_of(function: Any) -> str:
    """The source without comments and spaces, and the values and the functions that it names.

    Functions and classes of installed packages count by their names. Values that are neither plain
    ones nor arrays of numbers count by their type: what is in them is not known.
    """
    known = _KNOWN.get(id(function))
    if known is None or known[0] is not function:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[id(function)] = (function, "\n".join(_Looked().parts(function, 0)))
    return known[1]


_KNOWN: dict[int, tuple[Any, str]] = {}
"""What was found of a function when it was first seen, before it was called: a function may
remember results in what it names."""
_MOST_KNOWN = 256


class _Looked:
    """One look at a function: what was met before is not looked at again, since functions may
    name each other."""

    def __init__(self) -> None:
        self._met: set[int] = set()

    def parts(self, value: Any, depth: int) -> Iterator[str]:
        if isinstance(value, _PLAIN):
            yield repr(value)
        elif isinstance(value, np.ndarray | np.generic):
            yield _of_array(np.asarray(value))
        elif depth >= _DEEPEST:
            yield type(value).__qualname__
        elif isinstance(value, partial):
            yield from self.parts(value.func, depth + 1)
            yield from self.parts([*value.args, value.keywords], depth + 1)
        elif inspect.ismethod(value):
            yield from self.parts(value.__func__, depth + 1)
            yield from self.parts(value.__self__, depth + 1)
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                yield str(key)
                yield from self.parts(value[key], depth + 1)
        elif isinstance(value, list | tuple | set | frozenset):
            ordered = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            for each in ordered:
                yield from self.parts(each, depth + 1)
        else:
            yield from self._of_code(value, depth)

    def _of_code(self, value: Any, depth: int) -> Iterator[str]:
        """Functions, classes, and objects of the user's."""
        name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
        if id(value) in self._met or isinstance(value, ModuleType):
            yield f"{type(value).__qualname__} {name}"
            return
        self._met.add(id(value))
        wrapped = inspect.unwrap(value) if callable(value) else value
        if inspect.isfunction(wrapped):
            yield from self._of_function(wrapped, depth)
            return
        yield f"{type(value).__qualname__} {name}"
        if isinstance(value, type):
            if _is_of_user(value.__module__):
                for key, each in sorted(vars(value).items()):
                    if not key.startswith("__") or inspect.isfunction(each):
                        yield key
                        yield from self.parts(each, depth + 1)
            return
        call = vars(type(value)).get("__call__")
        if inspect.isfunction(call):
            yield from self._of_function(call, depth)
        yield from self.parts(getattr(value, "__dict__", None), depth + 1)

    def _of_function(self, function: Any, depth: int) -> Iterator[str]:
        yield _source(function)
        yield from self.parts(function.__defaults__, depth + 1)
        yield from self.parts(function.__kwdefaults__, depth + 1)
        for cell in function.__closure__ or ():
            try:
                yield from self.parts(cell.cell_contents, depth + 1)
            except ValueError:  # it is not filled yet
                yield "an empty cell"
        known = function.__globals__
        for name in sorted(_names_in(function.__code__) & known.keys()):
            value = known[name]
            module = getattr(value, "__module__", None)
            if isinstance(module, str) and not _is_of_user(module):
                yield f"{name}: {module} {getattr(value, '__qualname__', type(value).__qualname__)}"
            else:
                yield name
                yield from self.parts(value, depth + 1)


def _names_in(code: CodeType) -> set[str]:
    """The names that a function, and the functions inside of it, look up."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


_INSTALLED = tuple(
    str(Path(sysconfig.get_path(each)).resolve())
    for each in ("stdlib", "platstdlib", "purelib", "platlib")
)


def _is_of_user(module: str) -> bool:
    """Whether a module is neither Python's own nor that of an installed package."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not str(Path(file).resolve()).startswith(_INSTALLED)


def _of_array(array: Any) -> str:
    told = f"{array.dtype.str}{array.shape}"
    if array.dtype.hasobject or array.nbytes > _MOST_BYTES:
        return told
    return f"{told} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"


def _source(function: Any) -> str:
    try:
        text = dedent(inspect.getsource(function))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return " ".join(each.string for each in tokens if each.type not in _SILENT)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        code = function.__code__
        return f"{code.co_qualname} {code.co_code.hex()} {code.co_consts!r} {code.co_names!r}"
