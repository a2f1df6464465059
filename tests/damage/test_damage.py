"""Damaged files: each an error of ours or an honest verdict, and the session lives on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import EdgeGateError

SEED = 20
COUNTS = {  # by healthy file: (damaged bytes, edits of what the file means), kinds in turn
    "digits_uint8.tflite": (14, 16),
    "digits_float_io.tflite": (7, 10),
    "digits.onnx": (14, 8),
    "digits.keras": (7, 8),
}
PORTIONS = 2
"""Files are gone through in so many tests for each kind."""


@pytest.mark.parametrize(("name", "kinds"), [*zip(COUNTS, (15, 15, 11, 9), strict=True)])
def test_every_kind_of_damage_is_done(gate: Any, name: str, kinds: int) -> None:
    labels = [label for label, _ in gate.damaged(name, SEED, *COUNTS[name])]
    assert len({label.split("-")[0] for label in labels}) == kinds


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
