"""What tells a function of the user's from another of its name."""

from __future__ import annotations

import inspect
import io
import tokenize
from collections.abc import Iterator
from functools import partial
from textwrap import dedent
from typing import Any

_SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEEPEST = 4


def identity_of(function: Any) -> str:
    """The source without comments and spaces, and the values that the function is bound to.

    Values that are no plain ones count by their type: what is in them is not known.
    """
    return "\n".join(_parts(function, 0))


def _parts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, _PLAIN):
        yield repr(value)
    elif depth >= _DEEPEST:
        yield type(value).__qualname__
    elif isinstance(value, partial):
        yield from _parts(value.func, depth + 1)
        yield from _parts([*value.args, value.keywords], depth + 1)
    elif inspect.ismethod(value):
        yield from _parts(value.__func__, depth + 1)
        yield from _parts(value.__self__, depth + 1)
    elif inspect.isfunction(value):
        yield from _of_function(value, depth)
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield str(key)
            yield from _parts(value[key], depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in sorted(value, key=str) if isinstance(value, set | frozenset) else value:
            yield from _parts(each, depth + 1)
    else:
        yield f"{type(value).__qualname__} {getattr(value, '__name__', '')}"
        call = vars(type(value)).get("__call__")
        if inspect.isfunction(call):
            yield from _of_function(call, depth)
        yield from _parts(getattr(value, "__dict__", None), depth + 1)


def _of_function(function: Any, depth: int) -> Iterator[str]:
    yield _source(function)
    yield from _parts(function.__defaults__, depth + 1)
    yield from _parts(function.__kwdefaults__, depth + 1)
    for cell in function.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, depth + 1)
        except ValueError:  # it is not filled yet
            yield "an empty cell"


def _source(function: Any) -> str:
    try:
        text = dedent(inspect.getsource(function))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return " ".join(each.string for each in tokens if each.type not in _SILENT)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        code = function.__code__
        return f"{code.co_qualname} {code.co_code.hex()} {code.co_consts!r} {code.co_names!r}"
