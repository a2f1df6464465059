"""Gate a file that some other pipeline made."""

import pytest

from pytest_edgegate.gate import EdgeGate


@pytest.mark.edge_targets("coral")
def test_our_own_build(edge_gate: EdgeGate) -> None:
    edge_gate.check("models/digits_uint8.tflite", accuracy_drop=0.01, size="60 kB")
