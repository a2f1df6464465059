"""An accuracy is told with the metric of the model under test and of the artifact themselves."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData, Metric


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


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(size="9 kB")
def test_size_alone(edge_ptq): ...


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
def test_not_judged(edge_compress):
    edge_compress(PTQ(50))


@pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
@pytest.mark.edge_budget(size="1 B")
def test_red(edge_ptq): ...


@pytest.mark.edge_budget(size="9 kB")
class TestBrokenMetric:
    @pytest.fixture
    def edge_metric(self):
        return Metric(lambda y, labels: {}["k"], per_sample=False)

    @pytest.mark.model(wrong=range(10), ptq_wrong=range(16))
    def test_own(self, edge_ptq): ...


@pytest.mark.edge_budget(size="9 kB")
class TestWithoutSamples:
    @pytest.fixture
    def edge_data(self):
        return EdgeData(calibration=np.zeros((20, 2), "float32"))

    def test_it(self, edge_ptq): ...
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


def shown(ran: Any, name: str) -> Any:
    """The only artifact of a test, in absolute values."""
    [found] = [each for each in ran.report["artifacts"] if f"::{name}[" in each["test"]]
    return found


def test_every_artifact_is_in_the_record_with_its_values(ran: Any) -> None:
    drop = shown(ran, "test_drop")
    assert drop["score"] == {
        "scored_by": "top1",
        "reference_value": 0.95,
        "artifact_value": 0.92,
        "n": 200,
        "n_total": 200,
    }
    assert drop["target"] == "fake-board"
    assert drop["artifact"]["recipe"] == ["PTQ(samples=200)"]


def test_what_no_budget_asks_for_is_measured_for_show(ran: Any) -> None:
    assert shown(ran, "test_size_alone")["score"] == shown(ran, "test_drop")["score"]
    assert shown(ran, "test_size_alone")["compression"] > 1


def test_an_artifact_that_nothing_judged_is_shown(ran: Any) -> None:
    found = shown(ran, "test_not_judged")
    assert found["artifact"]["recipe"] == ["PTQ(samples=50)"]
    assert found["score"]["artifact_value"] == 0.92
    assert not ran.verdicts("test_not_judged")


def test_a_red_artifact_is_shown_too(ran: Any) -> None:
    found = shown(ran, "test_red")
    assert found["score"] == shown(ran, "test_size_alone")["score"]
    assert found["compression"] > 1


def test_a_floor_alone_is_shown_with_the_model(ran: Any) -> None:
    assert shown(ran, "test_green")["score"] == shown(ran, "test_drop")["score"]


def test_a_metric_that_raises_changes_no_outcome_where_no_budget_asks(ran: Any) -> None:
    found = ran.verdicts("test_own")
    assert {each["outcome"] for each in found.values()} == {"pass"}
    assert shown(ran, "test_own")["score"] is None
    assert not [each for each in ran.report["errors"] if "test_own" in each["test"]]


def test_without_samples_there_is_no_metric_and_no_fault(ran: Any) -> None:
    assert ran.verdicts("test_it")["size"]["outcome"] == "pass"
    assert shown(ran, "test_it")["score"] is None
