"""Markers of one test, over its function, class and module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.recipe import PTQ, QAT, Prune
from pytest_edgegate.settings.markers import Markers, check_fixtures, read_markers

KNOWN = ("coral", "host", "jetson")
budget, recipe, only = (
    pytest.mark.edge_budget,
    pytest.mark.edge_recipe,
    pytest.mark.edge_targets,
)


class Item:
    """A test with the marks of each of its nodes, the nearest first."""

    def __init__(self, nodes: tuple[list[pytest.MarkDecorator], ...]) -> None:
        self._nodes = nodes

    def iter_markers_with_node(self) -> Iterator[tuple[object, pytest.Mark]]:
        for marks in self._nodes:
            for each in marks:
                yield marks, each.mark


def read(*nodes: list[pytest.MarkDecorator]) -> Markers:
    return read_markers(cast("pytest.Item", Item(nodes)), KNOWN)


def limits(markers: Markers, target: str) -> dict[str, float]:
    return {each.metric: each.limit for each in markers.budgets_for(target)}


LAYERS = (
    [budget(accuracy_drop=0.01)],
    [budget(accuracy_drop=0.02, size="2 kB"), recipe("coral", PTQ(2))],
    [budget(accuracy_drop=0.03, size="3 kB", macs=3), recipe(PTQ(3))],
)


def test_the_nearest_wins_for_each_budget() -> None:
    found = read(*LAYERS)
    assert limits(found, "coral") == {"accuracy_drop": 0.01, "size": 2_000, "macs": 3}


def test_the_nearest_recipe_that_holds_wins() -> None:
    found = read(*LAYERS)
    assert found.recipe_for("coral") == (PTQ(2),)
    assert found.recipe_for("host") == (PTQ(3),)


def test_names_limit_a_budget_to_their_targets() -> None:
    found = read([budget(accuracy_drop=0.01), budget("host", "jetson", latency_ratio=0.8)])
    assert limits(found, "host") == {"latency_ratio": 0.8, "accuracy_drop": 0.01}
    assert limits(found, "coral") == {"accuracy_drop": 0.01}


@pytest.mark.parametrize("order", [1, -1])
def test_on_one_node_a_marker_with_names_beats_one_without(order: int) -> None:
    found = read([budget("coral", size=1), budget(size=2)][::order])
    assert limits(found, "coral") == {"size": 1}
    assert limits(found, "host") == {"size": 2}


def test_a_nearer_marker_without_names_beats_a_farther_one_with() -> None:
    found = read([budget(size=2)], [budget("coral", size=1)])
    assert limits(found, "coral") == {"size": 2}


def test_edge_targets_intersect() -> None:
    found = read([only("host", "jetson")], [only("coral", "host")])
    assert found.targets_of(("coral", "host", "jetson")) == ("host",)
    assert found.targets_of(("coral",)) == ()


@pytest.mark.parametrize(
    ("marks", "selected", "kept"),
    [
        ([only("coral")], ("host",), ()),
        ([only("coral")], ("host", "coral"), ("coral",)),
        ([budget("coral", size=1)], ("host",), ()),
        ([budget("coral", size=1), budget("jetson", size=1)], ("host",), ()),
        ([budget("coral", size=1), budget(size=2)], ("host",), ("host",)),
        ([budget(size=2)], ("host", "coral"), ("host", "coral")),
        ([recipe("coral", PTQ())], ("host",), ("host",)),
    ],
)
def test_which_targets_a_test_runs_for(
    marks: list[pytest.MarkDecorator], selected: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    assert read(marks).targets_of(selected) == kept


def test_a_recipe_of_several_steps() -> None:
    assert read([recipe(Prune(0.5), QAT())]).recipe_for("coral") == (Prune(0.5), QAT())


def test_no_markers_of_ours() -> None:
    found = read([pytest.mark.filterwarnings("ignore")])
    assert not found.any
    assert found.recipe_for("coral") is None
    assert found.budgets_for("coral") == ()
    assert found.targets_of(("coral",)) == ("coral",)


@pytest.mark.parametrize(
    ("mark", "said", "remedy"),
    [
        (budget(), "edge_budget has no budget", "edge_budget(accuracy_drop=0.01)"),
        (budget("coral"), "edge_budget has no budget", "accuracy_drop=0.01"),
        (budget(0.01), "edge_budget(0.01, ...): a target's name", "budgets by keyword"),
        (budget(size="x"), "edge_budget: size='x'", "120 kB"),
        (recipe(), "edge_recipe has no step", "edge_recipe(PTQ())"),
        (recipe("coral"), "edge_recipe has no step", "edge_recipe(PTQ())"),
        (recipe.with_args(PTQ), "has the class PTQ where a step", "with brackets"),
        (recipe(PTQ(), "coral"), "name after a step", 'edge_recipe("coral", PTQ())'),
        (recipe(PTQ(), Prune()), "an order that makes no sense", "write it as Prune"),
        (recipe(samples=5), "edge_recipe takes no samples=", "edge_recipe(Prune(0.3)"),
        (only(), "edge_targets names no target", 'edge_targets("coral")'),
        (only(name="coral"), "edge_targets names no target", 'edge_targets("coral")'),
        (only(PTQ()), "a target's name is a text", "edge_targets("),
    ],
)
def test_a_mistake_in_a_marker(mark: pytest.MarkDecorator, said: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read([mark])
    assert said in raised.value.message
    assert remedy in raised.value.remedy


@pytest.mark.parametrize(
    "mark", [budget("corral", size=1), only("corral"), recipe("corral", PTQ())]
)
def test_a_misspelt_target_is_an_error(mark: pytest.MarkDecorator) -> None:
    with pytest.raises(UnknownNameError, match="unknown target 'corral', did you mean 'coral'"):
        read([mark])


def test_a_misspelt_budget_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy_drop'"):
        read([budget(acuracy_drop=1)])


def test_two_artifacts_and_one_marker() -> None:
    found = read([budget(size=1)])
    check_fixtures(found, ["edge_ptq", "edge_gate"])
    with pytest.raises(ConfigurationError, match="edge_ptq and edge_qat: which of them"):
        check_fixtures(found, ["edge_qat", "edge_ptq"])
    check_fixtures(read([]), ["edge_qat", "edge_ptq"])


def test_a_recipe_and_a_fixture_with_one_of_its_own() -> None:
    found = read([recipe(PTQ(5))])
    check_fixtures(found, ["edge_artifact"])
    check_fixtures(found, [])
    with pytest.raises(
        ConfigurationError, match="edge_recipe with edge_ptq, which has its own recipe"
    ):
        check_fixtures(found, ["edge_ptq"])


def test_marks_are_read_as_pytest_gives_them(request: pytest.FixtureRequest) -> None:
    given: Any = request.node
    assert not read_markers(given, KNOWN).any
