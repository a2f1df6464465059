"""Faults put into a healthy int8 ONNX artifact: each has to turn the right gate red."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError, InferenceError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
BUDGETS = (
    Budget("accuracy_drop", 0.01),
    Budget("size", 40_000),
    Budget("sqnr_db", 25),
    Budget("parity_agreement", 0.99),
)


class Gate:
    """The gate over the torch model of the example, on 400 digits."""

    def __init__(self, folder: Path) -> None:
        digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
        train, evaluate = (x.transpose(0, 3, 1, 2) for x in (digits.x_train, digits.x_evaluate))
        data = EdgeData(
            calibration=train[:200], evaluation=(evaluate[:400], digits.y_evaluate[:400])
        )
        settings = Settings(
            targets=("onnx-cpu",),
            cache=folder / "cache",
            root=folder,
        )
        self.folder = folder
        self.session = EdgeSession(settings, Registry())
        self.subject = Given(EXAMPLE / "torch_model" / "digits.pt2", data)
        self.target = self.session.target("onnx-cpu")
        self.healthy = self.session.compress(self.session.case(self.subject, self.target), (PTQ(),))
        self.float = self.session.compress(self.session.case(self.subject, self.target), ())

    def judge(self, given: Artifact | Path) -> dict[str, Verdict]:
        artifact = given if isinstance(given, Artifact) else self.adopted(given)
        case = self.session.case(self.subject, self.target)
        verdicts = self.session.judge(case, artifact, BUDGETS, contract=True)
        return {each.budget.metric: each for each in verdicts}

    def adopted(self, path: Path) -> Artifact:
        """A file of others that is meant to be int8."""
        from dataclasses import replace

        return replace(self.session.adopt(path, self.target), dtype="int8")


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"))


def constant(model: Any, name: str) -> Any:
    return next(each for each in model.graph.initializer if each.name == name)


def put(model: Any, name: str, values: Any) -> None:
    constant(model, name).CopyFrom(numpy_helper.from_array(values, name))


def nodes(model: Any, kind: str) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == kind]


def producer(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if name in node.output)


def weights_of(model: Any, at: int) -> Any:
    """The DequantizeLinear of a convolution's weights."""
    return producer(model, nodes(model, "Conv")[at].input[1])


def scale_weights(model: Any) -> None:
    scale = weights_of(model, 2).input[1]
    put(model, scale, numpy_helper.to_array(constant(model, scale)) * np.float32(1.7))


def zero_weights(model: Any) -> None:
    stored = weights_of(model, 3).input[0]
    put(model, stored, np.zeros_like(numpy_helper.to_array(constant(model, stored))))


def shuffle_classes(model: Any) -> None:
    dequantise = producer(model, nodes(model, "Gemm")[0].input[1])
    for position in (0, 1, 2):
        name = dequantise.input[position]
        values = numpy_helper.to_array(constant(model, name))
        if values.ndim:
            put(model, name, np.roll(values, 1, axis=0).copy())


def lose_a_bias(model: Any) -> None:
    stored = producer(model, nodes(model, "Conv")[0].input[2]).input[0]
    put(model, stored, np.zeros_like(numpy_helper.to_array(constant(model, stored))))


def clip_an_activation(model: Any) -> None:
    first = nodes(model, "QuantizeLinear")[1]
    scale = numpy_helper.to_array(constant(model, first.input[1])) / np.float32(8)
    put(model, first.input[1], np.asarray(scale, np.float32))


def nan_in_a_scale(model: Any) -> None:
    scale = weights_of(model, 1).input[1]
    values = numpy_helper.to_array(constant(model, scale)).copy()
    values.reshape(-1)[0] = np.nan
    put(model, scale, values)


def float_fallback(model: Any) -> None:
    """One convolution gets its weights in float, and neither takes nor gives integers."""
    conv = nodes(model, "Conv")[2]
    dequantise = producer(model, conv.input[1])
    stored, scale = (numpy_helper.to_array(constant(model, dequantise.input[at])) for at in (0, 1))
    shape = (-1, *(1,) * (stored.ndim - 1))
    floats = stored.astype(np.float32) * scale.reshape(shape)
    model.graph.initializer.append(numpy_helper.from_array(floats, "fallback"))
    conv.input[1] = "fallback"


def stored_in_float(model: Any) -> None:
    """Weights kept as floats and quantised when the model runs: nothing was compressed."""
    for node in nodes(model, "Conv"):
        dequantise = producer(model, node.input[1])
        name = dequantise.input[0]
        stored, scale = (
            numpy_helper.to_array(constant(model, dequantise.input[at])) for at in (0, 1)
        )
        shape = (-1, *(1,) * (stored.ndim - 1))
        put(model, name, stored.astype(np.float32) * scale.reshape(shape))
        quantise = helper.make_node(
            "QuantizeLinear", [name, *dequantise.input[1:]], [f"{name}_late"], axis=0
        )
        dequantise.input[0] = f"{name}_late"
        model.graph.node.insert(0, quantise)


FAULTS: dict[Callable[[Any], None], set[str]] = {
    scale_weights: {"sqnr_db"},
    zero_weights: {"accuracy_drop", "sqnr_db"},
    shuffle_classes: {"accuracy_drop", "sqnr_db"},
    lose_a_bias: {"sqnr_db"},
    clip_an_activation: {"sqnr_db"},
    nan_in_a_scale: {"sqnr_db"},
    float_fallback: {"contract"},
    stored_in_float: {"size"},
}


def mutant(gate: Gate, fault: Callable[[Any], None], folder: Path) -> Path:
    model = onnx.load(gate.healthy.path)
    fault(model)
    path = folder / f"{fault.__name__}.onnx"
    onnx.save(model, path)
    return path


def test_the_healthy_twin_is_green(gate: Gate) -> None:
    found = gate.judge(gate.healthy)
    assert [each.budget.metric for each in found.values() if each.red] == []
    assert gate.judge(gate.healthy.path)["contract"].outcome == "pass"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_red(gate: Gate, fault: Callable[[Any], None], tmp_path: Path) -> None:
    found = gate.judge(mutant(gate, fault, tmp_path))
    red = {metric for metric, each in found.items() if each.red}
    assert red >= FAULTS[fault], {name: each.reason for name, each in found.items()}


def test_a_float_fallback_is_named_in_the_file_and_as_it_runs(gate: Gate, tmp_path: Path) -> None:
    found = gate.judge(mutant(gate, float_fallback, tmp_path))["contract"]
    told = "\n".join(found.details)
    assert "Conv" in told
    assert "fallback" in told
    assert "runs in float after the runtime's optimisation" in told


def test_a_float_file_that_calls_itself_int8(gate: Gate) -> None:
    found = gate.judge(gate.adopted(gate.float.path))
    assert found["contract"].red
    assert found["size"].red
    convolutions = len(nodes(onnx.load(gate.float.path), "Conv"))
    measured = found["contract"].measured
    assert measured is not None
    assert measured.value >= convolutions


def test_weights_beside_the_file_count(gate: Gate, tmp_path: Path) -> None:
    model = onnx.load(gate.float.path)
    path = tmp_path / "beside.onnx"
    onnx.save(model, path, save_as_external_data=True, location="beside.data", size_threshold=256)
    artifact = gate.session.adopt(path, gate.target)
    assert [each.name for each in artifact.files] == ["beside.onnx", "beside.data"]
    assert artifact.size_bytes == sum(each.stat().st_size for each in tmp_path.iterdir())
    assert artifact.digest != artifact.sha256
    whole = gate.judge(artifact)["sqnr_db"].measured
    assert whole is not None
    assert whole.value > 100
    (tmp_path / "beside.data").write_bytes((tmp_path / "beside.data").read_bytes()[:-100])
    with pytest.raises(InferenceError, match=r"beside\.data, which is shorter"):
        gate.session.adopt(path, gate.target)


def test_weights_that_change_beside_the_file_are_seen(gate: Gate, tmp_path: Path) -> None:
    """The .onnx keeps its bytes; what was remembered of it must not be used."""
    model = onnx.load(gate.float.path)
    path = tmp_path / "beside.onnx"
    onnx.save(model, path, save_as_external_data=True, location="beside.data", size_threshold=256)
    before = gate.judge(gate.session.adopt(path, gate.target))["accuracy_drop"].measured
    stored = np.frombuffer((tmp_path / "beside.data").read_bytes(), np.float32)
    (tmp_path / "beside.data").write_bytes((stored * np.float32(0)).tobytes())
    after = gate.judge(gate.session.adopt(path, gate.target))["accuracy_drop"].measured
    assert before is not None
    assert after is not None
    assert before.value == 0
    assert after.value > 0.5


def test_an_int8_file_is_not_compressed_again(gate: Gate) -> None:
    subject = Given(gate.healthy.path, gate.subject.data)
    with pytest.raises(EdgeGateError, match="is a finished int8 file"):
        gate.session.compress(gate.session.case(subject, gate.target), (PTQ(),))


def on_a_jetson(gate: Gate, artifact: Artifact) -> dict[str, Verdict]:
    case = gate.session.case(gate.subject, gate.session.target("jetson-orin-nano"))
    verdicts = gate.session.judge(case, artifact, BUDGETS, contract=True)
    return {each.budget.metric: each for each in verdicts}


def quantise_a_bias(model: Any) -> None:
    """As ONNX Runtime's quantiser does by default: in 32-bit integers, in steps of the products."""
    node = nodes(model, "Gemm")[0]
    values = numpy_helper.to_array(constant(model, node.input[2]))
    factors = [
        numpy_helper.to_array(constant(model, producer(model, name).input[1]))
        for name in node.input[:2]
    ]
    scale = np.broadcast_to(factors[0] * factors[1], values.shape).copy()
    stored = {"bias": np.rint(values / scale).astype(np.int32), "bias_scale": scale}
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in stored.items())
    conversion = helper.make_node("DequantizeLinear", list(stored), ["bias_real"], axis=0)
    model.graph.node.insert(0, conversion)
    node.input[2] = "bias_real"


def shift_a_zero_point(model: Any) -> None:
    """One activation is asymmetric, in both of its conversions."""
    (quantise, *_) = nodes(model, "QuantizeLinear")
    model.graph.initializer.append(numpy_helper.from_array(np.array(-5, np.int8), "shifted"))
    for node in (*nodes(model, "QuantizeLinear"), *nodes(model, "DequantizeLinear")):
        if node is quantise or quantise.output[0] in node.input:
            node.input[2] = "shifted"


@pytest.mark.parametrize(
    ("mutate", "said"),
    [
        (quantise_a_bias, "takes the quantised bias bias (int32), which jetson-orin-nano refuses"),
        (shift_a_zero_point, "has the zero point -5, which jetson-orin-nano refuses"),
        (lambda model: None, ""),
    ],
    ids=["quantise a bias", "shift a zero point", "healthy"],
)
def test_what_nvidias_parser_refuses(
    gate: Gate, tmp_path: Path, mutate: Callable[[Any], None], said: str
) -> None:
    target = gate.session.target("jetson-orin-nano")
    made = gate.session.compress(gate.session.case(gate.subject, target), (PTQ(),))
    model = onnx.load(made.main)
    mutate(model)
    path = tmp_path / "given.onnx"
    onnx.save(model, path)
    found = on_a_jetson(gate, gate.session.adopt(path, target))
    assert [name for name, each in found.items() if each.red] == ["contract"] * bool(said)
    assert said in " ".join(found["contract"].details)
    assert bool(said) is ("QuantizeBias" in found["contract"].remedy)


def test_a_file_for_a_cpu_is_red_on_a_jetson(gate: Gate) -> None:
    target = gate.session.target("jetson-orin-nano")
    found = on_a_jetson(gate, gate.session.adopt(gate.healthy.main, target))
    assert [name for name, each in found.items() if each.red] == ["contract"]


def ends_in(*steps: tuple[str, str, str, dict[str, Any]]) -> Callable[[Any], None]:
    """Ends the file in these operators: (kind, inputs, output, attributes), from h to y.

    The axes of a reduction are an input since opset 18.
    """

    def mutate(model: Any) -> None:
        ends = {"h": "end_h", "y": model.graph.output[0].name}
        producer(model, ends["y"]).output[0] = "end_h"
        for kind, given, made, how in steps:
            names = [ends.get(each, f"end_{each}") for each in given.split()]
            if "axes" in how:
                names.append(f"end_axes_of_{made}")
                axes = numpy_helper.from_array(np.array(how["axes"], np.int64), names[-1])
                model.graph.initializer.append(axes)
            rest = {name: value for name, value in how.items() if name != "axes"}
            output = ends.get(made, f"end_{made}")
            model.graph.node.append(helper.make_node(kind, names, [output], **rest))

    return mutate


def normalised(axis: int) -> Callable[[Any], None]:
    """Over the samples of a batch (0), or over the scores of a sample (1)."""
    return ends_in(
        ("ReduceMean", "h", "mean", {"axes": [axis]}),
        ("Sub", "h mean", "apart", {}),
        ("ReduceL2", "apart", "length", {"axes": [axis]}),
        ("Exp", "length", "width", {}),
        ("Div", "apart width", "y", {}),
    )


LARGEST = ("ReduceMax", "h", "m", {"keepdims": 0})
OF_EACH = ("ReduceMax", "h", "m", {"axes": [1]})
RANDOM = ("RandomNormalLike", "h", "r", {"scale": 1e-3})
CONSTANT = ("Sub", "h h", "r", {})


@pytest.mark.parametrize(
    ("mutate", "twin"),
    [
        (ends_in(LARGEST, ("Div", "h m", "y", {})), ends_in(OF_EACH, ("Div", "h m", "y", {}))),
        (ends_in(("Softmax", "h", "y", {"axis": 0})), ends_in(("Softmax", "h", "y", {"axis": 1}))),
        (normalised(0), normalised(1)),
        (ends_in(LARGEST, ("Sub", "h m", "y", {})), ends_in(OF_EACH, ("Sub", "h m", "y", {}))),
    ],
    ids=["divided by the largest", "softmax", "normalised", "less the largest"],
)
def test_answers_that_depend_on_the_batch(
    gate: Gate, tmp_path: Path, mutate: Callable[[Any], None], twin: Callable[[Any], None]
) -> None:
    found, healthy = (fed(gate, tmp_path, each)["contract"] for each in (mutate, twin))
    assert found.red
    assert "answers depend on the batch" in " ".join(found.details)
    assert not healthy.red
    assert "one sample at a time" not in healthy.reason + healthy.note


def test_answers_at_random(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match=r"faulty\.onnx answers at random"):
        fed(gate, tmp_path, ends_in(RANDOM, ("Add", "h r", "y", {})))
    assert not fed(gate, tmp_path, ends_in(CONSTANT, ("Add", "h r", "y", {})))["contract"].red


def fed(gate: Gate, folder: Path, mutate: Callable[[Any], None]) -> dict[str, Verdict]:
    """The contract of the float file with a fault."""
    model = onnx.load(gate.float.path)
    mutate(model)
    path = folder / "faulty.onnx"
    onnx.save(model, path)
    artifact = gate.session.adopt(path, gate.target)
    case = gate.session.case(gate.subject, gate.target)
    verdicts = gate.session.judge(case, artifact, (), contract=True)
    return {each.budget.metric: each for each in verdicts}
