"""What is under test: a detector of handwritten digits, and the scenes that it is gated on."""

from __future__ import annotations

import pytest
from scenes import decode, scenes

from pytest_edgegate import EdgeData, Metric


@pytest.fixture(scope="session")
def edge_model() -> str:
    return "detection/models/digit_detector.keras"


@pytest.fixture(scope="session")
def edge_data() -> EdgeData:
    return EdgeData(
        calibration=scenes(200, evaluate=False, seed=1).images,
        evaluation=scenes(300, evaluate=True),
    )


@pytest.fixture(scope="session")
def edge_metric() -> Metric:
    return Metric("map", decode=decode)
