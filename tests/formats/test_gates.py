"""Gates over real models of every framework: what a user meets between the formats."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import helper

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.onnx.runtime import OnnxRuntime
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import (
    ConfigurationError,
    EdgeGateError,
    EdgeGateWarning,
    InferenceError,
    UnsupportedError,
)
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.measures.metrics import Metric
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]


class TwoHeads(torch.nn.Module):
    """(n, 2, 6, 6) to two rows of three scores that share a shape."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = torch.nn.Conv2d(2, 8, 3)
        self.boxes = torch.nn.Linear(8, 3)
        self.scores = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        body = torch.relu(self.body(x)).mean((2, 3))
        return {"boxes": self.boxes(body), "scores": self.scores(body)}


@pytest.fixture(scope="module")
def x() -> Array:
    return np.random.default_rng(0).normal(size=(350, 2, 6, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> TwoHeads:
    return TwoHeads().eval()


@pytest.fixture(scope="module")
def subject(model: TwoHeads, x: Array) -> Given:
    with torch.no_grad():
        answers = model(torch.from_numpy(x))["scores"].argmax(1).numpy()
    data = EdgeData(calibration=x[:50], evaluation=(x[50:], answers[50:]))
    return Given(model, data, Metric("top1", output="scores"))


Starter = Callable[..., EdgeSession]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    folder = tmp_path_factory.mktemp("run")

    def session(registry: Registry | None = None) -> EdgeSession:
        settings = Settings(cache=folder / "cache", reference_check=False, root=folder)
        return EdgeSession(settings, registry or Registry())

    return session


def judged(
    session: EdgeSession, subject: Given, path: Path, *budgets: Budget, target: str = "onnx-cpu"
) -> dict[str, Verdict]:
    board = session.target(target)
    case, artifact = session.case(subject, board), session.adopt(path, board)
    verdicts = session.judge(case, artifact, budgets, contract=True)
    return {each.budget.metric: each for each in verdicts}


def contract_of(verdicts: dict[str, Verdict]) -> Verdict:
    return verdicts["contract"]


DROP, SQNR = Budget("accuracy_drop", 0.02), Budget("sqnr_db", 15)


class Branching(torch.nn.Module):
    """What torch's exporter of today refuses, and its tracer of old took for one path."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.scores = torch.nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.scores(x)
        return scores if float(x.abs().max()) < 1e6 else scores * 0


@pytest.fixture
def branching(tmp_path: Path) -> tuple[Given, Path]:
    """The module with its data, and the file that was traced of it."""
    module = Branching().eval()
    x = np.random.default_rng(1).normal(size=(300, 12)).astype(np.float32)
    with torch.no_grad():
        labels = module(torch.from_numpy(x)).argmax(1).numpy()
    weights = module.scores.weight.detach().numpy(), module.scores.bias.detach().numpy()
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)],
        "traced",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 12])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3])],
        [
            onnx.numpy_helper.from_array(each, name)
            for each, name in zip(weights, "wb", strict=True)
        ],
    )
    path = tmp_path / "traced.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=opset), path)
    return Given(module, EdgeData(evaluation=(x, labels))), path


def test_a_traced_file_is_compared_with_a_module_that_can_not_be_exported(
    start: Starter, branching: tuple[Given, Path]
) -> None:
    given, path = branching
    found = judged(start(), given, path, DROP, SQNR, Budget("compression", 1))
    assert [each.reason for each in found.values() if each.red] == [found["compression"].reason]
    assert found["accuracy_drop"].measured is not None
    assert found["accuracy_drop"].measured.value == 0
    assert "torch can't export Branching" in found["compression"].reason


def test_nothing_is_made_of_a_module_that_can_not_be_exported(
    start: Starter, branching: tuple[Given, Path]
) -> None:
    session, (given, _) = start(), branching
    with pytest.raises(UnsupportedError, match="torch can't export Branching"):
        session.compress(session.case(given, session.target("onnx-cpu")), ())


def test_results_of_a_module_that_can_not_be_exported_are_not_kept(
    start: Starter, branching: tuple[Given, Path]
) -> None:
    """The code around its weights may be another one in the next run."""
    given, path = branching
    session = start()
    judged(session, given, path, DROP)
    before = len(list(session.cache.folder.rglob("evidence.npz")))
    again = start()
    judged(again, Given(Branching().eval(), given.data), path, DROP)
    assert len(list(session.cache.folder.rglob("evidence.npz"))) == before


@pytest.mark.parametrize("target", ["coral", "onnx-cpu", "openvino-cpu"])
def test_two_outputs_of_one_shape_stay_what_they_are(
    start: Starter, subject: Given, target: str
) -> None:
    session = start()
    case = session.case(subject, session.target(target))
    artifact = session.compress(case, (PTQ(50),))
    found = session.judge(case, artifact, (DROP, SQNR), contract=True)
    assert [each.reason for each in found if each.red] == []


@pytest.fixture(scope="module")
def export(start: Starter, subject: Given) -> Path:
    session = start()
    return session.compress(session.case(subject, session.target("onnx-cpu")), ()).path


def renamed(export: Path, folder: Path, names: dict[str, str], *, turned: bool = False) -> Path:
    """The export with its outputs under other names, or in the other order."""
    made = onnx.load(export)
    for node in made.graph.node:
        for at, name in enumerate(node.output):
            node.output[at] = names.get(name, name)
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
    for each in made.graph.output:
        each.name = names.get(each.name, each.name)
    if turned:
        ends = [type(each).FromString(each.SerializeToString()) for each in made.graph.output]
        del made.graph.output[:]
        made.graph.output.extend(reversed(ends))
    path = folder / "renamed.onnx"
    onnx.save(made, path)
    return path


def test_swapped_names_are_red(
    start: Starter, subject: Given, export: Path, tmp_path: Path
) -> None:
    path = renamed(export, tmp_path, {"boxes": "scores", "scores": "boxes"})
    found = judged(start(), subject, path)
    assert found["contract"].red
    told = contract_of(found)
    assert told.details == (
        "output scores: holds the values of output boxes of the model under test",
        "output boxes: holds the values of output scores of the model under test",
    )
    assert "changed places" in told.cause


def test_the_same_names_in_another_order_are_the_same_outputs(
    start: Starter, subject: Given, export: Path, tmp_path: Path
) -> None:
    path = renamed(export, tmp_path, {}, turned=True)
    found = judged(start(), subject, path, DROP, SQNR)
    assert [each.reason for each in found.values() if each.red] == []


def test_other_names_in_another_order_are_red(
    start: Starter, subject: Given, export: Path, tmp_path: Path
) -> None:
    path = renamed(export, tmp_path, {"boxes": "a", "scores": "b"}, turned=True)
    unnamed = replace(subject, metric=Metric("top1", output=1))
    assert "holds the values of output" in "".join(
        contract_of(judged(start(), unnamed, path)).details
    )


def test_a_file_with_an_output_more_than_its_model_can_be_gated(
    start: Starter, subject: Given, export: Path, tmp_path: Path
) -> None:
    made = onnx.load(export)
    hidden = made.graph.node[0].output[0]
    made.graph.output.append(
        onnx.helper.make_tensor_value_info(hidden, onnx.TensorProto.FLOAT, ["batch", 8, 4, 4])
    )
    path = tmp_path / "more.onnx"
    onnx.save(made, path)
    found = judged(start(), subject, path, DROP)
    assert [each.reason for each in found.values() if each.red] == []
    with pytest.raises(ConfigurationError, match="has 2 outputs"):
        judged(start(), subject, path, SQNR)


@pytest.mark.parametrize("form", ["one-hot", "column"])
def test_labels_in_other_forms(start: Starter, subject: Given, form: str) -> None:
    x, y = subject.data.evaluation  # type: ignore[attr-defined]
    labels = np.eye(3, dtype=np.float32)[y] if form == "one-hot" else y[:, None]
    given = replace(subject, data=EdgeData(evaluation=(x, labels)))
    session = start()
    board = session.target("onnx-cpu")
    artifact = session.compress(session.case(given, board), ())
    [verdict] = session.judge(session.case(given, board), artifact, (Budget("accuracy_min", 0.9),))
    assert not verdict.red


def test_a_silent_fall_back_is_red(start: Starter, subject: Given, export: Path) -> None:
    """Azure's provider comes with the CPU package and runs none of these operators."""
    registry = Registry()
    azure = OnnxRuntime("ORT_ENABLE_ALL", "AzureExecutionProvider")
    registry.add("runtime", "azure", azure)
    host: Target = registry.get("target", "onnx-cpu")
    registry.add("target", "cloud", replace(host, name="cloud", runtimes={"onnx": ("azure",)}))
    found = judged(start(registry), subject, export, target="cloud")
    assert found["contract"].red
    assert "fell back to CPUExecutionProvider" in contract_of(found).details[0]


def test_an_accelerator_that_is_not_there_is_an_error_with_what_to_install(
    start: Starter, subject: Given, export: Path
) -> None:
    registry = Registry()
    host: Target = registry.get("target", "onnx-cpu")
    runtimes = {"onnx": ("onnxruntime-cuda",)}
    registry.add("target", "gpu", replace(host, name="gpu", runtimes=runtimes))
    with pytest.raises(Exception, match="onnxruntime-gpu"):
        judged(start(registry), subject, export, target="gpu")


def test_a_dynamic_shape_is_red_where_shapes_are_static(
    start: Starter, subject: Given, export: Path
) -> None:
    registry = Registry()
    host: Target = registry.get("target", "onnx-cpu")
    registry.add("target", "fixed", replace(host, name="fixed", static_shape=True))
    found = judged(start(registry), subject, export, target="fixed")
    assert "dynamic shape (-1, 2, 6, 6) on a target with static shapes" in "".join(
        contract_of(found).details
    )


def test_a_file_with_its_channels_last_is_fed_as_it_wants(
    start: Starter, subject: Given, x: Array, tmp_path: Path
) -> None:
    """A .tflite file of another pipeline says nothing of its axes; the data is channels first."""
    narrow = x[:, :, :, :6]  # behind the convolution 4 wide: the chip's mean takes multiples of 4
    model = TwoHeads().eval()
    with torch.no_grad():
        answers = model(torch.from_numpy(narrow))["scores"].argmax(1).numpy()
    given = Given(
        model,
        EdgeData(calibration=narrow[:50], evaluation=(narrow[50:], answers[50:])),
        Metric("top1", output=1),
    )
    session = start()
    made = session.compress(session.case(given, session.target("coral")), (PTQ(50),))
    path = tmp_path / "theirs.tflite"
    path.write_bytes(made.path.read_bytes())
    found = judged(session, given, path, DROP, SQNR, target="coral")
    assert [each.details for each in found.values() if each.red] == []


def test_a_missing_converter_is_told_before_anything_is_made(
    start: Starter, subject: Given, export: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    session = start()
    given = replace(subject, model=export)
    with pytest.raises(ConfigurationError) as raised:
        session.compress(session.case(given, session.target("coral")), (PTQ(50),))
    assert "onnx2tf" in raised.value.message
    assert "python3.12 -m venv" in raised.value.remedy
    assert "pip install" in raised.value.remedy


OPSETS = {3: "older than", 99: "the newest that is known here"}


@pytest.mark.parametrize("version", OPSETS)
def test_an_opset_that_nothing_here_reads(
    start: Starter, subject: Given, export: Path, tmp_path: Path, version: int
) -> None:
    made = onnx.load(export)
    made.opset_import[0].version = version
    path = tmp_path / "opset.onnx"
    path.write_bytes(made.SerializeToString())
    given = replace(subject, model=path)
    session = start()
    with pytest.raises(InferenceError, match=OPSETS[version]) as raised:
        session.compress(session.case(given, session.target("onnx-cpu")), (PTQ(50),))
    assert "export it" in raised.value.remedy


def test_an_operator_that_no_format_has(start: Starter, subject: Given, tmp_path: Path) -> None:
    info = helper.make_tensor_value_info
    ends = [info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")]
    node = helper.make_node("Mystery", ["x"], ["y"], name="layer7", domain="my.company")
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("my.company", 1)]
    path = tmp_path / "mystery.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    rows = np.zeros((20, 2), np.float32)
    given = Given(path, EdgeData(calibration=rows, evaluation=(rows, np.zeros(20, int))))
    session = start()
    for target in ("onnx-cpu", "openvino-cpu"):
        with pytest.raises(EdgeGateError) as raised:
            session.compress(session.case(given, session.target(target)), (PTQ(5),))
        assert "Mystery" in raised.value.message


def test_every_message_of_a_refused_torch_file(
    start: Starter, subject: Given, model: TwoHeads, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(model.state_dict(), path)
    given = replace(subject, model=path)
    session = start()
    with pytest.raises(UnsupportedError) as raised:
        session.compress(session.case(given, session.target("coral")), (PTQ(5),))
    assert "weights.pt" in raised.value.message
    assert "torch.export.save" in raised.value.remedy


@pytest.fixture
def baked(tmp_path: Path) -> tuple[Given, Path]:
    """A file that an exporter made of one sample: its batch is free by name, and 1 in a Reshape."""
    draw = np.random.default_rng(5)
    arrays = {
        "w": draw.normal(size=(12, 3)).astype(np.float32),
        "flat": np.array([1, 12]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "flat"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["y"]),
        ],
        "baked",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.numpy_helper.from_array(each, name) for name, each in arrays.items()],
    )
    path = tmp_path / "baked.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=opset), path)
    x = draw.normal(size=(300, 3, 4)).astype(np.float32)
    labels = (x.reshape(300, 12) @ arrays["w"]).argmax(1)
    return Given(path, EdgeData(calibration=x[:50], evaluation=(x[50:], labels[50:]))), path


FREE = "declares a free batch and runs with a batch of 1 only"


@pytest.mark.parametrize(("target", "noted"), [("onnx-cpu", True), ("openvino-cpu", False)])
def test_a_batch_of_one_in_a_file_is_what_ships(
    start: Starter, baked: tuple[Given, Path], target: str, noted: bool
) -> None:
    """OpenVINO frees the batch when it converts such a file."""
    given, path = baked
    session = start()
    board = session.target(target)
    case = session.case(given, board)
    made = session.compress(case, (PTQ(50),))
    # int8 sums of OpenVINO saturate on processors without VNNI
    budgets = (Budget("accuracy_drop", 0.05), SQNR, Budget("accuracy_min", 0.9))
    with warnings.catch_warnings(action="ignore", category=EdgeGateWarning):
        found = session.judge(case, made, budgets, contract=True)
        assert [each.reason for each in found if each.red] == []
        assert (FREE in found[0].note) is noted
        own = judged(session, given, path, Budget("accuracy_min", 0.9), target="onnx-cpu")
    assert own["accuracy_min"].measured is not None
    assert own["accuracy_min"].measured.value == 1
    assert FREE in own["contract"].note


@pytest.fixture
def windowed(tmp_path: Path) -> Given:
    """A model of any height and width, and no window fits into images of one pixel."""
    draw = np.random.default_rng(5)
    weights = {"w": draw.normal(size=(4, 1, 3, 3)).astype(np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        "windowed",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 4])],
        [onnx.numpy_helper.from_array(each, name) for name, each in weights.items()],
    )
    path = tmp_path / "windowed.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=opset), path)
    x = draw.normal(size=(60, 1, 9, 9)).astype(np.float32)
    return Given(path, EdgeData(calibration=x[:20], evaluation=(x[20:], np.arange(40) % 4)))


@pytest.mark.parametrize("target", ["onnx-cpu", "openvino-cpu"])
def test_free_sizes_are_run_with_those_of_the_samples(
    start: Starter, windowed: Given, target: str
) -> None:
    session = start()
    case = session.case(windowed, session.target(target))
    made = session.compress(case, (PTQ(20),))
    found = session.judge(case, made, (Budget("size", 10**6), SQNR), contract=True)
    assert [each.reason for each in found if each.red] == []
