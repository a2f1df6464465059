"""The markers ``edge_budget``, ``edge_recipe`` and ``edge_targets`` of one test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import filterfalse

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.recipe import Recipe, as_recipe, spelt_step
from pytest_edgegate.settings.units import budget

ARTIFACT_FIXTURES = ("edge_artifact", "edge_ptq", "edge_qat", "edge_pruned", "edge_distilled")


@dataclass(frozen=True)
class Line:
    """One marker: the targets it names (empty: all) and the distance of its node (0: nearest)."""

    names: tuple[str, ...]
    level: int
    budgets: tuple[Budget, ...] = ()
    recipe: Recipe = ()

    def holds_for(self, target: str) -> bool:
        return not self.names or target in self.names


@dataclass(frozen=True)
class Markers:
    """The combined markers of one test: of its function, class and module."""

    budgets: tuple[Line, ...]
    recipes: tuple[Line, ...]
    only: tuple[tuple[str, ...], ...]
    """The names in each ``edge_targets`` marker; a target has to be in all of them."""

    def budgets_for(self, target: str) -> tuple[Budget, ...]:
        """The nearest marker wins for each budget; on one node, one that names the target does."""
        found: dict[str, Budget] = {}
        for line in _nearest_first(self.budgets, target):
            for each in line.budgets:
                found.setdefault(each.metric, each)
        return tuple(found.values())

    def recipe_for(self, target: str) -> Recipe | None:
        return next((line.recipe for line in _nearest_first(self.recipes, target)), None)

    def targets_of(self, selected: tuple[str, ...]) -> tuple[str, ...]:
        """The selected targets that the test runs for; empty where it is deselected."""
        if self.only:
            return tuple(each for each in selected if all(each in names for names in self.only))
        named = {name for line in self.budgets for name in line.names}
        if self.budgets and all(line.names for line in self.budgets) and not named & set(selected):
            return ()
        return selected

    @property
    def named(self) -> tuple[str, ...]:
        """The targets that its ``edge_targets`` name, or else its budgets."""
        if self.only:
            return tuple(each for each in self.only[0] if all(each in names for names in self.only))
        return tuple(dict.fromkeys(name for line in self.budgets for name in line.names))

    @property
    def any(self) -> bool:
        return bool(self.budgets or self.recipes or self.only)


@dataclass(frozen=True)
class Fault:
    """A mistake in the markers of a test."""

    owner: object
    """The node that has the marker: a function, a class or a module."""
    mark: pytest.Mark | None
    """None where it is not in a single mark."""
    word: str
    """The name or text of the argument that is wrong, or nothing."""
    error: ConfigurationError


def read_markers(node: pytest.Item, known: Collection[str]) -> Markers:
    """The markers of a test. Raises ConfigurationError for a mistake in one of them."""
    markers, faults = markers_and_faults(node, known, ())
    if faults:
        raise faults[0].error
    return markers


def markers_and_faults(
    node: pytest.Item, known: Collection[str], fixtures: Collection[str]
) -> tuple[Markers, list[Fault]]:
    """The markers of a test as far as they can be read, and every mistake in them.

    *fixtures*: those of the test, which its markers have to fit.
    """
    reading = _Reading(known)
    for owner, mark in node.iter_markers_with_node():
        reading.add(owner, mark)
    found = Markers(tuple(reading.budgets), tuple(reading.recipes), tuple(reading.only))
    try:
        check_fixtures(found, fixtures)
    except ConfigurationError as error:
        reading.faults.append(Fault(node, None, "", error))
    return found, reading.faults


class _Reading:
    """Reads marker by marker, and gathers the mistakes."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._nodes: list[object] = []
        self.budgets: list[Line] = []
        self.recipes: list[Line] = []
        self.only: list[tuple[str, ...]] = []
        self.faults: list[Fault] = []

    def add(self, owner: object, mark: pytest.Mark) -> None:
        """Takes the next marker; the nearest node comes first."""
        if owner not in self._nodes:
            self._nodes.append(owner)
        level = self._nodes.index(owner)
        if mark.name == "edge_budget":
            self._add_budgets(owner, mark, level)
        elif mark.name == "edge_recipe":
            self._add_recipe(owner, mark, level)
        elif mark.name == "edge_targets":
            with self._noting(owner, mark):
                _named_at_all(mark)
            self.only.append(self._names(owner, mark, mark.args))

    def _add_budgets(self, owner: object, mark: pytest.Mark, level: int) -> None:
        before = len(self.faults)
        names = self._names(owner, mark, mark.args)
        given: list[Budget] = []
        for name, value in mark.kwargs.items():
            with self._noting(owner, mark, name):
                _not_a_target(name, value)
                given.append(budget(name, value, mark.name))
        if not mark.kwargs and len(self.faults) == before:
            with self._noting(owner, mark):
                raise ConfigurationError(
                    "edge_budget has no budget", "write edge_budget(accuracy_drop=0.01)"
                )
        self.budgets.append(Line(names, level, budgets=tuple(given)))

    def _add_recipe(self, owner: object, mark: pytest.Mark, level: int) -> None:
        given = tuple(each for each in mark.args if isinstance(each, str))
        names = self._names(owner, mark, tuple(filterfalse(spelt_step, given)))
        with self._noting(owner, mark, next(iter(mark.kwargs), "")):
            self.recipes.append(Line(names, level, recipe=_recipe(mark, given)))

    def _names(
        self, owner: object, mark: pytest.Mark, given: tuple[object, ...]
    ) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        for each in given:
            with self._noting(owner, mark, str(each)):
                found += _names(mark, (each,), self._known)
        return found

    @contextmanager
    def _noting(self, owner: object, mark: pytest.Mark, word: str = "") -> Iterator[None]:
        try:
            yield
        except ConfigurationError as error:
            self.faults.append(Fault(owner, mark, word, error))


def check_fixtures(markers: Markers, fixtures: Collection[str]) -> None:
    """Rejects markers that leave open which artifact they are about."""
    requested = [name for name in ARTIFACT_FIXTURES if name in fixtures]
    if markers.budgets and len(requested) > 1:
        raise ConfigurationError(
            f"edge_budget with {' and '.join(requested)}: which of them does it gate?",
            "request one artifact fixture, or gate each by hand with edge_gate",
        )
    if markers.recipes and requested and requested != ["edge_artifact"]:
        raise ConfigurationError(
            f"edge_recipe with {requested[0]}, which has its own recipe",
            "request edge_artifact, or take edge_recipe out",
        )


def _nearest_first(lines: tuple[Line, ...], target: str) -> list[Line]:
    kept = [line for line in lines if line.holds_for(target)]
    return sorted(kept, key=lambda line: (line.level, not line.names))


def _recipe(mark: pytest.Mark, names: tuple[str, ...]) -> Recipe:
    if mark.kwargs:
        raise ConfigurationError(
            f"edge_recipe takes no {next(iter(mark.kwargs))}=",
            "write edge_recipe(Prune(0.3), PTQ())",
        )
    _not_spelled(mark)
    if mark.args[: len(names)] != names:
        raise ConfigurationError(
            "edge_recipe has a target's name after a step", 'write edge_recipe("coral", PTQ())'
        )
    if len(mark.args) == len(names):
        raise ConfigurationError("edge_recipe has no step", "write edge_recipe(PTQ())")
    return as_recipe(mark.args[len(names) :])


def _not_spelled(mark: pytest.Mark) -> None:
    """Raises ConfigurationError for a step that was written as a text."""
    for each in mark.args:
        kind = spelt_step(each)
        if kind:
            raise ConfigurationError(
                f"edge_recipe was given the text {each!r} where a step is wanted",
                f"write edge_recipe({kind}()), and from pytest_edgegate import {kind}",
            )


def _not_a_target(name: str, value: object) -> None:
    if name in _TARGET_WORDS:
        raise ConfigurationError(
            f"edge_budget: {name}={value!r} is no budget: targets stand first, without a name",
            f"write edge_budget({value!r}, accuracy_drop=0.01)",
        )


_TARGET_WORDS = ("target", "targets", "board", "device")


def _named_at_all(mark: pytest.Mark) -> None:
    if mark.kwargs or not mark.args:
        raise ConfigurationError("edge_targets names no target", 'write edge_targets("coral")')


def _by_keyword(mark: str, given: object) -> str:
    """The budgets of a dict as they are written; else an example."""
    if isinstance(given, Mapping) and mark == "edge_budget":
        budgets = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"write {mark}({budgets}): budgets by keyword"
    return f'write {mark}("coral", ...), budgets by keyword'


def _names(mark: pytest.Mark, names: tuple[object, ...], known: Collection[str]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(
                f"{mark.name}({name!r}, ...): a target's name is a text",
                _by_keyword(mark.name, name),
            )
        if name not in known:
            raise UnknownNameError("target", name, known)
    return tuple(str(name) for name in names)
