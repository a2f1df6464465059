"""Files that are right for other samples, other labels or without their softmax: each red verdict
names that, and the same file made for the samples of the data is green."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
SHAPE = (8, 8, 3)
CLASSES = 5
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
BGR_MEAN = np.array([103.939, 116.779, 123.68])


def coloured(count: int, seed: int) -> tuple[Array, Array]:
    """Images from 0 to 1 of five colours, each brighter in one half, with much noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    colours = np.array(
        [[0.8, 0.3, 0.3], [0.3, 0.7, 0.4], [0.3, 0.4, 0.8], [0.7, 0.6, 0.2], [0.45, 0.45, 0.45]]
    )
    images = np.broadcast_to(colours[labels][:, None, None], (count, *SHAPE)).copy()
    images[:, :4] += 0.15 * (labels % 2)[:, None, None, None]
    images += random.normal(0, 0.5, images.shape)
    return np.clip(images, 0, 1).astype(np.float32), labels


@dataclass(frozen=True)
class Network:
    """A trained classifier of images: weights of shape (8, 8, 3, classes), and a bias."""

    weights: Array
    bias: Array
    softmax: bool = True
    first: bool = False
    """Whether it takes images with the channels first."""

    def write(self, path: Path) -> Path:
        classes = len(self.bias)
        flat = self.weights.reshape(-1, classes).astype(np.float32)
        last = "scores" if self.softmax else "y"
        shape = (SHAPE[2], *SHAPE[:2]) if self.first else SHAPE
        moved = [helper.make_node("Transpose", ["x"], ["moved"], perm=[0, 2, 3, 1])]
        nodes = [
            *(moved if self.first else []),
            helper.make_node("Flatten", ["moved" if self.first else "x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], [last]),
        ]
        if self.softmax:
            nodes.append(helper.make_node("Softmax", ["scores"], ["y"], axis=-1))
        graph = helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
            [
                numpy_helper.from_array(flat, "w"),
                numpy_helper.from_array(self.bias.astype(np.float32), "b"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.save(model, str(path))
        return path

    def taking(self, scale: Array | float, offset: Array | float) -> Network:
        """The same network for samples ``x * scale + offset``: numbers, or one by channel."""
        by = np.broadcast_to(np.asarray(scale, np.float64), (3,))[None, None, :, None]
        plus = np.broadcast_to(np.asarray(offset, np.float64), (3,))[None, None, :, None]
        weights = self.weights / by
        return Network(weights, self.bias - (weights * plus).sum((0, 1, 2)), self.softmax)

    def reversed(self) -> Network:
        return Network(self.weights[:, :, ::-1], self.bias, self.softmax)


class Gate:
    """The gate over a network that was trained on coloured images from 0 to 1."""

    def __init__(self, folder: Path) -> None:
        x, y = coloured(400, 0)
        fitted = LogisticRegression(max_iter=200, C=0.01).fit(x.reshape(400, -1), y)
        self.network = Network(fitted.coef_.T.reshape(*SHAPE, CLASSES), fitted.intercept_)
        self.folder = folder
        self.evaluation = coloured(400, 1)
        settings = Settings(
            targets=("onnx-cpu",),
            cache=folder / "cache",
            root=folder,
        )
        self.session = EdgeSession(settings, Registry())
        self.target = self.session.target("onnx-cpu")
        self.model = self.network.write(folder / "model.onnx")

    def judge(
        self,
        network: Network,
        *budgets: Budget,
        model: Network | None = None,
        samples: tuple[Array, Array] | None = None,
        metric: Any = "top1",
    ) -> dict[str, Verdict]:
        """The verdicts on a file of this network, against the model under test."""
        path = self.model if model is None else model.write(self.folder / "reference.onnx")
        given = Given(path, EdgeData(evaluation=samples or self.evaluation), metric)
        case = self.session.case(given, self.target)
        file = self.session.adopt(network.write(self.folder / "given.onnx"), self.target)
        asked = budgets or (Budget("accuracy_drop", 0.02),)
        found = self.session.judge(case, file, asked, contract=False)
        return {each.budget.metric: each for each in found}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("colours"))


def channels_first(network: Network) -> Network:
    """For images whose memory the samples hold with the channels first."""
    read = np.moveaxis(np.arange(192).reshape(3, 8, 8), 0, -1).ravel()
    flat = network.weights.reshape(192, -1)[read]
    return Network(flat.reshape(*SHAPE, -1), network.bias, network.softmax)


def with_a_background(network: Network) -> Network:
    none = np.zeros((*SHAPE, 1))
    weights = np.concatenate([none, network.weights], axis=-1)
    return Network(weights, np.concatenate([[-50.0], network.bias]), network.softmax)


def permuted(network: Network) -> Network:
    order = [3, 0, 4, 1, 2]
    return Network(network.weights[..., order], network.bias[order], network.softmax)


MUTATIONS: dict[str, tuple[Callable[[Network], Network], tuple[str, ...]]] = {
    "bgr": (Network.reversed, ("with channels reversed the file reaches 0.", "x[..., ::-1]")),
    "signed": (lambda it: it.taking(2, -1), ("with x * 2 - 1 in place of x the file reaches 0.",)),
    "pixels": (lambda it: it.taking(255, 0), ("with x * 255 in place of x the file reaches 0.",)),
    "imagenet": (
        lambda it: it.taking(1 / STD, -MEAN / STD),
        ("with mean and standard deviation of ImageNet ((x - mean) / std) the file", "(0.485,"),
    ),
    "caffe": (
        lambda it: it.taking(255.0, -BGR_MEAN[::-1]).reversed(),
        ("the mean of ImageNet subtracted, in BGR (x[..., ::-1] * 255 - bgr_mean) the file",),
    ),
    "signed bgr": (
        lambda it: it.taking(2, -1).reversed(),
        ("with x[..., ::-1] * 2 - 1 in place of x the file reaches 0.",),
    ),
    "reshaped": (channels_first, ("its values read in another order of axes (x.reshape(-1, ",)),
    "background": (
        with_a_background,
        ("lie one higher than those of the model (0 -> 1", "it has 6 classes, the model 5"),
    ),
    "permuted": (permuted, ("the classes look permuted: ", "put back the file reaches 0.")),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_cause_is_named(gate: Gate, name: str) -> None:
    fault, says = MUTATIONS[name]
    found = gate.judge(fault(gate.network))["accuracy_drop"]
    assert found.red
    text = f"{found.cause} {found.remedy}"
    for each in says:
        assert each in text, text


IN_OTHER_AXES = ("bgr", "imagenet", "caffe", "signed bgr")


@pytest.mark.parametrize("name", IN_OTHER_AXES)
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_the_line_to_type_fits_the_axes_of_the_data(gate: Gate, name: str, first: bool) -> None:
    """The file has the channels at the other end: what is named works on the data as they are, and
    on the device in the axes of the file."""
    x, y = gate.evaluation
    data = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if first else x
    file = replace(MUTATIONS[name][0](gate.network), first=not first)
    model = replace(gate.network, first=first)
    asked = Budget("accuracy_drop", 0.02), Budget("accuracy_min", 0.9)
    found = gate.judge(file, *asked, model=model, samples=(data, y))["accuracy_drop"]
    assert found.red
    assert found.cause
    made_for = re.search(r"the file was made for (.*?)( \((mean|bgr)|, where x)", found.remedy)
    on_device = re.search(r"in the axes of the file, as (.*?), or make it", found.remedy)
    assert made_for is not None, found.remedy
    assert on_device is not None, found.remedy
    names = {"mean": MEAN, "std": STD, "bgr_mean": BGR_MEAN, "x": data}
    fed = eval(made_for[1], {}, names).astype(np.float32)
    named = float(found.cause.split(" reaches ")[1].split()[0])
    again = gate.judge(file, asked[1], model=model, samples=(fed, y))["accuracy_min"]
    assert again.measured is not None
    assert again.measured.value == pytest.approx(named, abs=0.05)
    right = np.moveaxis(fed, 1, -1) if first else np.moveaxis(fed, -1, 1)
    assert np.array_equal(eval(on_device[1], {}, names).astype(np.float32), right)


def test_the_healthy_twin_is_green_and_nothing_is_tried(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_edgegate.session.measuring.observing.Trier", None)
    found = gate.judge(gate.network.taking(1, 0.001))["accuracy_drop"]
    assert found.outcome == "pass"


def test_what_helps_in_no_way_is_excluded(gate: Gate) -> None:
    drawn = np.random.default_rng(0).normal(0, 1, gate.network.weights.shape)
    broken = Network(drawn, np.zeros(CLASSES))
    found = gate.judge(broken)["accuracy_drop"]
    assert found.red
    assert "excluded on 100 random samples" in found.details[-1]
    assert "x[..., ::-1], x * 255" in found.details[-1]


def test_a_softmax_that_was_removed(gate: Gate) -> None:
    x, y = gate.evaluation
    samples = (x, np.eye(CLASSES, dtype=np.float32)[y])
    bare = replace(gate.network, softmax=False)
    asked = Budget("sqnr_db", 20), Budget("accuracy_drop", 0.01)
    found = gate.judge(bare, *asked, samples=samples, metric="mse")
    for each in found.values():
        assert each.red
        assert each.cause == (
            "the output y of the file lacks the softmax that the model ends in: with it the "
            "values agree"
        )
        assert each.remedy.startswith("make the file with the softmax, or give an edge_model")
        assert "is that of the same class in 100% of the rows" in " ".join(each.details)
    other = gate.network.taking(1, 0.001)
    healthy = gate.judge(other, *asked, samples=samples, metric="mse")
    assert not any(each.red for each in healthy.values())
    turned = gate.judge(other, asked[0], model=bare)
    assert "the file ends the output y in a softmax" in turned["sqnr_db"].cause


def test_another_run_opens_no_model_to_explain(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = gate.evaluation
    samples = (x, np.eye(CLASSES, dtype=np.float32)[y])
    asked = Budget("sqnr_db", 20), Budget("accuracy_drop", 0.01)
    wrong = replace(gate.network.taking(255, 0), softmax=False)
    first = gate.judge(wrong, *asked, samples=samples, metric="mse")
    assert first["accuracy_drop"].cause
    later = EdgeSession(gate.session.settings, Registry())
    monkeypatch.setattr(gate, "session", later)
    monkeypatch.setattr("pytest_edgegate.session.measuring.opening.Opener.open", None)
    again = gate.judge(wrong, *asked, samples=samples, metric="mse")
    assert {name: each.cause for name, each in again.items()} == {
        name: each.cause for name, each in first.items()
    }
    later.close()


def test_an_error_metric_and_a_floor(gate: Gate) -> None:
    signed = gate.network.taking(2, -1)
    x, y = gate.evaluation
    samples = (x, np.eye(CLASSES, dtype=np.float32)[y])
    found = gate.judge(signed, Budget("accuracy_drop", 0.01), samples=samples, metric="mse")
    assert "with x * 2 - 1 in place of x" in found["accuracy_drop"].cause
    found = gate.judge(signed, Budget("accuracy_min", 0.8))
    assert "with x * 2 - 1 in place of x the file reaches" in found["accuracy_min"].cause


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda it: it.taking(255.0, 0), "with x * 255 in place of x it reaches 0."),
        (lambda it: it.taking(255.0, 0).reversed(), "with x[..., ::-1] * 255 in place of x it"),
    ],
)
def test_a_reference_that_is_fed_wrongly(
    gate: Gate, wrong: Callable[[Network], Network], says: str
) -> None:
    network = wrong(gate.network)
    with pytest.raises(ConfigurationError, match="not proven better than always") as raised:
        gate.judge(network, model=network.taking(1, 0.25))
    assert says in raised.value.message
    assert raised.value.remedy.startswith("give edge_data samples as x")


def test_labels_in_another_order_than_the_reference(gate: Gate) -> None:
    x, y = gate.evaluation
    with pytest.raises(ConfigurationError, match="its classes are in another order") as raised:
        gate.judge(gate.network, model=gate.network.taking(1, 0.01), samples=(x, (y + 2) % CLASSES))
    assert raised.value.remedy.startswith("give the labels in the order of the outputs; or ")


@pytest.mark.parametrize("per_sample", [True, False])
def test_a_metric_that_reads_the_inputs(gate: Gate, per_sample: bool) -> None:
    """It takes the inputs of the samples that are tried, as they are in the data."""

    def right(outputs: Array, labels: Array, inputs: Array) -> Any:
        assert 0 <= inputs.min() <= inputs.max() <= 1
        hits = (outputs.argmax(axis=1) == labels) & (inputs.mean(axis=(1, 2, 3)) > 0)
        return hits if per_sample else hits.mean()

    metric = Metric(right, per_sample=per_sample, wants_inputs=True)
    found = gate.judge(gate.network.taking(255, 0), metric=metric)["accuracy_drop"]
    assert "with x * 255 in place of x the file reaches 0." in found.cause


def of_two(path: Path, *inputs: str) -> Path:
    """Twice the input b less the input a, with the inputs in that order."""
    nodes = [
        helper.make_node("Add", ["b", "b"], ["twice"]),
        helper.make_node("Sub", ["twice", "a"], ["y"]),
    ]
    given = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n", 5]) for each in inputs]
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])
    graph = helper.make_graph(nodes, "two", given, [scores])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def test_a_file_with_its_inputs_in_another_order_is_compared_by_their_names(gate: Gate) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 200, 5)).astype(np.float32)
    data = EdgeData(evaluation=({"a": a, "b": b}, (2 * b - a).argmax(1)))
    case = gate.session.case(Given(of_two(gate.folder / "ab.onnx", "a", "b"), data), gate.target)
    file = gate.session.adopt(of_two(gate.folder / "ba.onnx", "b", "a"), gate.target)
    asked = Budget("max_error", 1e-6), Budget("accuracy_drop", 0.0)
    for found in gate.session.judge(case, file, asked, contract=False):
        assert not found.red, found.reason
