"""Figures as they are printed."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.spelling import (
    spell_bytes,
    spell_choice,
    spell_format,
    spell_interval,
    spell_model,
    spell_value,
)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("size", 0, "0 B"),
        ("size", 9_999, "9,999 B"),
        ("size", 10_000, "10.0 kB"),
        ("size", 56_448, "56.4 kB"),
        ("memory", 9_999_900, "9,999.9 kB"),
        ("flash", 10_000_000, "10.0 MB"),
        ("latency_p95", 0.006, "6 ms"),
        ("latency_p95", 0.0009, "900 us"),
        ("latency_first", 1.5, "1.5 s"),
        ("parameters", 1_200_000, "1,200,000"),
        ("macs", 7, "7"),
        ("parity_lsb", 3.0, "3"),
        ("contract", 2, "2"),
        ("sqnr_db", 30.04, "30.0 dB"),
        ("compression", 3.999, "4.00x"),
        ("accuracy_drop", 0.01, "0.01"),
        ("accuracy_drop", -0.0017, "-0.0017"),
        ("accuracy_drop", 0, "0.0"),
        ("accuracy_drop", 1.0, "1.0"),
        ("accuracy_drop", 0.5, "0.5"),
        ("accuracy_drop", 0.00012345, "0.0001234"),
        ("parity_agreement", 0.99, "0.99"),
        ("latency_ratio", 0.8, "0.8"),
    ],
)
def test_a_figure_in_its_unit(metric: str, value: float, text: str) -> None:
    assert spell_value(metric, value) == text


@pytest.mark.parametrize("value", [10, 12.0, -1.0, -0.0, 0.0, 1.0, 250.0, 1234.0])
@pytest.mark.parametrize("metric", ["accuracy_min", "parity_abs", "latency_ratio"])
def test_a_whole_number_does_not_end_in_a_point(metric: str, value: float) -> None:
    text = spell_value(metric, value)
    assert not text.endswith(".")
    assert float(text) == value


@pytest.mark.parametrize("metric", BUDGETS)
def test_every_budget_can_be_spelt(metric: str) -> None:
    assert spell_value(metric, 1)


def test_choices_and_formats() -> None:
    assert spell_choice([]) == ""
    assert spell_choice(["a"]) == "a"
    assert spell_choice(["a", "b", "c"]) == "a, b or c"
    assert spell_format("onnx") == "an .onnx file"
    assert spell_model("onnx") == "an onnx model"
    assert spell_format("engine") == "an engine model"
    assert spell_format("weights") == "a weights model"


def test_intervals() -> None:
    assert spell_interval("accuracy_drop", -0.0017, 0.0045) == "[-0.0017, 0.0045]"
    assert spell_interval("accuracy_drop", None, 0.1) == ""
    assert spell_interval("accuracy_drop", 0.1, None) == ""
    assert spell_bytes(1) == "1 B"
