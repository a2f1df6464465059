"""What is killed: one small project, and the work in it that a signal may meet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "example_project"

_CONFTEST = """
from __future__ import annotations

import pytest
from digits import load_digits

from pytest_edgegate import EdgeData, EdgeTraining


@pytest.fixture(scope="session")
def edge_training():
    return EdgeTraining(batch_size=32)


@pytest.fixture(scope="session")
def edge_data(request):
    digits = load_digits()
    parts = [digits.x_train[:1000], digits.x_evaluate]
    if TORCH:
        parts = [each.transpose(0, 3, 1, 2) for each in parts]
    return EdgeData(
        train=(parts[0], digits.y_train[:1000]), calibration=parts[0][:200],
        evaluation=(parts[1], digits.y_evaluate),
    )


@pytest.fixture(scope="session")
def edge_model():
    return "models/digits.pt2" if TORCH else "models/digits.keras"
"""

_STUDENT = """

@pytest.fixture(scope="session")
def edge_student():
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(8, 3, strides=2, activation="relu"),
        layers.Flatten(), layers.Dense(10),
    ])
"""

_HEAD = """
import pytest

from pytest_edgegate import PTQ, QAT, Distill
"""

_RECIPE = (
    _HEAD
    + """

@pytest.mark.edge_recipe({recipe})
@pytest.mark.edge_budget(accuracy_min=0.3, size="60 kB")
def test_{name}(edge_artifact): ...
"""
)

_PREBUILT = (
    _HEAD
    + """

def test_prebuilt(edge_gate):  # in workers alone, without a framework
    edge_gate.check("models/digits_uint8.tflite", accuracy_min=0.9, parity_agreement=0.99)
"""
)

_LATENCY = (
    _HEAD
    + """

@pytest.mark.edge_budget(latency_p95="50 ms", latency_ratio=50)
def test_latency(edge_ptq): ...
"""
)

_SEVERAL = (
    _HEAD
    + """

@pytest.mark.parametrize("samples", [20, 40, 60, 80])
def test_ptq(edge_compress, edge_gate, samples):
    edge_gate.accuracy(edge_compress(PTQ(samples)), drop=0.05)


def test_prebuilt(edge_gate):
    edge_gate.check("models/digits_uint8.tflite", accuracy_drop=0.01, parity_agreement=0.99)
"""
)


@dataclass(frozen=True)
class Scenario:
    """One kind of work: a test file, and how pytest is started on it."""

    test: str
    arguments: tuple[str, ...]
    torch: bool = False
    student: bool = False
    parallel: bool = False
    """Whether an xdist worker may be the one that is killed."""

    def write(self, folder: Path) -> None:
        """A fresh project in *folder*."""
        (folder / "models").mkdir(parents=True)
        for name in ("digits.keras", "digits_uint8.tflite"):
            shutil.copy(EXAMPLE / "models" / name, folder / "models")
        shutil.copy(EXAMPLE / "torch_model" / "digits.pt2", folder / "models")
        shutil.copy(EXAMPLE / "digits.py", folder)
        conftest = _CONFTEST + (_STUDENT if self.student else "")
        (folder / "conftest.py").write_text(f"{conftest}\n\nTORCH = {self.torch}\n")
        (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p no:anyio\n")
        (folder / "test_work.py").write_text(self.test)


def _recipe(name: str, recipe: str) -> str:
    return _RECIPE.format(name=name, recipe=recipe)


_CORAL, _ONNX = ("--edge-target=coral",), ("--edge-target=onnx-cpu",)
_PARALLEL = ("-n", "4")

SCENARIOS = {
    "PTQ": Scenario(_recipe("ptq", "PTQ()"), _CORAL),
    "QAT in Keras": Scenario(_recipe("qat", "QAT(epochs=1, lr=1e-4)"), _CORAL),
    "QAT in torch": Scenario(_recipe("qat", "QAT(epochs=1, lr=1e-4)"), _ONNX, torch=True),
    "Distill": Scenario(
        _recipe("distill", "Distill(epochs=2, lr=5e-3), PTQ()"), _CORAL, student=True
    ),
    "evaluation": Scenario(_PREBUILT, _CORAL),
    "latency": Scenario(_LATENCY, _ONNX, torch=True),
    "-n 4": Scenario(_SEVERAL, (*_CORAL, *_PARALLEL), parallel=True),
}
