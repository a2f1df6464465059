"""A test of pytest's and its gate: made when it is first needed, judged after the body."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.gate import GATE_KEY, ItemGate
from pytest_edgegate.settings.markers import Markers, read_markers
from pytest_edgegate.settings.options import MARKERS
from pytest_edgegate.state import session_of


def markers_of(item: pytest.Item) -> Markers:
    """The markers of a test; mistakes in them were told when it was collected."""
    return read_markers(item, session_of(item.config).known_targets())


def gate_of(item: pytest.Item) -> ItemGate:
    """The gate of a test, made the first time. The test has to be parametrised by target."""
    if GATE_KEY in item.stash:
        return item.stash[GATE_KEY]
    session = session_of(item.config)
    name = target_name(item)
    if name is None:
        raise ConfigurationError(
            f"{item.nodeid} runs for no target", "use a function or a plain class"
        )
    markers = markers_of(item)

    def tell(verdict: Verdict) -> None:
        item.ihook.pytest_edgegate_verdict(item=item, verdict=verdict)

    gate = ItemGate(
        session,
        session.target(name),
        item.nodeid,
        budgets=markers.budgets_for(name),
        tell=tell,
    )
    item.stash[GATE_KEY] = gate
    return gate


def forget(item: pytest.Item) -> None:
    """Drops what an earlier run of the same test judged, or a rerun would be green unjudged."""
    if GATE_KEY in item.stash:
        del item.stash[GATE_KEY]


def target_name(item: pytest.Item) -> str | None:
    """The target that a test was parametrised with."""
    callspec = getattr(item, "callspec", None)
    name = None if callspec is None else callspec.params.get("edge_target")
    return None if name is None else str(name)


def judge_item(item: pytest.Item) -> None:
    """Judges a test whose body has passed. Raises BudgetExceeded or an EdgeGateError."""
    if GATE_KEY not in item.stash and target_name(item) is None:
        if any(item.get_closest_marker(name) for name in MARKERS if name != "edge"):
            raise ConfigurationError(
                "an edge marker on something that can't be run for each target gates nothing",
                "use a function or a plain class",
            )
        return  # a test that the user marked "edge" and that is none of ours
    gate = gate_of(item)
    if gate.session.settings.explain:
        return
    gate.after_body()
