"""Notes of verdicts on third-party files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.data.row_digests import FLAT
from pytest_edgegate.session import notes


def given(layout: Layout, *, made: bool = False, compiled: object = None) -> Any:
    return SimpleNamespace(
        artifact=SimpleNamespace(made=made),
        description=lambda: SimpleNamespace(compiled=compiled),
        layout=lambda: layout,
    )


MOVED = Layout((CHANNELS_LAST, None))


def test_samples_that_are_transposed_for_a_file_are_told() -> None:
    assert "(x.transpose(0, 2, 3, 1)): feed them so on the device" in notes.of_layout(given(MOVED))


@pytest.mark.parametrize(
    "file", [given(Layout()), given(MOVED, made=True), given(MOVED, compiled="a chip")]
)
def test_nothing_is_told_of_other_files(file: Any) -> None:
    assert notes.of_layout(file) == ""


def test_calibration_samples_of_one_value_are_not_told() -> None:
    calibrated: Any = SimpleNamespace(provenance={"calibration_samples": [FLAT, 7, FLAT, 8]})
    evaluated = np.array([FLAT, 8, 9], np.uint64)
    assert notes.of_calibration(calibrated, lambda: evaluated).startswith("1 calibration samples")
    assert notes.of_calibration(calibrated, lambda: evaluated[::2]) == ""
