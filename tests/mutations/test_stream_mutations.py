"""Faults in a stream of the user's, and a mask in the model: each with its healthy twin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.session.given import Given

DROP = (Budget("accuracy_drop", 0.01),)
BATCH = 300


def batches(x: Any, y: Any) -> list[Any]:
    return [(x[at : at + BATCH], y[at : at + BATCH]) for at in range(0, len(x), BATCH)]


def judged(gate: Any, evaluation: Any, version: str) -> Any:
    """The verdict on the healthy artifact, by other evaluation data."""
    data = EdgeData(calibration=gate.train[0][:200], evaluation=evaluation, version=version)
    case = gate.session.case(Given(gate.model, data), gate.session.target("coral"))
    [verdict] = gate.session.judge(case, gate.healthy, DROP)
    return verdict


class Failing:
    """Gives two batches, then its file is gone."""

    def __init__(self, elements: list[Any]) -> None:
        self.elements = elements

    def __iter__(self) -> Iterator[Any]:
        yield from self.elements[:2]
        raise OSError(5, "input/output error")


class Spent:
    """Can be read once."""

    def __init__(self, elements: list[Any]) -> None:
        self.elements = iter(elements)

    def __iter__(self) -> Iterator[Any]:
        return self.elements


class Endless:
    """Begins anew where it ends, as a generator for a training does."""

    def __init__(self, elements: list[Any]) -> None:
        self.elements = elements

    def __iter__(self) -> Iterator[Any]:
        return itertools.cycle(self.elements)


def _holed(x: Any) -> Any:
    holed = x.copy()
    holed[721, 3, 3, 0] = np.nan
    return holed


def test_a_stream_is_judged_as_its_arrays_are(gate: Any) -> None:
    """In batches whose last one is shorter, in lists, and in other dtypes and orders of bytes."""
    x, y = gate.evaluation
    whole = judged(gate, (x, y), "arrays")
    mixed = [[a.astype(">f8") if at % 2 else a, b] for at, (a, b) in enumerate(batches(x, y))]
    streamed = judged(gate, mixed, "healthy")
    assert (whole.red, streamed.red) == (False, False)
    assert streamed.measured.n == whole.measured.n == 1000
    assert streamed.measured.value == whole.measured.value


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            lambda x, y: batches(_holed(x), y),
            "NaN or Inf for the input 'image', first in sample #721",
        ),
        (lambda x, y: Failing(batches(x, y)), "failed at its batch #2: input/output error"),
        (lambda x, y: Endless(batches(x, y)), "gives the same 4 batches (1,000 samples) again"),
        (lambda x, y: Spent(batches(x, y)), "gave no samples on another pass"),
        (lambda x, y: [*batches(x[:600], y[:600]), x[600:]], "batch #2 differs from the first one"),
        (
            lambda x, y: [*batches(x[:600], y[:600]), (x[600:, :20], y[600:])],
            "samples of shape (20, 28, 1) (from #600 on) do not fit",
        ),
        (
            lambda x, y: (np.ma.masked_array(x, mask=x == x[5, 14, 14, 0]), y),
            "has a masked array with values missing",
        ),
    ],
    ids=["holed", "failing", "endless", "spent", "without labels", "ragged", "masked"],
)
def test_a_fault_of_a_stream_is_no_verdict(
    gate: Any, fault: Any, says: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        judged(gate, fault(*gate.evaluation), request.node.name)
    assert says in raised.value.message


@pytest.mark.parametrize(
    ("mask", "red"), [(-3.4e38, True), (-20.0, False)], ids=["lowest", "healthy"]
)
def test_a_mask_in_a_quantised_tensor(gate: Any, mask: float, red: bool) -> None:
    """Ten more classes, which the model masks before its softmax."""
    keras = import_keras()
    digits = keras.models.load_model(gate.model, compile=False)
    image = keras.Input((28, 28, 1))
    scores = keras.layers.Rescaling(12.0)(digits(image))
    doubled = keras.layers.Concatenate()([scores, scores])
    masked = doubled + np.array([0.0] * 10 + [mask] * 10, np.float32)
    model = keras.Model(image, keras.layers.Softmax()(masked))
    found = gate.judge(gate.built(gate.train[0][:200], model), DROP)
    assert ("accuracy_drop" in found.red) is red
    assert ("as a mask does: in steps of" in found.text) is red
    assert (f"-20 in place of {mask:.2g}" in found.text) is red
