"""Files and teachers whose answers prove nothing, and their healthy twins: small ONNX networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.building.teaching import TeacherModel
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
Node = Any
CLASSES, COUNT = 4, 600
_random = np.random.default_rng(0)
WEIGHTS = _random.normal(size=(6, CLASSES)).astype(np.float32)
X = _random.normal(size=(COUNT, 6)).astype(np.float32)
LABELS = (X @ WEIGHTS).argmax(axis=1)
BY_CLASS = np.argsort(LABELS, kind="stable")
FLOOR, DROP, SIZE = Budget("accuracy_min", 0.9), Budget("accuracy_drop", 0.01), Budget("size", 9999)
IDS = Metric(lambda ids, labels: ids.reshape(-1) == labels)


def node(kind: str, inputs: str, output: str, **what: Any) -> Node:
    return helper.make_node(kind, inputs.split(), [output], **what)


def network(path: Path, nodes: Sequence[Node] = (), **constants: Any) -> Path:
    """A MatMul and a softmax, then these nodes from ``scores`` to ``y``, of a dtype to infer."""
    last = [] if nodes else [node("Identity", "scores", "y")]
    known = {"w": WEIGHTS, **constants}
    graph = helper.make_graph(
        [node("MatMul", "x w", "z"), node("Softmax", "z", "scores", axis=-1), *nodes, *last],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in known.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
    return path


def ids(path: Path) -> Path:
    return network(path, [node("ArgMax", "scores", "y", axis=1, keepdims=0)])


def ids_as_floats(path: Path) -> Path:
    found = node("ArgMax", "scores", "at", axis=1, keepdims=1)
    return network(path, [found, node("Cast", "at", "y", to=TensorProto.FLOAT)])


def without_a_class(path: Path) -> Path:
    mask = np.float32([1, 1, 0, 1])
    return network(path, [node("Mul", "scores mask", "y")], mask=mask)


def _in_batches_above(path: Path, least: int) -> Path:
    nodes = [
        node("Shape", "scores", "count", end=1),
        node("Greater", "count least", "large"),
        node("ReduceMean", "scores", "mean", axes=[0]),
        node("Sub", "scores mean", "moved"),
        node("Where", "large moved scores", "y"),
    ]
    return network(path, nodes, least=np.int64([least]))


def by_large_batches(path: Path) -> Path:
    return _in_batches_above(path, 40)


def by_no_batch(path: Path) -> Path:
    return _in_batches_above(path, 10**6)


def up_to_a_place(path: Path) -> Path:
    """As a positional code that lies on the axis of the batch."""
    nodes = [
        node("Shape", "scores", "shape", end=1),
        node("Squeeze", "shape", "count"),
        node("Range", "zero count one", "places"),
        node("Less", "places most", "near"),
        node("Cast", "near", "kept", to=TensorProto.FLOAT),
        node("Unsqueeze", "kept last", "column"),
        node("Mul", "scores column", "y"),
    ]
    numbers = {"zero": np.int64(0), "one": np.int64(1), "most": np.int64(40)}
    return network(path, nodes, last=np.int64([1]), **numbers)


def at_random(path: Path) -> Path:
    drawn = node("RandomNormalLike", "scores", "noise", scale=0.1)
    return network(path, [drawn, node("Add", "scores noise", "y")])


class Gate:
    def __init__(self, folder: Path) -> None:
        settings = Settings(
            targets=("onnx-cpu",),
            policy="point",
            allowed=frozenset(),
            cache=folder / "cache",
            model=None,
            data=None,
            budgets=(),
            reference_check=True,
            explain=False,
            root=folder,
        )
        self.folder = folder
        self.session = EdgeSession(settings, Registry())
        self.target = self.session.target("onnx-cpu")

    def judge(
        self, make: Callable[[Path], Path], *budgets: Budget, metric: Any = "top1", order: Any = ...
    ) -> dict[str, Verdict]:
        """The verdicts on a file, against the healthy network."""
        data = EdgeData(evaluation=(X[order], LABELS[order]))
        model = network(self.folder / "model.onnx") if metric == "top1" else self.make(make)
        case = self.session.case(Given(model, data, metric), self.target)
        file = self.session.adopt(self.make(make, "file.onnx"), self.target)
        found = self.session.judge(case, file, budgets, contract=True)
        return {each.budget.metric: each for each in found}

    def make(self, make: Callable[[Path], Path], name: str = "reference.onnx") -> Path:
        return make(self.folder / name)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    made = Gate(tmp_path_factory.mktemp("trust"))
    yield made
    made.session.close()


@pytest.mark.parametrize("budget", [FLOOR, DROP], ids=lambda each: each.metric)
@pytest.mark.parametrize(
    ("make", "order", "words"),
    [(ids, ..., "int64 integers"), (ids_as_floats, BY_CLASS, "whole numbers (0 to 3 in")],
)
def test_class_ids_in_place_of_scores(
    gate: Gate, make: Callable[[Path], Path], order: Any, words: str, budget: Budget
) -> None:
    with pytest.raises(EdgeGateError, match="class ids, as an argmax gives them") as raised:
        gate.judge(make, budget, order=order)
    assert words in raised.value.message


@pytest.mark.parametrize("make", [ids, ids_as_floats])
def test_class_ids_that_the_metric_compares(gate: Gate, make: Callable[[Path], Path]) -> None:
    found = gate.judge(make, FLOOR, metric=IDS)["accuracy_min"]
    assert found.outcome == "pass"


def test_a_dead_class_of_a_file_that_is_gated_by_size(gate: Gate) -> None:
    assert "caution: channel 2 of output y" in gate.judge(without_a_class, SIZE)["contract"].note
    assert "caution: channel" not in gate.judge(network, SIZE)["contract"].note


def test_a_file_that_only_large_batches_change(gate: Gate) -> None:
    found = gate.judge(by_large_batches, FLOOR)
    assert found["contract"].red
    assert "depend on the batch" in str(found["contract"].details)
    assert found["accuracy_min"].measured is not None
    assert found["accuracy_min"].measured.value == 1.0
    assert not any(each.red for each in gate.judge(by_no_batch, FLOOR).values())


def test_a_file_that_answers_up_to_a_place_of_the_batch(gate: Gate) -> None:
    found = gate.judge(up_to_a_place, FLOOR)
    assert found["accuracy_min"].measured is not None
    assert found["accuracy_min"].measured.value == 1.0
    assert "is measured one sample at a time" in found["contract"].note
    assert "one sample at a time" not in gate.judge(network, FLOOR)["contract"].note


def test_a_teacher_that_answers_at_random(gate: Gate) -> None:
    def teacher(make: Callable[[Path], Path]) -> TeacherModel:
        given = Given(gate.make(make), EdgeData(train=(X, LABELS)))
        subject = gate.session.case(given, gate.target).subject
        train = subject.dataset.split("train")
        assert train is not None
        observer = gate.session.observer
        return TeacherModel(subject.model, observer.opener, observer.kept_steadiness, train)

    with pytest.raises(EdgeGateError, match="answers at random"), teacher(at_random):
        pass
    with teacher(network):
        pass
