"""Selects the tests of the gate, and the targets that each of them runs for."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.collection_faults import note, place_of
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.settings.options import MARKERS, Settings

if TYPE_CHECKING:
    from pytest_edgegate.settings.markers import Markers

_ASKING = frozenset(MARKERS) - {"edge"}
_DESELECTED = pytest.StashKey[bool]()


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
    methods = [each for each in vars(thing).values() if inspect.isfunction(each)]
    if any(_has_edge_marker(collector, each) for each in (thing, *methods)):
        error = ConfigurationError(
            f"{thing.__name__}: an edge marker on a unittest.TestCase can't be run for each target",
            "use a function or a plain class",
        )
        test = f"{collector.nodeid}::{thing.__name__}"
        note(collector, test, place_of(collector, (f"class {thing.__name__}",)), error)


def refuse_near_marks(metafunc: pytest.Metafunc) -> None:
    """Notes a mark that is almost one of the gate's."""
    from pytest_edgegate.near_marks import check_marks

    test = metafunc.definition
    try:
        check_marks(test.iter_markers(), metafunc.fixturenames, metafunc.config)
    except ConfigurationError as error:
        assert isinstance(test.parent, pytest.Collector)  # functions are found in one
        note(test.parent, test.nodeid, place_of(test, ()), error)


def parametrise(metafunc: pytest.Metafunc, settings: Settings, known: list[str]) -> None:
    """Parametrises the test by its targets, or notes the mistakes in its markers."""
    from pytest_edgegate.settings.markers import Fault, check_fixtures, markers_and_faults

    test = metafunc.definition
    markers, faults = markers_and_faults(test, known)
    try:
        check_fixtures(markers, metafunc.fixturenames)
    except ConfigurationError as error:
        faults.append(Fault(test, (f"def {test.name}",), error))
    for each in faults:
        owner = each.owner if isinstance(each.owner, pytest.Collector | pytest.Item) else test
        assert isinstance(test.parent, pytest.Collector)  # functions are found in one
        note(test.parent, test.nodeid, place_of(owner, each.words), each.error)
    if not faults:
        _warn_of_doubts(test, markers)
        names = markers.targets_of(settings.targets) or settings.targets
        metafunc.parametrize("edge_target", names, ids=names, indirect=True, scope="session")


def _warn_of_doubts(test: pytest.Item, markers: Markers) -> None:
    """Warns of limits that are hardly meant, before anything is built to be compared with them."""
    budgets = (each for line in markers.budgets for each in line.budgets)
    for doubt in dict.fromkeys(filter(None, (each.doubt for each in budgets))):
        test.warn(EdgeGateWarning(doubt))


def deselect(
    config: pytest.Config, items: list[pytest.Item], settings: Settings, known: list[str]
) -> None:
    """Deselects tests for other targets only, and all but edge tests with --edge-explain."""
    from pytest_edgegate.settings.markers import read_markers

    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        if item.get_closest_marker("edge") is None:
            wanted = not settings.explain
        else:
            wanted = bool(read_markers(item, known).targets_of(settings.targets))
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


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
