"""What --edge-explain prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_edgegate.core.budget import BUDGETS, Budget
from pytest_edgegate.core.plan import Leg, Move, Plan
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.target import LatencySource
from pytest_edgegate.measures.catalogue import measure_of
from pytest_edgegate.reports.explanation import explain_budgets, explain_plan
from pytest_edgegate.targets.folder import built_in

CORAL = built_in()["coral"]
MOVE = Move(("keras", "float32"), PTQ, ("litert", "int8"))


def test_a_plan() -> None:
    plan = Plan((Leg("litert.from_keras", MOVE, PTQ()),), (PTQ(),), "coral", "litert", "int8", "!")
    assert explain_plan("edge_ptq", plan, cached=False) == [
        "edge_ptq: PTQ(samples=200) -> litert int8, to be built",
        "  litert.from_keras: PTQ(samples=200)",
        "  !",
    ]
    assert explain_plan("edge_ptq", plan, cached=True)[0].endswith("in the cache")


def test_a_plan_without_a_step() -> None:
    export = Leg("x", Move(("keras", "float32"), None, ("litert", "float32")), None)
    plan = Plan((export,), (), "host", "litert", "float32")
    assert explain_plan("edge_compress", plan, cached=False)[1] == "  x: export"
    assert explain_plan("m", Plan((), (), "coral", "litert", "int8"), cached=False)[1] == (
        "  the file as it is"
    )


def test_no_budgets() -> None:
    [line] = explain_budgets((), CORAL, "litert", "point")
    assert line.startswith("no budgets: ")


@pytest.mark.parametrize("metric", BUDGETS)
def test_every_budget_says_how_it_is_measured_or_that_it_is_not(metric: str) -> None:
    [line] = explain_budgets((Budget(metric, 1),), CORAL, "litert", "strict")
    sign = "<=" if BUDGETS[metric].direction == "at most" else ">="
    assert line.startswith(f"{metric} {sign} ")
    assert "{" not in line
    by_us = measure_of(metric) is not None and not metric.startswith("latency")
    measured = by_us or metric in CORAL.tools
    assert measured is not ("not measured" in line or "nothing installed" in line)


def test_parity_with_nothing_to_compare_with() -> None:
    openvino = built_in()["openvino-cpu"]
    [line] = explain_budgets((Budget("parity_agreement", 0.99),), openvino, "openvino", "point")
    assert line.endswith("only openvino runs openvino, so there is nothing to compare: red")


@pytest.mark.parametrize(
    "metric", [name for name, kind in BUDGETS.items() if kind.rule == "latency" and kind.measure]
)
def test_a_latency_is_timed_where_the_target_is_here(metric: str) -> None:
    onnx = built_in()["onnx-cpu"]
    [line] = explain_budgets((Budget(metric, 1),), onnx, "onnx", "point")
    assert "in onnxruntime" in line
    board = replace(CORAL, latency_source=LatencySource("board://1"))
    [line] = explain_budgets((Budget(metric, 1),), board, "litert", "point")
    assert ("not measured here: red" in line) is BUDGETS[metric].on_host_only


@pytest.mark.parametrize(
    ("beside", "policy", "early"),
    [
        (None, "point", True),
        ("size", "point", True),
        ("accuracy_min", "point", False),
        ("parity_agreement", "point", False),
        (None, "strict", False),
    ],
)
def test_a_drop_that_may_be_decided_early_says_so(
    beside: str | None, policy: str, early: bool
) -> None:
    asked = [Budget("accuracy_drop", 0.01), *([Budget(beside, 1)] if beside else [])]
    line, *_ = explain_budgets(asked, CORAL, "litert", policy)
    assert ("paired with the reference; top-1 and topN on arrays may end early" in line) is early
    assert line.endswith(f"; policy {policy}")


@pytest.mark.parametrize("metric", ["memory", "size", "latency_p95"])
def test_a_budget_that_a_tool_tells_names_the_tool(metric: str) -> None:
    chip = replace(CORAL, tools={metric: "{vela}"})
    [line] = explain_budgets((Budget(metric, 1),), chip, "litert", "point")
    assert line.endswith(": reported by the tool {vela}")


def test_parity_with_an_emulated_runtime() -> None:
    five = built_in()["raspberry-pi-5"]
    emulated = {"litert-cortex-a76": "emulator:qemu-aarch64:cortex-a76"}
    asked = (Budget("parity_agreement", 0.99),)
    [line] = explain_budgets(asked, five, "litert", "point", emulated)
    assert line == (
        "parity_agreement >= 0.99: every evaluation sample in litert-xnnpack and "
        "litert-reference, up to 200 of them in litert-cortex-a76 "
        "(emulator:qemu-aarch64:cortex-a76)"
    )
