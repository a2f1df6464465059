"""What the tests of the transforms to .tflite share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.data.laid_out import LaidOutRunner

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def infer() -> Callable[..., dict[str, list[Floats]]]:
    """Runs a produced file, in the model's axes, with both kinds of kernels."""

    def run(produced: Produced, *arrays: npt.NDArray[np.generic]) -> dict[str, list[Floats]]:
        found = {}
        for name, runtime in (("xnnpack", XNNPACK), ("reference", REFERENCE)):
            with LaidOutRunner(runtime.open(produced.main), produced.layout) as runner:
                found[name] = [np.asarray(each, np.float32) for each in runner.infer(arrays)]
        return found

    return run


@pytest.fixture(scope="session")
def sqnr() -> Callable[[Floats, Floats], float]:
    """Signal to quantisation noise in dB."""

    def measure(exact: Floats, rounded: Floats) -> float:
        noise = float(((exact - rounded) ** 2).sum())
        return float("inf") if noise == 0 else 10 * np.log10(float((exact**2).sum()) / noise)

    return measure


@pytest.fixture(scope="class")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests of a class."""
    return tmp_path_factory.mktemp("once")


@pytest.fixture
def no_data() -> EdgeData:
    return EdgeData()
