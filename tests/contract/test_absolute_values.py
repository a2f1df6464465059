"""An accuracy is told with the metric of the model under test and of the artifact themselves."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import pytest


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(accuracy_drop=0.01, accuracy_drop_relative=0.1, size="9 kB")
def test_drop(edge_ptq): ...


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(accuracy_min=0.94)
def test_lost(edge_ptq): ...


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(accuracy_min=0.97)
def test_unreached(edge_ptq): ...


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(accuracy_min=0.9)
def test_green(edge_ptq): ...
"""


@pytest.fixture
def ran(play: Any) -> Any:
    return play({"test_it.py": TESTS}, "--edge-target=fake-board", "--junit-xml=junit.xml")


def values(verdict: dict[str, Any]) -> tuple[Any, ...]:
    measured = verdict["measured"]
    return tuple(measured.get(each) for each in ("scored_by", "reference_value", "artifact_value"))


def test_the_record_has_the_values_of_both(ran: Any) -> None:
    found = ran.verdicts("test_drop")
    assert values(found["accuracy_drop"]) == ("top1", 0.95, 0.92)
    assert values(found["accuracy_drop_relative"]) == ("top1", 0.95, 0.92)
    assert values(found["size"]) == (None, None, None)
    junit = (ran.folder / "junit.xml").read_text()
    assert 'name="edge.accuracy_drop.values" value="top1 0.95 -&gt; 0.92"' in junit
    assert "edge.size.values" not in junit


def test_a_red_floor_shows_what_the_model_reaches_itself(ran: Any) -> None:
    found = ran.verdicts("test_lost")["accuracy_min"]
    assert (found["outcome"], values(found)) == ("fail", ("top1", 0.95, 0.92))
    assert found["details"][0] == "the model under test itself: top1 0.95"
    assert "the model under test itself: top1 0.95" in ran.text("test_lost")
    assert "does not reach" not in ran.text("test_lost")


def test_a_model_that_does_not_reach_the_floor_is_the_cause(ran: Any) -> None:
    found = ran.verdicts("test_unreached")["accuracy_min"]
    assert found["details"][0] == "the model under test itself: top1 0.95"
    assert found["cause"].startswith("the model under test does not reach this limit itself; the ")


def test_a_green_floor_runs_nothing_for_it(ran: Any) -> None:
    assert values(ran.verdicts("test_green")["accuracy_min"]) == ("top1", None, 0.92)
