"""Names that are almost another one, and names that only look like it."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.near_names import is_misspelt

KNOWN = ("onnx", "litert", "host", "raspberry-pi", "raspberry-pi-4", "fake-board")


@pytest.mark.parametrize(
    "name", ["onx", "onxn", "hots", "hosst", "litret", "fake-bord", "rasberry-p"]
)
def test_misspelt(name: str) -> None:
    assert is_misspelt(name, KNOWN)


@pytest.mark.parametrize(
    "name", ["mnn", "ncnn", "onnx", "raspberry-pi-3", "raspberry-pi-zero", "tflite-micro"]
)
def test_a_name_of_its_own(name: str) -> None:
    assert not is_misspelt(name, KNOWN)
