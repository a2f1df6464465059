"""What is under test: a classifier of handwritten digits and the digits that it is gated on."""

from __future__ import annotations

import pytest
from digits import load_digits

from pytest_edgegate import EdgeData


@pytest.fixture(scope="session")
def edge_model() -> str:
    return "models/digits.keras"  # a path: nothing is loaded when nothing must be built


@pytest.fixture(scope="session")
def edge_data() -> EdgeData:
    digits = load_digits()
    return EdgeData(
        train=(digits.x_train, digits.y_train),
        calibration=digits.x_train[:200],
        evaluation=(digits.x_evaluate, digits.y_evaluate),
    )
