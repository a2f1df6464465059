"""Deciding early: the verdict of the whole set from a part of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

N = 10_000
HEAD = """
import numpy as np
import pytest

from pytest_edgegate import BudgetExceeded, EdgeData, Metric
from pytest_edgegate.testing.fakes import fake_samples

budget = pytest.mark.edge_budget
pytestmark = pytest.mark.samples(10_000)
"""
FILES = {
    "test_early.py": HEAD
    + """

@pytest.mark.model(ptq_wrong=range(50))
@budget(accuracy_drop=0.01, size="4 kB")
def test_within(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(3000))
@budget(accuracy_drop=0.01)
def test_over(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(100))
@budget(accuracy_drop=0.01)
def test_at_the_budget(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(101))
@budget(accuracy_drop=0.01)
def test_one_over_the_budget(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(50), nan=range(5000))
@budget(accuracy_drop=0.01)
def test_nan(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(3000))
def test_by_hand(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq, drop=0.01)


@pytest.mark.model(ptq_wrong=range(49), nan=[77])
def test_nan_that_is_known(edge_ptq, edge_gate):
    with pytest.raises(BudgetExceeded):
        edge_gate.accuracy(edge_ptq, min=0.1)
    edge_gate.accuracy(edge_ptq, drop=0.01)


@pytest.mark.model(ptq_wrong=range(50))
@budget(accuracy_drop=0.01, accuracy_min=0.9)
def test_with_a_floor(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(50))
@budget(accuracy_drop=0.01, parity_agreement=0.9)
def test_with_parity(edge_ptq): ...


@pytest.mark.model(ptq_wrong=range(50))
@budget(accuracy_min=0.9)
def test_by_hand_beside_a_floor(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq, drop=0.01)


@pytest.mark.model(ptq_wrong=range(2900))
@budget(accuracy_drop=0.01)
def test_with_a_known_reference(edge_ptq, edge_reference):
    assert edge_reference.accuracy == 1


class TestGroups:
    @pytest.fixture
    def edge_metric(self):
        return Metric("top1", groups=np.arange(10_000) // 100)

    @pytest.mark.model(ptq_wrong=range(50))
    @budget(accuracy_drop=0.01)
    def test_groups(self, edge_ptq): ...


class TestStream:
    @pytest.fixture
    def edge_data(self):
        x, y = fake_samples(10_000)
        parts = [(x[at : at + 500], y[at : at + 500]) for at in range(0, 10_000, 500)]
        return EdgeData(calibration=x[:9], evaluation=parts, version="1")

    @pytest.mark.model(ptq_wrong=range(50))
    @budget(accuracy_drop=0.01)
    def test_a_stream(self, edge_ptq): ...


class TestOtherMetric:
    @pytest.fixture
    def edge_metric(self):
        return Metric(lambda output, label: -abs(output.argmax(-1) - label), per_sample=True)

    @pytest.mark.model(ptq_wrong=range(50))
    @budget(accuracy_drop=0.4)
    def test_a_score(self, edge_ptq): ...


class TestPoorReference:
    @pytest.mark.model(wrong=range(9500), ptq_wrong=range(9500))
    @budget(accuracy_drop=0.01)
    def test_a_reference_worse_than_chance(self, edge_ptq): ...
"""
}
EARLY = {"test_within": "pass", "test_over": "fail", "test_with_a_known_reference": "fail"}
IN_FULL = {
    "test_at_the_budget": "pass",
    "test_one_over_the_budget": "fail",
    "test_with_a_floor": "pass",
    "test_with_parity": "pass",
    "test_a_stream": "pass",
    "test_groups": "pass",
}
ALWAYS = "edge_early_after = 0 s"


@pytest.fixture
def early(play: Any) -> Any:
    return play(FILES, "--edge-target=fake-board", ini=ALWAYS)


def drop(ran: Any, name: str) -> Any:
    return ran.verdicts(name)["accuracy_drop"]


@pytest.mark.parametrize(("name", "wrong"), [("test_within", 50), ("test_over", 3_000)])
def test_classes_are_told_of_the_part_that_decided(early: Any, name: str, wrong: int) -> None:
    [seen] = [each for each in early.report["artifacts"] if f"::{name}[" in each["test"]]
    answers = seen["answers"]
    assert answers["n"] == drop(early, name)["measured"]["n"] < N
    assert answers["n"] == sum(each["n"] for each in answers["classes"])
    assert all(each["sample"] < wrong for each in answers["flips"])


@pytest.mark.parametrize("name", EARLY)
def test_the_verdict_of_the_whole_set_from_a_part_of_it(early: Any, name: str) -> None:
    verdict = drop(early, name)
    measured = verdict["measured"]
    assert (verdict["outcome"], verdict["proven"]) == (EARLY[name], True)
    assert early.letter(name) == ("." if EARLY[name] == "pass" else "F")
    assert measured["decided_early"] is True
    assert (measured["low"], measured["high"], measured["level"]) == (None, None, 0.99)
    assert measured["n_total"] == N
    assert measured["n"] < N / 3
    assert "the value an estimate" in verdict["reason"]
    assert re.search(r"about [\d.-]+; the whole set is", verdict["reason"])
    assert early.verdicts(name).get("size", verdict)["measured"]["value"] is not None


def test_a_broken_model_is_red_within_a_hundred_samples(early: Any) -> None:
    assert drop(early, "test_over")["measured"]["n"] <= 100
    assert drop(early, "test_by_hand")["measured"]["decided_early"] is True


def test_samples_are_named_by_their_own_numbers(early: Any) -> None:
    """Only the first 3,000 are lost, and they are drawn from all over."""
    found = re.findall(r"#(\d+) \(label (\d): \d -> \d\)", early.text("test_over"))
    assert found
    assert all(int(number) < 3_000 and int(number) % 10 == int(label) for number, label in found)
    assert max(int(number) for number, _ in found) > 100


@pytest.mark.parametrize("name", IN_FULL)
def test_what_is_not_clear_or_needs_all_samples_is_measured_on_all(early: Any, name: str) -> None:
    verdict = drop(early, name)
    measured = verdict["measured"]
    assert verdict["outcome"] == IN_FULL[name]
    assert measured["decided_early"] is False
    assert (measured["n"], measured["n_total"], measured["level"]) == (N, N, 0.9)
    assert measured["low"] <= measured["value"] <= measured["high"]


def test_what_the_markers_ask_counts_for_a_helper_too(early: Any) -> None:
    assert drop(early, "test_by_hand_beside_a_floor")["measured"]["n"] == N


def test_only_a_metric_of_right_and_wrong_ends_early(early: Any) -> None:
    assert drop(early, "test_a_score")["measured"]["decided_early"] is False


def test_nan_ends_a_pass_and_fails(early: Any) -> None:
    verdict = drop(early, "test_nan")
    assert verdict["outcome"] == "fail"
    assert verdict["measured"]["value"] is None
    assert verdict["measured"]["n"] < 200
    assert verdict["measured"]["n_total"] == N
    sample = re.search(r"first on sample (\d+)", early.text("test_nan"))
    assert sample is not None
    assert int(sample[1]) < 5_000


def test_nan_that_an_earlier_pass_has_met_fails(early: Any) -> None:
    """One sample in 10,000, which an early pass would hardly meet."""
    verdict = drop(early, "test_nan_that_is_known")
    assert verdict["outcome"] == "fail"
    assert "the artifact gives NaN or Inf on 1 of 10000 samples" in verdict["reason"]
    assert "first on sample 77" in verdict["reason"]
    assert early.letter("test_nan_that_is_known") == "F"


def test_an_early_verdict_without_the_check_of_the_reference_is_not_kept_for_one_with_it(
    again: Any,
) -> None:
    arguments = ("--edge-target=fake-board", "-k", "TestPoorReference")
    name = "TestPoorReference::test_a_reference_worse_than_chance"
    unchecked = again(FILES, *arguments, ini=f"{ALWAYS}\nedge_reference_check = false")
    assert unchecked.letter(name) == "."
    assert drop(unchecked, name)["measured"]["decided_early"] is True
    checked = again(FILES, *arguments, ini=ALWAYS)
    checked.assert_fault(checked.text(name), "not proven better")


def test_a_reference_that_is_no_better_than_chance_is_an_error_all_the_same(early: Any) -> None:
    early.assert_fault(early.text("test_a_reference_worse_than_chance"), "not proven better")


@pytest.mark.parametrize("policy", ["lenient", "strict"])
def test_other_policies_judge_the_population(play: Any, policy: str) -> None:
    ran = play(FILES, "--edge-target=fake-board", f"--edge-policy={policy}", ini=ALWAYS)
    for name in EARLY:
        assert drop(ran, name)["measured"]["decided_early"] is False


def test_what_is_quick_is_measured_on_all(play: Any) -> None:
    ran = play(FILES, "--edge-target=fake-board")
    for name in EARLY:
        assert drop(ran, name)["measured"]["decided_early"] is False
        assert drop(ran, name)["measured"]["n"] == N


def test_a_second_run_says_the_same_from_the_cache(again: Any) -> None:
    arguments = ("--edge-target=fake-board", "-k", "test_within or test_over or known")
    ran = again(FILES, *arguments, ini=ALWAYS)
    first = {name: drop(ran, name) for name in EARLY}
    second = again(FILES, *arguments, ini=ALWAYS)
    for name in EARLY:
        one, other = first[name], drop(second, name)
        assert (one["measured"]["cached"], other["measured"]["cached"]) == (False, True)
        one["measured"]["cached"] = True
        one["artifact"]["cached"] = True
        assert one == other
    assert re.findall(r"#\d+ \(label", second.text("test_over"))


def test_what_was_measured_on_all_is_not_estimated_later(again: Any) -> None:
    arguments = ("--edge-target=fake-board", "-k", "test_within or test_over or known")
    again(FILES, *arguments)
    later = again(FILES, *arguments, ini=ALWAYS)
    for name in EARLY:
        measured = drop(later, name)["measured"]
        assert (measured["n"], measured["decided_early"], measured["cached"]) == (N, False, True)
