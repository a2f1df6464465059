"""Marks that are almost one of the gate's: a misspelt one would leave a test green, ungated.

pytest takes any mark, so nothing else tells ``edge_budgets`` from a mark of the user's own. What a
project registers, and what only resembles the gate's names, is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest

from pytest_edgegate import fixtures
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.near_names import NEAR, distance
from pytest_edgegate.settings.options import MARKERS

_MEANT = tuple(name for name in MARKERS if name != "edge")
_FIXTURES = frozenset(name for name in vars(fixtures) if name.startswith("edge_"))
_PREFIX = "edge_"


def check_marks(marks: Iterable[pytest.Mark], uses: Collection[str], config: pytest.Config) -> None:
    """Raises ConfigurationError for a mark of a test that is meant for the gate and is none of its.

    *uses*: the fixtures of the test.
    """
    found = {mark.name: mark for mark in marks}
    is_ours = not _FIXTURES.isdisjoint(uses) or not found.keys().isdisjoint(_MEANT)
    registered = _registered(config)
    for name, mark in found.items():
        if name in registered:
            continue
        if name.startswith(_PREFIX):
            _check_name(name, config)
        if is_ours and name in BUDGETS:
            limit = repr(mark.args[0]) if len(mark.args) == 1 else "..."
            raise ConfigurationError(
                f"{name} is a budget, not a mark: it would gate nothing",
                f"write edge_budget({name}={limit}){_or_register(name)}",
            )


def _check_name(name: str, config: pytest.Config) -> None:
    near = next((each for each in _MEANT if distance(name, each) <= NEAR), None)
    if near is not None:
        raise ConfigurationError(
            f"unknown mark {name!r}, did you mean {near!r}?",
            f"write {near}(...){_or_register(name)}",
        )
    if name in _FIXTURES:
        raise ConfigurationError(
            f"{name} is a fixture, not a mark: it would gate nothing",
            f"take it as an argument of the test; limits are set by the mark edge_budget"
            f"{_or_register(name)}",
        )
    if _is_ini_key(name, config):
        raise ConfigurationError(
            f"{name} is an ini key, not a mark: it would change nothing",
            f"write it into the ini file; limits are set by the mark edge_budget"
            f"{_or_register(name)}",
        )


def _or_register(name: str) -> str:
    return f"; a mark {name} of your own is registered by the ini key markers"


def _registered(config: pytest.Config) -> set[str]:
    """The marks that the ini key ``markers`` and plugins register, the gate's own among them."""
    lines: list[str] = config.getini("markers")
    return {line.split(":")[0].split("(")[0].strip() for line in lines}


def _is_ini_key(name: str, config: pytest.Config) -> bool:
    try:
        config.getini(name)
    except (ValueError, KeyError):  # pytest's answer for an unknown key
        return False
    return True
