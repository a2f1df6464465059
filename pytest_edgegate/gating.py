"""Connects a pytest item with its gate: created on first use, judged after the test body."""

from __future__ import annotations

from collections.abc import Collection
from inspect import signature
from unittest import SkipTest

import pytest

from pytest_edgegate import attempts
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, presentable
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.core.record import ErrorRecord
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.item_gate import GATE_KEY, ItemGate, nothing_gated
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.given import Given
from pytest_edgegate.settings.markers import ARTIFACT_FIXTURES, Markers, read_markers
from pytest_edgegate.settings.options import MARKERS
from pytest_edgegate.state import session_of
from pytest_edgegate.storage.layout import NOT_ENDED

_GATING = frozenset({"edge_gate", *ARTIFACT_FIXTURES})
"""Fixtures by which something is gated."""
_NOT_GATING = frozenset({"edge_compress", "edge_reference"})
"""Fixtures that start a gate, and by which nothing is gated."""


def markers_of(item: pytest.Item) -> Markers:
    """The markers of a test; mistakes in them were reported during collection."""
    return read_markers(item, session_of(item.config).known_targets())


def start_gate(item: pytest.Item, given: Given, fixtures: Collection[str]) -> ItemGate:
    """Creates the gate of a test from the values of its fixtures.

    *fixtures*: the names of all that it uses. Without an artifact among them, what is known of its
    markers is looked at here. The test has to be parametrised by target.
    """
    session = session_of(item.config)
    name = target_name(item)
    if name is None:
        raise ConfigurationError(
            f"{item.nodeid} runs for no target", "use a function or a plain class"
        )
    budgets = markers_of(item).budgets_for(name)
    gate = keep_gate(item, session.case(given, session.target(name), budgets, item.nodeid))
    if not set(ARTIFACT_FIXTURES) & set(fixtures):
        gate.look_at_body(compresses="edge_compress" in fixtures)
    return gate


def keep_gate(item: pytest.Item, case: Case) -> ItemGate:
    """Creates the gate of a case and stores it with the test, for its verdicts."""

    def announce(verdict: Verdict) -> None:
        item.ihook.pytest_edgegate_verdict(item=item, verdict=verdict)

    gate = ItemGate(session_of(item.config), case, announce)
    item.stash[GATE_KEY] = gate
    return gate


def begin(item: pytest.Item) -> None:
    """Begins an attempt: what an earlier one judged is judged again."""
    gate = item.stash.get(GATE_KEY, None)
    if gate is not None:
        attempts.keep(item, [each.record for each in gate.take_unreported()])
    forget(item)
    attempts.begin(item)
    _replace_candidate(item, NOT_ENDED)


def withdraw(item: pytest.Item, why: str) -> None:
    """Has what a test has found not accepted."""
    _replace_candidate(item, why)


def drop_candidate(item: pytest.Item) -> None:
    """Leaves nothing of a test that was skipped: there is nothing to accept or to refuse."""
    target = target_name(item)
    if target is not None:
        session_of(item.config).ledger.drop(item.nodeid)


def _replace_candidate(item: pytest.Item, why: str) -> None:
    """Replaces what was left of a test by *why* there is nothing."""
    session, target = session_of(item.config), target_name(item)
    if target is not None and not session.settings.explain:
        session.ledger.begin(item.nodeid, target, why)


def note_artifacts(item: pytest.Item, *, look: bool) -> None:
    """Keeps the artifacts of a test for the reports; to *look*, with what no budget has measured.

    A test that has ended in an error has something else to mend."""
    gate = item.stash.get(GATE_KEY, None)
    if gate is not None:
        attempts.keep_artifacts(item, gate.seen(look=look))


def leave_candidate(
    item: pytest.Item, raised: BaseException | None, *, in_body: bool = False
) -> None:
    """Leaves what a test has found, to be accepted; *raised*: by its body (*in_body*), or by its
    judging.

    Of one that did not run to its end, nothing but that is known.
    """
    gate = item.stash.get(GATE_KEY, None)
    if isinstance(raised, pytest.skip.Exception | SkipTest):
        drop_candidate(item)
        return
    if gate is None or isinstance(raised, KeyboardInterrupt | pytest.exit.Exception):
        return
    refusals = []
    if isinstance(raised, EdgeGateError):
        fault = gate.case.before.fault
        refusals = [] if raised is fault else [f"it ended in an error: {raised.message}"]
    elif raised is not None and not isinstance(raised, BudgetExceeded):
        refusals = [f"its body failed: {type(raised).__name__}"]
    gate.leave(refusals, stopped=in_body and raised is not None)


def note_error(item: pytest.Item, error: EdgeGateError, place: str = "") -> None:
    """Keeps an error of a test for the reports, with the *place* of the test (``file:line``)."""
    if item.get_closest_marker("edge") is None:
        attempts.begin(item)  # a test that the gate does not touch otherwise
    record = ErrorRecord(
        presentable(item.nodeid), target_name(item), error.message, error.remedy, place=place
    )
    attempts.keep_error(item, record)


def forget(item: pytest.Item) -> None:
    """Drops the gate of a test with its artifacts and verdicts."""
    if GATE_KEY in item.stash:
        del item.stash[GATE_KEY]


def target_name(item: pytest.Item) -> str | None:
    """The target that a test was parametrised with."""
    callspec = getattr(item, "callspec", None)
    params = {} if callspec is None else callspec.params
    name = params.get("edge_target", getattr(item, "target_name", None))
    return None if name is None else str(name)


def is_stopped(item: pytest.Item) -> bool:
    """Whether a test is red before its body, which then does not run."""
    gate = item.stash.get(GATE_KEY, None)
    return gate is not None and gate.is_stopped


def set_aside(
    item: pytest.Item, fixture: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> bool:
    """Whether a fixture is not set up, because the test is red by now: it could want the artifact
    that is not built."""
    if fixture.scope != "function" or not is_stopped(item):
        return False
    fixture.cached_result = (None, getattr(request, "param", None), None)
    return True


def judge_item(item: pytest.Item) -> None:
    """Judges a test whose body has passed. Raises BudgetExceeded or an EdgeGateError."""
    if GATE_KEY not in item.stash and target_name(item) is None:
        if any(item.get_closest_marker(name) for name in MARKERS if name != "edge"):
            raise ConfigurationError(
                "an edge marker on something that can't be run for each target gates nothing",
                "use a function or a plain class",
            )
        return  # a test with a mark "edge" of the user's own
    gate = item.stash.get(GATE_KEY, None)
    if session_of(item.config).settings.explain:
        _judge_plan(item, gate)
    elif gate is not None:
        gate.after_body()
    elif _has_budgets(item):
        raise nothing_gated()


def _judge_plan(item: pytest.Item, gate: ItemGate | None) -> None:
    """Raises for a test of --edge-explain what its run would, as far as that does not depend on
    the body."""
    if gate is not None:
        gate.raise_if_stopped()
        if gate.requested:
            return
    if _has_budgets(item) and not _may_gate(item, gate):
        raise nothing_gated()


def _may_gate(item: pytest.Item, gate: ItemGate | None) -> bool:
    """Whether the body of a test may give something to edge_gate, as far as its fixtures tell."""
    uses, function = set(getattr(item, "fixturenames", ())), getattr(item, "function", None)
    if uses & _GATING or (function is not None and "request" in signature(function).parameters):
        return True
    return gate is not None and uses.isdisjoint(_NOT_GATING)  # asked for by name


def _has_budgets(item: pytest.Item) -> bool:
    return bool(markers_of(item).budgets_for(str(target_name(item))))
