"""What is under test here: a torch model of the same digits, channels first."""

from __future__ import annotations

import pytest
from digits import load_digits

from pytest_edgegate import EdgeData


@pytest.fixture(scope="session")
def edge_model() -> str:
    return "torch_model/digits.pt2"  # a path: torch is loaded only when something must be built


@pytest.fixture(scope="session")
def edge_data() -> EdgeData:
    digits = load_digits()
    train, evaluate = (x.transpose(0, 3, 1, 2) for x in (digits.x_train, digits.x_evaluate))
    return EdgeData(
        train=(train, digits.y_train),
        calibration=train[:200],
        evaluation=(evaluate, digits.y_evaluate),
    )
