"""The list of budgets."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.budget import BUDGETS, CONTRACT, Budget, BudgetKind

UNITS = {
    "accuracy_drop": "points",
    "accuracy_drop_relative": "ratio",
    "accuracy_min": "metric",
    "size": "bytes",
    "compression": "ratio",
    "parameters": "count",
    "macs": "count",
    "latency_p50": "s",
    "latency_p95": "s",
    "latency_p99": "s",
    "latency_first": "s",
    "latency_ratio": "ratio",
    "parity_agreement": "ratio",
    "parity_within_lsb": "ratio",
    "parity_lsb": "steps",
    "parity_abs": "value",
    "export_error": "value",
    "max_error": "value",
    "sqnr_db": "dB",
    "memory": "bytes",
    "flash": "bytes",
    "mapped_ops": "ratio",
    "streamed_bytes": "bytes",
    "accuracy_regression": "points",
    "size_regression": "ratio",
    "latency_regression": "ratio",
}
AT_LEAST = {
    "accuracy_min",
    "compression",
    "parity_agreement",
    "parity_within_lsb",
    "sqnr_db",
    "mapped_ops",
}
BY_INTERVAL = {
    "accuracy_drop",
    "accuracy_drop_relative",
    "accuracy_min",
    "parity_agreement",
    "accuracy_regression",
}


AGAINST = {"latency_ratio": "float export", "latency_regression": "accepted file"}


def test_every_budget_exists_with_its_unit() -> None:
    assert {name: info.unit for name, info in BUDGETS.items()} == UNITS
    assert all(name == info.name for name, info in BUDGETS.items())


def test_directions_and_rules() -> None:
    assert {name for name, info in BUDGETS.items() if info.direction == "at least"} == AT_LEAST
    assert {name for name, info in BUDGETS.items() if info.rule == "interval"} == BY_INTERVAL
    latency = {name for name, info in BUDGETS.items() if info.rule == "latency"}
    assert latency == {name for name in BUDGETS if name.startswith("latency_")}


def test_what_a_latency_is_compared_with() -> None:
    assert {name: info.against for name, info in BUDGETS.items() if info.against} == AGAINST
    assert {name for name, info in BUDGETS.items() if info.on_host_only} == set(AGAINST)


def test_a_drop_alone_may_be_decided_by_a_part_of_the_samples() -> None:
    assert [name for name, info in BUDGETS.items() if info.ends_early] == ["accuracy_drop"]
    assert not BUDGETS["accuracy_drop"].every_sample


def test_the_contract_is_no_budget_that_a_marker_takes() -> None:
    assert CONTRACT.name not in BUDGETS
    assert Budget("contract", 0).kind is CONTRACT


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_knows_its_metric(name: str) -> None:
    assert Budget(name, 1).kind is BUDGETS[name]


@pytest.mark.parametrize("kind", BUDGETS.values(), ids=BUDGETS)
def test_a_floor_is_lowered_where_a_ceiling_is_raised(kind: BudgetKind) -> None:
    wrong = "raise the budget" if kind.name in AT_LEAST else "lower the budget"
    assert wrong not in kind.remedy_for()
    assert "{" not in kind.remedy_for()
    if "budget" in kind.remedy:
        assert "raise the budget" in kind.remedy_for("at most")
        assert "lower the budget" in kind.remedy_for("at least")


@pytest.mark.parametrize(
    ("metric", "limit", "doubt"),
    [
        ("size", 120, 'size=120 is 120 bytes: did you mean size="120 kB"?'),
        ("memory", 256, 'did you mean memory="256 kB"?'),
        ("size", 1_000, ""),
        ("streamed_bytes", 0, ""),
        ("parameters", 120, ""),
        ("latency_p95", 0.006, ""),
    ],
)
def test_a_limit_that_was_meant_in_kilobytes(metric: str, limit: float, doubt: str) -> None:
    found = Budget(metric, limit).doubt
    assert doubt in found
    assert bool(doubt) == bool(found)
