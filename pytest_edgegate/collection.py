"""Selects the tests of the gate, and the targets that each of them runs for."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.collection_faults import note
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.settings.options import MARKERS, Settings
from pytest_edgegate.state import DESELECTED_KEY, LEFT_OUT_KEY

if TYPE_CHECKING:
    from pytest_edgegate.settings.markers import Fault, Markers

_ASKING = frozenset(MARKERS) - {"edge"}


def add_target_fixture(collector: pytest.Collector, thing: Any) -> None:
    """Makes a test with an edge marker but no edge fixture depend on ``edge_target``.

    pytest computes the closure of a test's fixtures right after this hook, so the dependency has to
    exist before. For a marker on a class or a module, the dependency is added there, because its
    functions may be shared.
    """
    if inspect.isclass(thing):
        refuse_unittest(collector, thing)
    elif inspect.isfunction(thing):
        if any(mark.name in _ASKING for mark in _own(thing)):
            if not _uses_target(_own(thing)):
                pytest.mark.usefixtures("edge_target")(thing)
        elif _has_edge_marker(collector, thing) and not _uses_target(collector.own_markers):
            collector.add_marker(pytest.mark.usefixtures("edge_target"))


def _uses_target(marks: list[pytest.Mark]) -> bool:
    return any(mark.name == "usefixtures" and "edge_target" in mark.args for mark in marks)


def refuse_unittest(collector: pytest.Collector, thing: type) -> None:
    """Notes an edge marker on a TestCase, whose methods pytest can't parametrise."""
    unittest = sys.modules.get("unittest")
    if unittest is None or not issubclass(thing, unittest.TestCase):
        return
    from pytest_edgegate.mark_places import place_of_definition

    methods = [each for each in vars(thing).values() if inspect.isfunction(each)]
    if any(_has_edge_marker(collector, each) for each in (thing, *methods)):
        error = ConfigurationError(
            f"{thing.__name__}: an edge marker on a unittest.TestCase can't be run for each target",
            "use a function or a plain class",
        )
        test = f"{collector.nodeid}::{thing.__name__}"
        note(collector, test, place_of_definition(thing, collector), error)


def parametrise(metafunc: pytest.Metafunc, settings: Settings, known: list[str]) -> None:
    """Parametrises the test by its targets, or notes the mistakes in its markers."""
    from pytest_edgegate.settings.markers import markers_and_faults

    test = metafunc.definition
    markers, faults = markers_and_faults(test, known, metafunc.fixturenames)
    if not faults:
        _warn_of_doubts(test, markers)
        names = markers.targets_of(settings.targets) or settings.targets
        metafunc.parametrize("edge_target", names, ids=names, indirect=True, scope="session")
        return
    assert isinstance(test.parent, pytest.Collector)  # functions are found in one
    _note_all(test.parent, test, faults)


def look_at_marks(
    collector: pytest.Collector, item: pytest.Item, known: Callable[[], list[str]]
) -> None:
    """Notes what is wrong with the marks of a collected test: those of its parameters, and those
    that are almost the gate's."""
    from pytest_edgegate.near_marks import near_marks
    from pytest_edgegate.settings.markers import markers_and_faults

    faults = list(near_marks(item))
    of_parameters = getattr(getattr(item, "callspec", None), "marks", ())
    if any(mark.name in _ASKING for mark in of_parameters):
        faults += markers_and_faults(item, known(), getattr(item, "fixturenames", ()))[1]
    _note_all(collector, item, faults)


def _note_all(collector: pytest.Collector, test: pytest.Item, faults: list[Fault]) -> None:
    from pytest_edgegate.mark_places import place_of, place_of_definition

    for each in faults:
        owner = each.owner if isinstance(each.owner, pytest.Collector | pytest.Item) else test
        if each.mark is None:
            place = place_of_definition(getattr(test, "obj", None), test)
        else:
            place = place_of(owner, each.mark, each.word)
        note(collector, test.nodeid, place, each.error)


def _warn_of_doubts(test: pytest.Item, markers: Markers) -> None:
    """Warns of limits that are hardly meant, before anything is built to be compared with them."""
    budgets = (each for line in markers.budgets for each in line.budgets)
    for doubt in dict.fromkeys(filter(None, (each.doubt for each in budgets))):
        test.warn(EdgeGateWarning(doubt))


def deselect(
    config: pytest.Config, items: list[pytest.Item], settings: Settings, known: list[str]
) -> None:
    """Deselects tests for other targets only, and all but edge tests with --edge-explain."""
    from pytest_edgegate.settings.markers import markers_and_faults

    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    why = config.stash.setdefault(DESELECTED_KEY, Counter())
    for item in items:
        reason = ""
        if item.get_closest_marker("edge") is None:
            reason = (
                "--edge-explain prints the plans of edge tests only" if settings.explain else ""
            )
        else:
            markers, faults = markers_and_faults(item, known, ())
            # a conftest.py may have added a mark with a mistake: an error of the test, in its setup
            if not faults and not markers.targets_of(settings.targets):
                reason = _elsewhere(markers.named, settings.targets)
        (left if reason else kept).append(item)
        why.update([reason] if reason else [])
    if left:
        config.stash.setdefault(LEFT_OUT_KEY, set()).update(each.nodeid for each in left)
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _elsewhere(named: Sequence[str], selected: Sequence[str]) -> str:
    """Why a test runs for no target of this run."""
    from pytest_edgegate.spelling import spell_choice

    run = f"the run is for {spell_choice(selected)}"
    if not named:
        return f"no target is in all of their edge_targets; {run}"
    return f"their markers name only {spell_choice(named)}; {run}"


def why_deselected(config: pytest.Config) -> list[str]:
    """A line for each reason why tests were deselected."""
    return [
        f"edge gate: {count:,} deselected: {reason}"
        for reason, count in config.stash[DESELECTED_KEY].items()
    ]


def _has_edge_marker(collector: pytest.Collector, thing: Any) -> bool:
    own = any(mark.name in _ASKING for mark in _own(thing))
    return own or any(mark.name in _ASKING for mark in collector.iter_markers())


def _own(thing: Any) -> list[pytest.Mark]:
    marks = getattr(thing, "pytestmark", [])
    return (
        [each.mark if isinstance(each, pytest.MarkDecorator) else each for each in marks]
        if (isinstance(marks, list))
        else []
    )
