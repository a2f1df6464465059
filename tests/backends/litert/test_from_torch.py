"""torch modules to .tflite: the same outputs, the same names, in files that tell nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.from_torch import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.backends.litert.schema import unpack
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.core.ports import LoadedModel, Produced, SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target
from pytest_edgegate.testing.contract import BackendCase, BackendContract, CaseData

Array = npt.NDArray[Any]
Converter = Callable[..., Produced]


@dataclass(frozen=True)
class Exported:
    """A model around an exported program, as a reader of torch models gives it."""

    loaded: LoadedModel
    name: str = "model"
    node: tuple[str, str] = ("torch", "float32")
    path: Path | None = None
    files: tuple[Path, ...] = ()
    runtime: str = "torch"
    note: str = ""

    def digest(self) -> str:
        return "0" * 64

    def load(self) -> LoadedModel:
        return self.loaded


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    module = import_torch()
    module.manual_seed(0)
    return module


@pytest.fixture(scope="module")
def network(torch: ModuleType) -> Any:
    """Residual and depthwise, with every activation and pooling that boards like."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
            self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.swish = nn.Hardswish()
            self.largest, self.mean = nn.MaxPool2d(2), nn.AvgPool2d(2)
            self.head = nn.Linear(16 * 4 * 6, 5)

        def forward(self, image: Any) -> Any:
            x = self.stem(image)
            x = x + self.swish(self.depthwise(x))
            x = torch.cat([self.largest(x), self.mean(x)], 1)
            return self.head(x.flatten(1))

    return _with_statistics(torch, Network())


def _with_statistics(torch: ModuleType, module: Any) -> Any:
    """In evaluation mode, its batch normalisation not the identity that it starts as."""
    for part in module.modules():
        if hasattr(part, "running_mean"):
            torch.nn.init.normal_(part.running_mean, std=0.3)
            torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
            torch.nn.init.normal_(part.bias, std=0.3)
    return module.eval()


@pytest.fixture(scope="module")
def program(torch: ModuleType) -> Callable[..., Exported]:
    """Exports a module, or a function over tensors, for named arrays of shape (n, ...)."""

    def export(
        made: Any, *, free: bool = True, names: tuple[str, ...] = (), **given: Array
    ) -> Exported:
        plain = isinstance(made, torch.nn.Module)
        module = made if plain else _module(torch, made)
        tensors = tuple(torch.from_numpy(each) for each in given.values())
        sizes = tuple({0: torch.export.Dim("batch", min=1)} for _ in tensors)
        shapes = (sizes if plain else (sizes,)) if free else None
        with held_native_output(), torch.no_grad():
            exported = torch.export.export(module, tensors, dynamic_shapes=shapes, strict=False)
            results = _flat(module(*tensors))
        inputs = tuple(
            TensorInfo(name, (-1 if free else len(each), *each.shape[1:]), each.dtype.name)
            for name, each in given.items()
        )
        outputs = names or tuple(f"result_{at}" for at in range(len(results)))
        return Exported(LoadedModel(lambda *x: _flat(module(*x)), inputs, outputs, exported))

    return export


def _module(torch: ModuleType, function: Callable[..., Any]) -> Any:
    class Function(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, *tensors: Any) -> Any:
            return function(*tensors)

    return Function().eval()


def _flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.fixture(scope="module")
def convert(tmp_path_factory: pytest.TempPathFactory, host: Target) -> Converter:
    def run(model: SourceModel) -> Produced:
        out = tmp_path_factory.mktemp("from_torch")
        target = float_target(host, "litert")
        return TRANSFORM.apply(model, None, target, CaseData(EdgeData()), out)

    return run


def _images(*shape: int, count: int = 6) -> Array:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def _tokens(count: int = 6) -> Array:
    return np.random.default_rng(0).integers(0, 10, size=(count, 7))


class TestOfAModule(BackendContract):
    """The suite of the gate, over one conversion."""

    made: ClassVar[dict[Path, Produced]] = {}
    recognised: ClassVar[list[SourceModel]] = []
    """Two: of each, torch has the module exported once."""

    def _model(self, case: BackendCase) -> SourceModel:
        if len(self.recognised) < 2:
            self.recognised.append(super()._model(case))
        self.recognised.reverse()
        return self.recognised[0]

    @pytest.fixture
    def case(self, network: Any, host: Target) -> BackendCase:
        images = _images(2, 8, 12, count=24)
        return BackendCase(
            reader=READER,
            model=network,
            transform=TRANSFORM,
            step=None,
            target=float_target(host, "litert"),
            data=EdgeData(calibration=images, evaluation=(images, np.arange(24) % 5)),
            runtimes=(XNNPACK, REFERENCE),
            inspector=INSPECTOR,
        )

    @pytest.fixture
    def produced(self, case: BackendCase, tmp_path: Path, folder: Path) -> Produced:
        if folder not in self.made:
            self.made[folder] = self._make(case, folder)
        made = self.made[folder]
        here = tmp_path / made.main.relative_to(folder)
        here.write_bytes(made.main.read_bytes())
        return replace(made, main=here, files=(here,))


def _upsampled(torch: ModuleType) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        return torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")

    return run


def _gelu(torch: ModuleType) -> Callable[[Any], Any]:
    """By tanh, which an operator is told by keyword, and which is 4e-4 off the exact one."""

    def run(x: Any) -> Any:
        return torch.nn.functional.gelu(x, approximate="tanh")

    return run


def _two_of_two(torch: ModuleType) -> Any:
    """An image and a table, in an order that is not their names'; outputs of one shape."""
    nn = torch.nn

    class Two(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.dense = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

        def forward(self, table: Any, image: Any) -> Any:
            both = self.conv(image).mean((2, 3)) + self.dense(table)
            return both.softmax(1), -both

    return Two().eval()


def _tokens_to_scores(torch: ModuleType) -> Any:
    nn = torch.nn

    class Tokens(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(10, 4), nn.Linear(4, 3)

        def forward(self, ids: Any) -> Any:
            return self.head(self.table(ids).mean(1))

    return Tokens().eval()


def _recurrent(torch: ModuleType, kind: str) -> Any:
    class Recurrent(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(torch.nn, kind)(4, 6, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return Recurrent().eval()


CASES: dict[str, tuple[Callable[[ModuleType], Any], dict[str, Array]]] = {
    "two inputs and outputs": (_two_of_two, {"z_table": _images(4), "a_image": _images(3, 6, 5)}),
    "token ids": (_tokens_to_scores, {"ids": _tokens()}),
    "LSTM": (lambda torch: _recurrent(torch, "LSTM"), {"x": _images(3, 4)}),
    "GRU": (lambda torch: _recurrent(torch, "GRU"), {"x": _images(3, 4)}),
    "a keyword": (_gelu, {"x": 2 * _images(4)}),
    "an upsampled image": (_upsampled, {"x": _images(3, 4, 5)}),
    "its input": (lambda torch: lambda x: (x, x), {"x": _images(4)}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_outputs_of_torch(
    case: str, torch: ModuleType, program: Any, convert: Converter, infer: Any
) -> None:
    make, given = CASES[case]
    model = program(make(torch), **given)
    produced = convert(model)
    with torch.no_grad():
        wanted = model.load().function(*map(torch.from_numpy, given.values()))
    for outputs in infer(produced, *given.values()).values():
        for output, expected in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(output, expected.numpy(), atol=1e-4, rtol=0)


def test_a_network_of_everything(
    torch: ModuleType, network: Any, program: Any, convert: Converter, infer: Any
) -> None:
    images = _images(2, 8, 12)
    produced = convert(program(network, image=images, names=("scores",)))
    with torch.no_grad():
        wanted = network(torch.from_numpy(images)).numpy()
    for [output] in infer(produced, images).values():
        np.testing.assert_allclose(output, wanted, atol=1e-4, rtol=0)
    described = INSPECTOR.describe(produced.main)
    assert [(each.name, each.shape) for each in described.inputs] == [("image", (1, 8, 12, 2))]
    assert [(each.name, each.shape) for each in described.outputs] == [("scores", (1, 5))]
    assert produced.layout == Layout((CHANNELS_LAST,), (None,))
    # Operators are found in a model viewer by the names of their layers
    names = {each.kind: each.outputs[0].name for each in described.operators}
    assert "stem/0" in names["CONV_2D"]
    assert names["DEPTHWISE_CONV_2D"] == "depthwise"
    assert names["MAX_POOL_2D"] == "largest"
    _holds_nothing_of_this_machine(produced.main)


def _holds_nothing_of_this_machine(path: Path) -> None:
    text = path.read_bytes().decode("latin-1")
    assert not re.findall(r"(?:/[\w.-]+)+\.py|site-packages|Traceback|line \d+", text)
    assert str(Path.cwd()) not in text


def test_ends_keep_their_order_and_names(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    make, given = CASES["two inputs and outputs"]
    produced = convert(program(make(torch), names=("upper", "a_lower"), **given))
    model = unpack(produced.main)
    [signature] = model.signatureDefs
    graph = model.subgraphs[0]
    for ends, entries, names in (
        (graph.inputs, signature.inputs, ["z_table", "a_image"]),
        (graph.outputs, signature.outputs, ["upper", "a_lower"]),
    ):
        assert [graph.tensors[at].name.decode() for at in ends] == names
        assert [(each.name.decode(), each.tensorIndex) for each in entries] == list(
            zip(names, ends, strict=True)
        )
    assert produced.layout == Layout((None, CHANNELS_LAST), (None, None))


def test_a_batch_of_one_that_is_fixed(
    torch: ModuleType, program: Any, convert: Converter, infer: Any
) -> None:
    one = _images(4, count=1)
    produced = convert(program(lambda x: x * 2 + 1, free=False, x=one))
    for [output] in infer(produced, one).values():
        np.testing.assert_allclose(output, one * 2 + 1, atol=1e-6)


def test_64_bit_integers_become_32_bit_ones(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    produced = convert(program(lambda ids: ids + 1, ids=_tokens()))
    described = INSPECTOR.describe(produced.main)
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["int32", "int32"]


def test_nothing_is_printed(
    torch: ModuleType, program: Any, convert: Converter, capfd: pytest.CaptureFixture[str]
) -> None:
    convert(program(lambda x: x + 1, x=_images(4)))
    assert capfd.readouterr() == ("", "")


def _refused(convert: Converter, model: Any) -> EdgeGateError:
    with pytest.raises(EdgeGateError) as raised:
        convert(model)
    assert raised.value.remedy
    return raised.value


def test_an_operator_without_a_form_is_named_with_its_layer(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    class Histogram(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x * torch.histc(x, bins=1)

    nested = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(Histogram())).eval()
    error = _refused(convert, program(nested, x=_images(4)))
    assert isinstance(error, UnsupportedError)
    assert "the operator aten.histc.default in 1/0 (Histogram), which LiteRT" in error.message


def test_a_transposed_convolution_that_is_none_of_litert(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    layer = torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), layer).eval()
    error = _refused(convert, program(module, x=_images(3, 4, 4)))
    assert isinstance(error, UnsupportedError)
    assert "convolution in 1 (ConvTranspose2d)" in error.message
    assert "output_padding" in error.remedy


def test_what_converts_but_runs_nowhere(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    error = _refused(convert, program(lambda x: torch.sort(x, 1)[0], x=_images(4)))
    assert isinstance(error, UnsupportedError)
    assert "STABLEHLO_SORT" in error.message


def test_a_failure_of_the_converter(
    torch: ModuleType, program: Any, convert: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_native_output():
        import litert_torch

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("tokens do not match\nmore of it")

    monkeypatch.setattr(litert_torch, "convert", fail)
    error = _refused(convert, program(lambda x: x + 1, x=_images(4)))
    assert isinstance(error, CompressionError)
    assert error.message == "litert-torch failed on model: AssertionError: tokens do not match"
    assert "--tb=long" in error.remedy


def test_a_buffer_that_forward_writes_to(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    class Counting(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Any) -> Any:
            self.seen += 1
            return x + self.seen

    error = _refused(convert, program(Counting().eval(), x=_images(4)))
    assert isinstance(error, UnsupportedError)
    assert "model writes to seen in its forward" in error.message


def test_state_that_the_graph_does_not_show(
    torch: ModuleType, program: Any, convert: Converter
) -> None:
    model = program(lambda x: x + 1, x=_images(4))
    told = replace(model, loaded=replace(model.loaded, stateful=("memory",)))
    assert "model writes to memory in its forward" in _refused(convert, told).message


def test_half_precision(torch: ModuleType, program: Any, convert: Converter) -> None:
    given = _images(4).astype(np.float16)
    error = _refused(convert, program(torch.nn.Linear(4, 2).half().eval(), x=given))
    assert isinstance(error, UnsupportedError)
    assert "torch.float16 weights" in error.message
    assert "model.float()" in error.remedy


def test_what_only_wraps_is_no_layer(torch: ModuleType, program: Any, convert: Converter) -> None:
    class Rows(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.reshape(x.shape[0], -1)  # the size of the batch is of no module

    nn = torch.nn
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), Rows(), nn.Linear(4, 2))
    produced = convert(program(torch.nn.Sequential(inner).eval(), x=_images(4)))
    described = INSPECTOR.describe(produced.main)
    assert [each.outputs[0].name for each in described.operators] == ["0", "1", "result_0"]


@pytest.mark.parametrize("count", [2, 3])
def test_a_fixed_batch_above_one(
    torch: ModuleType, program: Any, convert: Converter, count: int
) -> None:
    error = _refused(convert, program(lambda x: x + 1, free=False, x=_images(4, count=count)))
    assert isinstance(error, UnsupportedError)
    assert f"the input 'x' has the shape ({count}, 4)" in error.message


def test_a_free_size_that_is_no_batch(torch: ModuleType, program: Any, convert: Converter) -> None:
    model = program(lambda x: x + 1, x=_images(4))
    info = replace(model.loaded.inputs[0], shape=(-1, -1))
    loaded = replace(model.loaded, inputs=(info,))
    error = _refused(convert, replace(model, loaded=loaded))
    assert "(-1, -1)" in error.message
    assert "every size fixed but the batch" in error.remedy


def test_a_missing_package(
    torch: ModuleType, program: Any, convert: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "litert_torch", None)
    error = _refused(convert, program(lambda x: x + 1, x=_images(4)))
    assert isinstance(error, BackendUnavailableError)
    assert "pytest-edgegate[torch]" in error.remedy
