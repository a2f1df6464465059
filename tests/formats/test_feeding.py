"""Answers that depend on the batch or on chance, in models of every framework and format."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.openvino.telemetry import unreported
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning, InferenceError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.measures.steadiness import Conduct
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
Module = Callable[[torch.Tensor], torch.Tensor]
F = torch.nn.functional
X: Array = np.random.default_rng(0).normal(size=(96, 6)).astype(np.float32)
WEIGHTS: Array = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
DATA = EdgeData(calibration=X[:20], evaluation=(X, (X @ WEIGHTS).argmax(1)))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("fed")
    settings = Settings(
        targets=("onnx-cpu",),
        cache=folder / "cache",
        root=folder,
    )
    return EdgeSession(settings, Registry())


ERRORS = {
    "the model under test answers at random": Conduct.RANDOM,
    "the answers of the model under test depend on the batch": Conduct.BY_BATCH,
}


def of_reference(session: EdgeSession, model: object, data: EdgeData = DATA) -> Conduct:
    """What is found of a model under test; an error by what it says."""
    case = session.case(Given(model, data), session.target("host"))
    specimen = Specimen.of_model(case.subject.model)
    try:
        found = session.observer.steadiness(specimen, case.subject.dataset.evaluation)
    except ConfigurationError as error:
        return next(conduct for text, conduct in ERRORS.items() if text in error.message)
    return found.conduct


class Written(torch.nn.Module):
    """A linear layer, and what is done with its scores."""

    def __init__(self, then: Module) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(6, 4)
        self.layer.weight = torch.nn.Parameter(torch.from_numpy(WEIGHTS.T.copy()))
        self.then = then

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.then(self.layer(x))


class Normed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def attention(x: torch.Tensor) -> torch.Tensor:
    steps = x[:, None, :] * torch.linspace(0.5, 2, 3)[None, :, None]
    return F.scaled_dot_product_attention(steps, steps, steps).sum(1)


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRU(6, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = x[:, None, :] * torch.linspace(0.5, 2, 3)[None, :, None]
        return self.cell(steps)[0][:, -1]


TORCH: dict[str, tuple[Callable[[], torch.nn.Module], Conduct]] = {
    "batch norm that is put into evaluation": (lambda: Normed().train(), Conduct.STEADY),
    "functional batch norm": (
        lambda: Written(lambda y: F.batch_norm(y, None, None, training=True)).eval(),
        Conduct.BY_BATCH,
    ),
    "maximum": (lambda: Written(lambda y: y / y.max()).eval(), Conduct.BY_BATCH),
    "softmax": (lambda: Written(lambda y: y.softmax(0)).eval(), Conduct.BY_BATCH),
    "dropout": (lambda: Written(lambda y: F.dropout(y, 0.2, training=True)).eval(), Conduct.RANDOM),
    "noise": (lambda: Written(lambda y: y + 0.1 * torch.randn_like(y)).eval(), Conduct.RANDOM),
    "batch norm": (lambda: Normed().eval(), Conduct.STEADY),
    "dropout that is off": (
        lambda: Written(lambda y: F.dropout(y, 0.2, training=False)).eval(),
        Conduct.STEADY,
    ),
    "layer norm": (lambda: Written(lambda y: F.layer_norm(y, (4,))).eval(), Conduct.STEADY),
    "attention": (lambda: Written(attention).eval(), Conduct.STEADY),
    "recurrent": (lambda: Recurrent().eval(), Conduct.STEADY),
    "a wide range": (lambda: Written(lambda y: (3 * y).exp()).eval(), Conduct.STEADY),
    "classes": (lambda: Written(lambda y: y.argmax(1)).eval(), Conduct.STEADY),
}


@pytest.mark.parametrize("kind", TORCH)
def test_torch(session: EdgeSession, kind: str) -> None:
    make, expected = TORCH[kind]
    assert of_reference(session, make()) is expected


class Called(keras.layers.Layer):
    """A layer that is always called as in training, or a function of keras.ops."""

    def __init__(self, layer: Any, **how: Any) -> None:
        super().__init__()
        self.layer = layer
        self.how = how

    def call(self, x: Any) -> Any:
        return self.layer(x, **self.how)


def of_keras(*layers: Any) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        keras.utils.set_random_seed(0)
        given = made = keras.Input((6,))
        for layer in (keras.layers.Dense(4), *(each() for each in layers)):
            made = layer(made)
        return keras.Model(given, made)

    return build


def training(layer: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: Called(layer(), training=True)


KERAS: dict[str, tuple[Callable[[], keras.Model], Conduct]] = {
    "batch norm in training": (
        of_keras(training(keras.layers.BatchNormalization)),
        Conduct.BY_BATCH,
    ),
    "maximum": (
        of_keras(lambda: Called(lambda y: y / keras.ops.max(y))),
        Conduct.BY_BATCH,
    ),
    "softmax": (of_keras(lambda: keras.layers.Softmax(axis=0)), Conduct.BY_BATCH),
    "dropout": (of_keras(training(lambda: keras.layers.Dropout(0.2))), Conduct.RANDOM),
    "noise": (of_keras(training(lambda: keras.layers.GaussianNoise(0.1))), Conduct.RANDOM),
    "healthy": (
        of_keras(
            keras.layers.BatchNormalization,
            lambda: keras.layers.Dropout(0.2),
            lambda: keras.layers.GaussianNoise(0.1),
            keras.layers.LayerNormalization,
            keras.layers.Softmax,
        ),
        Conduct.STEADY,
    ),
    "recurrent": (
        of_keras(lambda: keras.layers.Reshape((2, 2)), lambda: keras.layers.LSTM(3)),
        Conduct.STEADY,
    ),
}


@pytest.mark.parametrize("kind", KERAS)
def test_keras(session: EdgeSession, kind: str) -> None:
    make, expected = KERAS[kind]
    assert of_reference(session, make()) is expected


def graph(path: Path, *nodes: Any, batch: object = "n", **constants: Array) -> Path:
    """An ONNX file of a product with WEIGHTS, named h, and *nodes* that end in y."""
    constants = {"w": WEIGHTS, "one": np.ones(1, np.float32), **constants}
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), *nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=8), path)
    return path


def node(kind: str, given: str, made: str = "y", **how: Any) -> Any:
    return helper.make_node(kind, given.split(), made.split(), **how)


NODES: dict[str, tuple[tuple[Any, ...], Conduct]] = {
    "batch norm": (
        (
            node("ReduceMean", "h", "mean", axes=[0]),
            node("Sub", "h mean", "d"),
            node("Mul", "d d", "d2"),
            node("ReduceMean", "d2", "var", axes=[0]),
            node("Add", "var one", "more"),
            node("Sqrt", "more", "sd"),
            node("Div", "d sd"),
        ),
        Conduct.BY_BATCH,
    ),
    "maximum": ((node("ReduceMax", "h", "m", keepdims=0), node("Div", "h m")), Conduct.BY_BATCH),
    "softmax": ((node("Softmax", "h", axis=0),), Conduct.BY_BATCH),
    "random": ((node("RandomNormalLike", "h", "r", scale=0.1), node("Add", "h r")), Conduct.RANDOM),
    "healthy": ((node("Softmax", "h", axis=1),), Conduct.STEADY),
}
FORMATS = ("onnx", "openvino")


def written(folder: Path, kind: str, form: str, **how: Any) -> Path:
    path = graph(folder / "m.onnx", *NODES[kind][0], **how)
    if form == "onnx":
        return path
    with unreported():
        import openvino

        openvino.save_model(openvino.convert_model(path), folder / "m.xml", compress_to_fp16=False)
    return folder / "m.xml"


def judged(
    session: EdgeSession, path: Path, target: str, model: object, *budgets: Budget
) -> dict[str, Verdict]:
    board = session.target(target)
    case = session.case(Given(model, DATA), board)
    artifact = session.adopt(path, board)
    verdicts = session.judge(case, artifact, budgets, contract=True)
    return {each.budget.metric: each for each in verdicts}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph(tmp_path_factory.mktemp("model") / "float.onnx", node("Identity", "h"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", NODES)
def test_files(session: EdgeSession, model: Path, tmp_path: Path, kind: str, form: str) -> None:
    path, expected = written(tmp_path, kind, form), NODES[kind][1]
    if expected is Conduct.RANDOM:
        with pytest.raises(InferenceError, match="answers at random"):
            judged(session, path, "openvino-cpu", model)
        return
    contract = judged(session, path, "openvino-cpu", model)["contract"]
    assert contract.red is (expected is Conduct.BY_BATCH)
    assert ("depend on the batch" in " ".join(contract.details)) is contract.red


@pytest.mark.parametrize("kind", NODES)
def test_files_under_test(session: EdgeSession, tmp_path: Path, kind: str) -> None:
    assert of_reference(session, written(tmp_path, kind, "onnx")) is NODES[kind][1]


def test_a_dependence_is_found_in_a_fixed_batch(
    session: EdgeSession, model: Path, tmp_path: Path
) -> None:
    for kind, batch, red in (("softmax", 4, True), ("softmax", 1, False), ("healthy", 4, False)):
        path = written(tmp_path, kind, "onnx", batch=batch)
        assert judged(session, path, "host", model)["contract"].red is red


@pytest.fixture(scope="module")
def dynamic(model: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = model.with_name("dynamic.onnx")
    quantize_dynamic(model, made, weight_type=QuantType.QInt8)
    return made


def test_dynamic_quantisation_is_measured_alone(
    session: EdgeSession, model: Path, dynamic: Path
) -> None:
    contract = judged(session, dynamic, "host", model, Budget("accuracy_drop", 0.4))["contract"]
    assert not contract.red
    assert "dynamic.onnx is measured one sample at a time" in contract.reason + contract.note
    assert of_reference(session, dynamic) is Conduct.BY_RANGE


def test_dynamic_quantisation_excuses_no_softmax_over_the_batch(
    session: EdgeSession, model: Path, dynamic: Path, tmp_path: Path
) -> None:
    read = onnx.load(dynamic)
    read.graph.node[-1].output[0] = "before"
    read.graph.node.append(node("Softmax", "before", axis=0))
    onnx.save(read, tmp_path / "both.onnx")
    assert judged(session, tmp_path / "both.onnx", "host", model)["contract"].red


def test_nothing_is_said_of_healthy_references(session: EdgeSession, model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", EdgeGateWarning)
        assert of_reference(session, model) is Conduct.STEADY
