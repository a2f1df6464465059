"""The digits artifact, built once through the real gate, and the tools to damage it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.reports.failure import explain
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
CAMERA = """
[tool.edgegate.targets.uint8-camera]
from = "coral"
io_dtypes = ["uint8"]
"""

Array = npt.NDArray[Any]


class Judged:
    """The verdicts on one file, by metric, and the text that a user would read."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        self.verdicts = {each.budget.metric: each for each in verdicts}
        self.red = {metric for metric, each in self.verdicts.items() if each.red}
        self.text = explain([each.record for each in verdicts]) if self.red else ""
        self.told = "\n".join(
            line for each in verdicts for line in (*each.details, each.cause, each.remedy)
        )
        """All that is known of them: the text of a failure has a part of it."""


class Gate:
    """The gate over the digits model, on all evaluation digits, in one cache."""

    def __init__(self, folder: Path) -> None:
        digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
        self.train: tuple[Array, Array] = (digits.x_train, digits.y_train)
        self.evaluation: tuple[Array, Array] = (digits.x_evaluate, digits.y_evaluate)
        self.model = EXAMPLE / "models" / "digits.keras"
        self.folder = folder
        (folder / "pyproject.toml").write_text(CAMERA)
        settings = Settings(
            targets=("coral",),
            cache=folder / "cache",
            root=folder,
        )
        self.session = EdgeSession(settings, Registry())
        self.subject = self._subject(self.train[0][:200])
        self.healthy = self.built(self.train[0][:200])

    def built(self, calibration: Array, model: object = None) -> Artifact:
        """An artifact for coral, by PTQ on these calibration samples."""
        subject = self._subject(calibration, model)
        case = self.session.case(subject, self.session.target("coral"))
        return self.session.compress(case, (PTQ(),))

    def float_file(self) -> Path:
        """The model under test, converted without any quantisation."""
        coral = self.session.target("coral")
        return self.session.float_export(self.session.case(self.subject, coral), "litert").path

    def judge(
        self, given: Artifact | Path, budgets: tuple[Budget, ...], target: str = "coral"
    ) -> Judged:
        """A file as another pipeline's, an artifact with what the gate knows of its making."""
        board = self.session.target(target)
        artifact = given if isinstance(given, Artifact) else self.session.adopt(given, board)
        case = self.session.case(self.subject, board)
        return Judged(self.session.judge(case, artifact, budgets, contract=True))

    def _subject(self, calibration: Array, model: object = None) -> Given:
        data = EdgeData(calibration=calibration, evaluation=self.evaluation)
        return Given(self.model if model is None else model, data)


class Surgery:
    """The graph of a .tflite file, operators found by a piece of the name of what they make."""

    def __init__(self, path: Path) -> None:
        self.model = unpack(path)
        self.graph = self.model.subgraphs[0]

    @property
    def input(self) -> Any:
        return self.graph.tensors[self.graph.inputs[0]]

    @property
    def output(self) -> Any:
        return self.graph.tensors[self.graph.outputs[0]]

    def operator(self, name: str) -> Any:
        """The one operator whose first output has *name* in its name."""
        [found] = [
            each
            for each in self.graph.operators
            if name in self.graph.tensors[each.outputs[0]].name.decode().split(";")[0]
        ]
        return found

    def tensor(self, operator: Any, position: int) -> Any:
        """The input of an operator: 1 is the weights, 2 the bias."""
        return self.graph.tensors[operator.inputs[position]]

    def made(self, operator: Any) -> Any:
        return self.graph.tensors[operator.outputs[0]]

    def values(self, tensor: Any) -> Array:
        """A copy of a constant's values in its own dtype and shape."""
        schema = import_schema().TensorType
        kinds = {schema.INT8: np.int8, schema.INT32: np.int32, schema.FLOAT32: np.float32}
        data = np.array(self.model.buffers[tensor.buffer].data, np.uint8)
        return data.view(kinds[tensor.type]).reshape(tensor.shape)

    def put(self, tensor: Any, values: Array) -> None:
        """New values for a constant; a buffer that another tensor shares would be an accident."""
        users = [each for each in self.graph.tensors if each.buffer == tensor.buffer]
        assert len(users) == 1, f"buffer {tensor.buffer} has {len(users)} users"
        self.model.buffers[tensor.buffer].data = np.frombuffer(
            np.ascontiguousarray(values).tobytes(), np.uint8
        )

    def add_tensor(self, like: Any, name: str, kind: int, values: Array | None = None) -> int:
        """A new float tensor in the shape of another; its index."""
        schema = import_schema()
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array(like.shape), kind
        if values is not None:
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_code(self, builtin: int) -> int:
        """The index of an operator code, added where the file has none."""
        schema = import_schema()
        for index, each in enumerate(self.model.operatorCodes):
            if each.builtinCode == builtin:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 2
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def write(self, path: Path) -> Path:
        path.write_bytes(pack(self.model))
        return path


def leave_layer_in_float(surgery: Surgery) -> None:
    """A pointwise layer between a DEQUANTIZE and a QUANTIZE, its weights as real numbers."""
    schema = import_schema()
    real = schema.TensorType.FLOAT32
    operator = surgery.operator("residual_a_pointwise")
    given, made = surgery.tensor(operator, 0), surgery.made(operator)
    weights, bias = surgery.tensor(operator, 1), surgery.tensor(operator, 2)
    scales = weights.quantization.scale.reshape(-1, 1, 1, 1)
    constants = {
        "weights": (weights, surgery.values(weights) * scales),
        "bias": (bias, surgery.values(bias) * bias.quantization.scale),
    }
    indices = [surgery.add_tensor(given, "fallback/in", real)]
    indices += [
        surgery.add_tensor(like, f"fallback/{name}", real, values)
        for name, (like, values) in constants.items()
    ]
    out = surgery.add_tensor(made, "fallback/out", real)
    edges = []
    for code, ends in (
        (schema.BuiltinOperator.DEQUANTIZE, (operator.inputs[0], indices[0])),
        (schema.BuiltinOperator.QUANTIZE, (out, operator.outputs[0])),
    ):
        edge = schema.OperatorT()
        edge.opcodeIndex = surgery.add_code(code)
        edge.inputs, edge.outputs = np.array([[ends[0]], [ends[1]]], np.int32)
        edges.append(edge)
    operator.inputs, operator.outputs = np.array(indices, np.int32), np.array([out], np.int32)
    at = surgery.graph.operators.index(operator)
    surgery.graph.operators[at : at + 1] = [edges[0], operator, edges[1]]


@pytest.fixture
def in_float() -> Callable[[Surgery], None]:
    """The fault of a layer that was left in float."""
    return leave_layer_in_float


@pytest.fixture(scope="session")
def operate() -> type[Surgery]:
    """Opens a .tflite file for changes."""
    return Surgery


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("mutations"))


@pytest.fixture
def surgery() -> Callable[[Path], Surgery]:
    """Opens any file."""
    return Surgery


@pytest.fixture
def damaged(gate: Gate, tmp_path: Path) -> Callable[[Callable[[Surgery], None]], Path]:
    """Writes the healthy artifact with one fault put into it."""

    def write(fault: Callable[[Surgery], None]) -> Path:
        surgery = Surgery(gate.healthy.path)
        fault(surgery)
        return surgery.write(tmp_path / "damaged.tflite")

    return write
