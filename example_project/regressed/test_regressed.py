"""Within every absolute budget, and worse than what was accepted."""

import pytest

from pytest_edgegate import Artifact
from pytest_edgegate.gate import EdgeGate


class TestOneMoreFilter:
    """A layer has 97 filters where it had 96."""

    @pytest.fixture
    def edge_model(self) -> str:
        return "regressed/digits.keras"

    @pytest.mark.edge_budget(accuracy_drop=0.01, size="60 kB", size_regression=1.002)
    def test_ptq(self, edge_ptq: Artifact) -> None: ...


@pytest.mark.edge_targets("coral")
def test_their_build(edge_gate: EdgeGate) -> None:
    """Another pipeline converts with one scale a layer now, and calibrates with a single digit."""
    edge_gate.check(
        "regressed/digits_uint8.tflite", accuracy_drop=0.02, accuracy_regression=0.002
    )
