"""A real detector of handwritten digits, gated by mean average precision: sound, and with scores
that its int8 file loses."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData, Metric
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
Judge = Callable[..., dict[str, Verdict]]
EXAMPLE = Path(__file__).parents[2] / "example_project"
MODEL = EXAMPLE / "detection" / "models" / "digit_detector.keras"
BUDGETS = (Budget("accuracy_drop", 0.03), Budget("accuracy_min", 0.5))
CELLS, CELL, REACH = 12, 8, 32
LARGE = 20
"""Times as large as its input is the image that a detector gives the boxes of."""


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    sys.path.insert(0, str(EXAMPLE))
    try:
        return runpy.run_path(str(EXAMPLE / "detection" / "scenes.py"))
    finally:
        sys.path.remove(str(EXAMPLE))


@pytest.fixture(scope="module")
def data(example: dict[str, Any]) -> EdgeData:
    images, labels = example["scenes"](150, evaluate=True)
    calibration = example["scenes"](60, evaluate=False, seed=1).images
    return EdgeData(calibration=calibration, evaluation=(images, labels))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("detectors")
    settings = Settings(targets=("coral",), cache=folder / "cache", root=folder)
    return EdgeSession(settings, Registry())


@pytest.fixture
def judged(session: EdgeSession, data: EdgeData) -> Judge:
    """The verdicts on the int8 file of a model, by metric."""

    def judge(target: str, model: Any, metric: Any, given: EdgeData = data) -> dict[str, Verdict]:
        case = session.case(Given(model, given, metric), session.target(target))
        found = session.judge(case, session.compress(case, (PTQ(),)), BUDGETS, contract=True)
        return {each.budget.metric: each for each in found}

    return judge


def red(found: dict[str, Verdict]) -> set[str]:
    return {metric for metric, each in found.items() if each.red}


def figures(found: dict[str, Verdict]) -> tuple[float, float]:
    """Of the model and of the file."""
    measured = found["accuracy_drop"].measured
    assert measured is not None
    assert measured.reference_value is not None
    assert measured.artifact_value is not None
    return measured.reference_value, measured.artifact_value


@pytest.mark.parametrize("target", ["coral", "onnx-cpu"])
def test_a_sound_detector_passes(judged: Judge, example: dict[str, Any], target: str) -> None:
    found = judged(target, MODEL, Metric("map", decode=example["decode"]))
    assert red(found) == set()
    before, after = figures(found)
    assert before > 0.6
    assert abs(before - after) < 0.03
    measured = found["accuracy_drop"].measured
    assert measured is not None
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low < before - after < measured.high
    assert "bootstrap" in measured.method


def centres(ops: Any, offsets: Any) -> Any:
    """Corners of the boxes in pixels, computed in the model."""
    at = np.arange(CELLS * CELLS)
    cells = np.stack([at % CELLS, at // CELLS], axis=1)[None].astype(np.float32) * CELL
    middle, half = offsets[..., :2] * CELL + cells, offsets[..., 2:] * (REACH / 2)
    return ops.concatenate([middle - half, middle + half], -1)


@pytest.fixture(scope="module")
def heads() -> Any:
    return import_keras().models.load_model(MODEL, compile=False)


def test_scores_that_die_beside_boxes_are_red(judged: Judge, heads: Any) -> None:
    keras = import_keras()
    ops, outputs = keras.ops, heads(heads.inputs[0])
    boxes, scores = centres(ops, outputs["offsets"]), outputs["objectness"][..., None]
    joined = ops.concatenate([boxes * LARGE, scores, outputs["logits"]], -1)
    model = keras.Model(heads.inputs[0], {"found": joined})

    def decode(given: dict[str, Array]) -> tuple[Array, Array, Array]:
        rows = given["found"][given["found"][:, 4] > 0.1]
        return rows[:, :4] / LARGE, rows[:, 4], rows[:, 5:].argmax(axis=1)

    found = judged("raspberry-pi", model, Metric("map", decode=decode))
    assert red(found) == {"accuracy_drop", "accuracy_min"}
    assert figures(found)[1] < 0.05
    told = f"{found['accuracy_drop'].cause} {found['accuracy_drop'].remedy}"
    assert "channel" in told
    assert "split the output" in told


@pytest.mark.parametrize("target", ["raspberry-pi", "onnx-cpu"])
@pytest.mark.parametrize("streamed", [False, True])
def test_named_outputs_are_read_as_they_are(
    judged: Judge, heads: Any, data: EdgeData, example: dict[str, Any], target: str, streamed: bool
) -> None:
    keras = import_keras()
    ops, outputs = keras.ops, heads(heads.inputs[0])
    logits = outputs["logits"]
    best = ops.max(logits, -1, keepdims=True)
    numbers = np.arange(10, dtype=np.float32)
    classes = ops.max(ops.where(ops.greater_equal(logits, best), numbers, 0.0), -1)
    model = keras.Model(
        heads.inputs[0],
        {
            "boxes": centres(ops, outputs["offsets"]),
            "scores": outputs["objectness"],
            "classes": classes,
        },
    )
    given = data
    if streamed:
        images, labels = example["scenes"](150, evaluate=True)
        batches = [(images[at : at + 40], labels[at : at + 40]) for at in range(0, 150, 40)]
        given = EdgeData(calibration=data.calibration, evaluation=batches, version="150 scenes")
    found = judged(target, model, "map", given)
    before, after = figures(found)
    assert before > 0.6
    assert after > before - 0.06
    assert "accuracy_min" not in red(found)


def test_boxes_with_y_before_x_are_no_reference(
    session: EdgeSession, data: EdgeData, heads: Any
) -> None:
    """Of next to nothing a file loses next to nothing, even one whose scores have died."""
    keras = import_keras()
    ops, outputs = keras.ops, heads(heads.inputs[0])
    boxes, scores = centres(ops, outputs["offsets"]), outputs["objectness"][..., None]
    joined = ops.concatenate([boxes * LARGE, scores, outputs["logits"]], -1)
    model = keras.Model(heads.inputs[0], {"found": joined})

    def decode(given: dict[str, Array]) -> tuple[Array, Array, Array]:
        rows = given["found"][given["found"][:, 4] > 0.1]
        return rows[:, [1, 0, 3, 2]] / LARGE, rows[:, 4], rows[:, 5:].argmax(axis=1)

    case = session.case(Given(model, data, Metric("map", decode=decode)), session.target("coral"))
    asked = (Budget("accuracy_drop", 0.03),)
    with pytest.raises(ConfigurationError, match="another form, y before x"):
        session.look_ahead(replace(case, budgets=asked), session.plan(case, (PTQ(),)))
    [found] = session.judge(case, session.compress(case, (PTQ(),)), asked)
    assert found.red
    assert "an artifact that finds nothing at all would be within the limit" in found.reason
