"""Damaged files: each an error of ours or an honest verdict, and the session lives on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import EdgeGateError

SEED = 20
COUNTS = {  # by healthy file: (damaged bytes, edits of what the file means)
    "digits_uint8.tflite": (50, 50),
    "digits_float_io.tflite": (25, 10),
    "digits.onnx": (50, 40),
    "digits.keras": (25, 25),
}
PORTIONS = 5
"""Files are gone through in so many tests for each kind."""


def test_there_are_enough_of_them() -> None:
    assert sum(map(sum, COUNTS.values())) >= 250


@pytest.mark.parametrize("portion", range(PORTIONS))
@pytest.mark.parametrize("name", COUNTS)
def test_every_damaged_file_is_refused_or_judged(
    gate: Any, tmp_path: Path, name: str, portion: int
) -> None:
    refused = 0
    for label, content in gate.damaged(name, SEED, *COUNTS[name])[portion::PORTIONS]:
        path = tmp_path / label
        path.write_bytes(content)
        if path.suffix == ".keras":
            found = gate.scored(path)
            assert isinstance(found, EdgeGateError) or 0 <= found <= 1, label
            refused += isinstance(found, EdgeGateError)
        else:
            verdicts = gate.judged(path)
            gate.honest(verdicts)
            refused += isinstance(verdicts, EdgeGateError)
    assert refused, "a file cut short can't be opened"


@pytest.mark.parametrize("name", ["digits_uint8.tflite", "digits.onnx"])
def test_a_healthy_file_is_green_after_all_of_that(gate: Any, name: str) -> None:
    verdicts = gate.judged(gate.healthy(name))
    assert not isinstance(verdicts, EdgeGateError), verdicts
    assert not [each for each in verdicts if each.red]
