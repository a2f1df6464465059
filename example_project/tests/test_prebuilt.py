"""Gate a file that some other pipeline made."""

import pytest

from pytest_edgegate.gate import EdgeGate


@pytest.mark.edge_targets("coral")
def test_our_own_build(edge_gate: EdgeGate) -> None:
    """Within its budgets, and not worse than what was accepted, which edge-baseline/ holds."""
    edge_gate.check(
        "models/digits_uint8.tflite",
        accuracy_drop=0.01,
        size="60 kB",
        accuracy_regression=0.005,
        size_regression=1.02,
    )


@pytest.mark.edge_targets("coral")
def test_float_inputs_and_outputs(edge_gate: EdgeGate) -> None:
    """Green with a caution: the CPU quantises and dequantises what the Edge TPU takes and gives."""
    edge_gate.check("models/digits_float_io.tflite")
