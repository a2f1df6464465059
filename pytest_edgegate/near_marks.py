"""Marks that are almost one of the gate's: a misspelt one would leave a test green, ungated.

pytest takes any mark, so nothing else tells ``edge_budgets`` from a mark of the user's own. What a
project registers, and what only resembles the gate's names, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_edgegate import fixtures
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.near_names import NEAR, distance
from pytest_edgegate.settings.ini_keys import is_known
from pytest_edgegate.settings.markers import Fault
from pytest_edgegate.settings.options import MARKERS

_MEANT = tuple(name for name in MARKERS if name != "edge")
_FIXTURES = frozenset(name for name in vars(fixtures) if name.startswith("edge_"))
_PREFIX = "edge_"


def check_marks(item: pytest.Item) -> None:
    """Raises ConfigurationError for the first mark of a test that is meant for the gate and is
    none of its."""
    for each in near_marks(item):
        raise each.error


def near_marks(item: pytest.Item) -> Iterator[Fault]:
    """Every mark of a test that is meant for the gate and is none of its."""
    uses: list[str] = getattr(item, "fixturenames", [])
    found = list(item.iter_markers_with_node())
    is_ours = not _FIXTURES.isdisjoint(uses) or any(mark.name in _MEANT for _, mark in found)
    registered = _registered(item.config)
    for owner, mark in found:
        error = None if mark.name in registered else _error(mark, item.config, is_ours=is_ours)
        if error is not None:
            yield Fault(owner, mark, "", error)


def _error(mark: pytest.Mark, config: pytest.Config, *, is_ours: bool) -> ConfigurationError | None:
    """What is wrong with a mark that nobody has registered."""
    name = mark.name
    if name.startswith(_PREFIX):
        return _of_a_name(name, config)
    if is_ours and name in BUDGETS:
        limit = repr(mark.args[0]) if len(mark.args) == 1 else "..."
        return ConfigurationError(
            f"{name} is a budget, not a mark: it would gate nothing",
            f"write edge_budget({name}={limit}){_or_register(name)}",
        )
    return None


def _of_a_name(name: str, config: pytest.Config) -> ConfigurationError | None:
    near = next((each for each in _MEANT if distance(name, each) <= NEAR), None)
    if near is not None:
        return ConfigurationError(
            f"unknown mark {name!r}, did you mean {near!r}?",
            f"write {near}(...){_or_register(name)}",
        )
    if name in _FIXTURES:
        return ConfigurationError(
            f"{name} is a fixture, not a mark: it would gate nothing",
            f"take it as an argument of the test; limits are set by the mark edge_budget"
            f"{_or_register(name)}",
        )
    if is_known(config, name):
        return ConfigurationError(
            f"{name} is an ini key, not a mark: it would change nothing",
            f"write it into the ini file; limits are set by the mark edge_budget"
            f"{_or_register(name)}",
        )
    return None


def _or_register(name: str) -> str:
    return f"; a mark {name} of your own is registered by the ini key markers"


def _registered(config: pytest.Config) -> set[str]:
    """The marks that the ini key ``markers`` and plugins register, the gate's own among them."""
    lines: list[str] = config.getini("markers")
    return {line.split(":")[0].split("(")[0].strip() for line in lines}
