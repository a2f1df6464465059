"""Faults that hide in outputs: scores among boxes, a class that is lost, another network's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
Judge = Callable[..., dict[str, Verdict]]

PIXELS, CELLS = 1500.0, 16
DENSE = "probabilities_1/MatMul"
LOST = 7


def images(count: int) -> Array:
    return np.random.default_rng(1).random((count, 8, 8, 3), np.float32)


def _weights() -> tuple[Array, Array]:
    """Kernels over 2 x 2 pixels: of boxes from 0 to 1, and of scores as logits."""
    rng = np.random.default_rng(3)
    boxes, scores = rng.random((12, 4)) / 12, rng.normal(size=(12, 1))
    return boxes.astype(np.float32), scores.astype(np.float32)


def keras_detector(*, split: bool) -> Any:
    """Boxes in pixels and scores from 0 to 1: one output of five channels, or two."""
    keras = import_keras()
    image = keras.Input((8, 8, 3), name="image")
    layers = [
        keras.layers.Conv2D(width, 2, strides=2, use_bias=False, name=name)
        for width, name in ((4, "boxes"), (1, "scores"))
    ]
    boxes = keras.layers.Reshape((CELLS, 4), name="boxes_out")(
        keras.layers.Rescaling(PIXELS)(layers[0](image))
    )
    scores = keras.layers.Reshape((CELLS, 1), name="scores_out")(
        keras.layers.Activation("sigmoid")(layers[1](image))
    )
    joined = keras.layers.Concatenate(name="found")
    model = keras.Model(image, [boxes, scores] if split else joined([boxes, scores]))
    for layer, values in zip(layers, _weights(), strict=True):
        layer.set_weights([values.reshape(2, 2, 3, -1)])
    return model


class TorchDetector(torch.nn.Module):
    """The same over the pixels of a channels-first image."""

    def __init__(self, *, split: bool) -> None:
        super().__init__()
        self.split = split
        self.boxes, self.scores = (torch.nn.Conv2d(3, each, 2, 2, bias=False) for each in (4, 1))
        for layer, values in zip((self.boxes, self.scores), _weights(), strict=True):
            kernel = torch.from_numpy(values.reshape(2, 2, 3, -1)).permute(3, 2, 0, 1)
            layer.weight = torch.nn.Parameter(kernel.contiguous())

    def forward(self, image: torch.Tensor) -> Any:
        boxes = (self.boxes(image) * PIXELS).flatten(2).transpose(1, 2)
        scores = torch.sigmoid(self.scores(image)).flatten(2).transpose(1, 2)
        return (boxes, scores) if self.split else torch.cat([boxes, scores], dim=2)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("outputs")
    settings = Settings(
        targets=("coral",),
        cache=folder / "cache",
        root=folder,
    )
    return EdgeSession(settings, Registry())


@pytest.fixture
def judged(session: EdgeSession) -> Judge:
    """The verdicts on the int8 artifact of a model for a target, by metric."""

    def judge(target: str, model: Any) -> dict[str, Verdict]:
        x = images(300) if target == "coral" else images(300).transpose(0, 3, 1, 2)
        data = EdgeData(calibration=x[:100], evaluation=x[100:])
        case = session.case(Given(model, data), session.target(target))
        budgets = (Budget("sqnr_db", 20), Budget("max_error", 60))
        found = session.judge(case, session.compress(case, (PTQ(),)), budgets, contract=True)
        return {each.budget.metric: each for each in found}

    return judge


def detector(target: str, *, split: bool) -> Any:
    return keras_detector(split=split) if target == "coral" else TorchDetector(split=split).eval()


@pytest.mark.parametrize("target", ["coral", "onnx-cpu"])
def test_scores_are_lost_among_boxes(judged: Judge, target: str) -> None:
    found = judged(target, detector(target, split=False))
    assert {metric for metric, each in found.items() if each.red} == {"sqnr_db"}
    assert "caution: channel 4 of output " in found["contract"].note
    assert "and is constant in the file" in found["contract"].note
    sqnr = found["sqnr_db"]
    assert sqnr.measured is not None
    assert sqnr.measured.value == pytest.approx(0, abs=0.5)
    assert sqnr.note.startswith("of channel 4 of output ")
    assert "where one scale also serves channels from " in sqnr.cause
    assert sqnr.remedy.startswith("split the output: let the model return channel 4 ")


@pytest.mark.parametrize("target", ["coral", "onnx-cpu"])
def test_scores_of_an_output_of_their_own_are_kept(judged: Judge, target: str) -> None:
    found = judged(target, detector(target, split=True))
    assert {metric for metric, each in found.items() if each.red} == set()
    assert "caution" not in found["contract"].note


def never_answer(surgery: Any) -> None:
    """A bias so low that the probability of one class is 0 for every sample."""
    bias = surgery.tensor(surgery.operator(DENSE), 2)
    values = surgery.values(bias)
    values[LOST] = -(2**30)
    surgery.put(bias, values)


def test_a_class_that_is_never_answered(gate: Any, damaged: Any) -> None:
    judged = gate.judge(damaged(never_answer), (Budget("accuracy_drop", 0.01),))
    assert judged.red == {"accuracy_drop"}
    assert f"probably: channel {LOST} of output " in judged.text
    assert f"caution: channel {LOST} of output " in judged.verdicts["contract"].note
    healthy = gate.judge(gate.healthy, (Budget("accuracy_drop", 0.01),))
    assert "caution" not in healthy.verdicts["contract"].note


def scale_weights(surgery: Any) -> None:
    """Those of the last layer, integers by their scale: most answers stay as they are."""
    weights = surgery.tensor(surgery.operator(DENSE), 1)
    if weights.quantization is not None and weights.quantization.scale is not None:
        weights.quantization.scale = weights.quantization.scale * np.float32(0.5)
    else:
        surgery.put(weights, surgery.values(weights) * np.float32(0.5))


def test_the_float_file_of_another_network(gate: Any, surgery: Any, tmp_path: Path) -> None:
    budgets = (Budget("export_error", 1e-4), Budget("accuracy_drop", 0.01))
    path = gate.float_file()
    other = surgery(path)
    scale_weights(other)
    judged = gate.judge(other.write(tmp_path / "other.tflite"), budgets, target="host")
    assert judged.red == {"export_error"}
    assert "make other.tflite again, of the model under test" in judged.text
    assert gate.judge(path, budgets, target="host").red == set()


def test_an_int8_file_whose_answers_are_far_from_those_of_its_model(
    gate: Any, damaged: Any
) -> None:
    budgets = (Budget("max_error", 0.3), Budget("accuracy_drop", 0.01))
    judged = gate.judge(damaged(scale_weights), budgets)
    assert judged.red == {"max_error"}
    assert "largest difference: sample #" in judged.text
    assert gate.judge(gate.healthy, budgets).red == set()
