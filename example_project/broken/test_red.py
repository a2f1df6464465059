"""What a gate is for: each of these is a mistake that is found in the field otherwise."""

from collections.abc import Callable

import pytest
from digits import load_digits

from pytest_edgegate import PTQ, Artifact, EdgeData
from pytest_edgegate.gate import EdgeGate


class TestCalibrationNotNormalised:
    """The model was trained on pixels from 0 to 1, and calibrated on pixels from 0 to 255."""

    @pytest.fixture
    def edge_data(self) -> EdgeData:
        digits = load_digits()
        return EdgeData(
            calibration=digits.x_train[:200] * 255,
            evaluation=(digits.x_evaluate, digits.y_evaluate),
        )

    @pytest.mark.edge_budget(accuracy_drop=0.01)
    def test_ptq(self, edge_ptq: Artifact) -> None: ...


@pytest.mark.edge_budget(accuracy_drop=0.01, size="40 kB")
def test_budget_too_tight(edge_ptq: Artifact) -> None: ...


@pytest.mark.edge_targets("coral")
@pytest.mark.edge_budget(latency_p95="6 ms")
def test_latency_without_a_board(edge_ptq: Artifact) -> None: ...


def test_by_hand(edge_compress: Callable[..., Artifact], edge_gate: EdgeGate) -> None:
    edge_gate.accuracy(edge_compress(PTQ()), min=0.995)
