"""Calls of the user with an argument that does not exist, told with the nearest name that does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError

_T = TypeVar("_T")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_CLOSED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class UnknownArgumentError(UnknownNameError, TypeError):
    """An argument that a step, a class or a helper does not have."""


class MisplacedArgumentError(ConfigurationError, TypeError):
    """A value without a name where one is needed, or a value that is missing."""


def tells_arguments(cls: type[_T]) -> type[_T]:
    """A class decorator: wrong arguments raise an error with a remedy, still a TypeError."""
    made: Any = cls
    made.__init__ = told(cls.__name__)(made.__init__)
    return cls


def told(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator of a method: its arguments are checked first; *name* is what the user types."""

    def decorate(call: Callable[_P, _R]) -> Callable[_P, _R]:
        parameters = list(inspect.signature(call).parameters.values())[1:]  # without self

        @wraps(call)
        def checked(*args: _P.args, **given: _P.kwargs) -> _R:
            _check(name, parameters, args[1:], given)
            return call(*args, **given)

        return checked

    return decorate


def _check(
    name: str,
    parameters: list[inspect.Parameter],
    args: tuple[Any, ...],
    given: Mapping[str, Any],
) -> None:
    known = [each.name for each in parameters if each.kind in _CLOSED]
    is_open = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    unknown = [each for each in given if each not in known]
    if unknown and not is_open:
        raise UnknownArgumentError("argument", unknown[0], known, name)
    placed = [
        each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    named = [each for each in known if each not in placed]
    if len(args) > len(placed):
        raise MisplacedArgumentError(
            f"{name} takes {_counted(placed)} and was given {len(args)}",
            f"name the others: {', '.join(f'{each}=' for each in named)}"
            if named
            else f"write {name}({', '.join(placed)})",
        )
    needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    missing = [
        each for each in needed if each in known and each not in (*placed[: len(args)], *given)
    ]
    if missing:
        wanted = ", ".join((*placed, *(f"{each}=..." for each in named)))
        raise MisplacedArgumentError(f"{name} was given no {missing[0]}", f"write {name}({wanted})")


def _counted(placed: list[str]) -> str:
    if not placed:
        return "no positional value"
    return f"{len(placed)} positional value{'s' if placed[1:] else ''} ({', '.join(placed)})"
