"""The markers ``edge_budget``, ``edge_recipe`` and ``edge_targets`` of one test."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.recipe import Recipe, as_recipe
from pytest_edgegate.settings.units import budgets_from

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
    def any(self) -> bool:
        return bool(self.budgets or self.recipes or self.only)


def read_markers(node: pytest.Item, known: Collection[str]) -> Markers:
    """The markers of a test. Raises ConfigurationError for a mistake in one of them."""
    nodes: list[object] = []
    budgets, recipes, only = [], [], []
    for owner, mark in node.iter_markers_with_node():
        if owner not in nodes:
            nodes.append(owner)
        level = nodes.index(owner)
        if mark.name == "edge_budget":
            names = _names(mark, mark.args, known)
            given = budgets_from(mark.kwargs, "edge_budget")
            if not given:
                raise ConfigurationError(
                    "edge_budget has no budget", "write edge_budget(accuracy_drop=0.01)"
                )
            budgets.append(Line(names, level, budgets=given))
        elif mark.name == "edge_recipe":
            recipes.append(_recipe(mark, level, known))
        elif mark.name == "edge_targets":
            only.append(_only(mark, known))
    return Markers(tuple(budgets), tuple(recipes), tuple(only))


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


def _recipe(mark: pytest.Mark, level: int, known: Collection[str]) -> Line:
    if mark.kwargs:
        raise ConfigurationError(
            f"edge_recipe takes no {next(iter(mark.kwargs))}=",
            "write edge_recipe(Prune(0.3), PTQ())",
        )
    names = tuple(each for each in mark.args if isinstance(each, str))
    steps = tuple(each for each in mark.args if not isinstance(each, str))
    if mark.args[: len(names)] != names:
        raise ConfigurationError(
            "edge_recipe has a target's name after a step", 'write edge_recipe("coral", PTQ())'
        )
    if not steps:
        raise ConfigurationError("edge_recipe has no step", "write edge_recipe(PTQ())")
    return Line(_names(mark, names, known), level, recipe=as_recipe(steps))


def _only(mark: pytest.Mark, known: Collection[str]) -> tuple[str, ...]:
    if mark.kwargs or not mark.args:
        raise ConfigurationError("edge_targets names no target", 'write edge_targets("coral")')
    return _names(mark, mark.args, known)


def _names(mark: pytest.Mark, names: tuple[object, ...], known: Collection[str]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(
                f"{mark.name}({name!r}, ...): a target's name is a text",
                f'write {mark.name}("coral", ...), budgets by keyword',
            )
        if name not in known:
            raise UnknownNameError("target", name, known)
    return tuple(str(name) for name in names)
