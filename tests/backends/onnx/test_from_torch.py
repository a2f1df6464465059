"""torch modules as .onnx files: values, names, and nothing of this machine in them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.onnx.from_torch import TRANSFORM
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.backends.torch.runtime import RUNTIME
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

RNG = np.random.default_rng(3)
X = RNG.normal(size=(6, 4)).astype(np.float32)
Y = RNG.normal(size=(6, 4)).astype(np.float32)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    return import_torch()


@pytest.fixture(scope="session")
def of(torch: ModuleType) -> Callable[..., Any]:
    """A module with a function as its forward."""

    def make(forward: Callable[..., Any], **parts: Any) -> Any:
        torch.manual_seed(0)
        module = type("Made", (torch.nn.Module,), {"forward": forward})()
        for name, part in parts.items():
            setattr(module, name, part)
        return module

    return make


@pytest.fixture
def export(tmp_path: Path, cpu: Target) -> Callable[..., Path]:
    def apply(module: Any, *arrays: Any, names: Any = None) -> Path:
        x = dict(zip(names, arrays, strict=True)) if names else arrays
        data = EdgeData(evaluation=(x, np.zeros(len(arrays[0]))))
        model = READER.recognise(module, surroundings(data))
        assert model is not None
        made = TRANSFORM.apply(model, None, cpu, CaseData(EdgeData()), tmp_path)
        assert made.files == (made.main,)
        by_name = dict(zip(names, arrays, strict=True)) if names else None
        with RUNTIME.open(model) as reference, OPTIMISED.open(made.main) as runner:
            assert [e.name for e in runner.inputs] == [e.name for e in reference.inputs]
            assert [e.name for e in runner.outputs] == [e.name for e in reference.outputs]
            fed = arrays if by_name is None else tuple(by_name[each.name] for each in runner.inputs)
            for one, other in zip(runner.infer(fed), reference.infer(fed), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)
                assert len(np.unique(one)) > 2
        return made.main

    return apply


def test_a_plain_file(torch: ModuleType, onnx: ModuleType, export: Any) -> None:
    layers = torch.nn
    torch.manual_seed(0)
    module = layers.Sequential(
        layers.Conv2d(3, 4, 3),
        layers.BatchNorm2d(4),
        layers.ReLU(),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Linear(4, 5),
    )
    with torch.no_grad():
        module[1].running_mean += 0.3
        module[1].running_var *= 2
    path = export(module.eval(), RNG.normal(size=(6, 3, 8, 8)).astype(np.float32))
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    for end in (*model.graph.input, *model.graph.output):
        assert end.type.tensor_type.shape.dim[0].dim_param == "batch"
    kinds = {node.op_type for node in model.graph.node}
    assert "Conv" in kinds
    assert "BatchNormalization" not in kinds
    assert not any(tensor.data_location for tensor in model.graph.initializer)


def test_nothing_of_this_machine(torch: ModuleType, onnx: ModuleType, export: Any) -> None:
    path = export(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid()), X)
    content = path.read_bytes()
    for trace in (str(Path(__file__).parent), sys.prefix, "site-packages", "/tmp", "pkg.torch"):
        assert trace.encode() not in content
    model = onnx.load(path)
    parts = [
        model,
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
        *model.graph.initializer,
    ]
    assert all(not part.doc_string and not part.metadata_props for part in parts)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "two by name in another order": (lambda self, x, y: x * 2 + y, (Y, X), ("y", "x")),
    "a dict with the name of the input": (lambda self, x: {"x": x + 1, "a": x * 2}, (X,), None),
    "an input that is not used": (lambda self, x, y: x + 1, (X, Y), None),
    "a tuple with the input twice": (lambda self, x: (x, x, x * 2), (X,), None),
    "integers": (lambda self, x: x.float() * 2, (np.arange(12).reshape(6, 2),), None),
    "bytes": (
        lambda self, x: x.float() / 255,
        (np.arange(12, dtype=np.uint8).reshape(6, 2),),
        None,
    ),
    "one at a time": (lambda self, x: (x.reshape(1, 4) * 2).softmax(1), (X,), None),
}


@pytest.mark.parametrize("kind", CASES)
def test_ends(of: Any, export: Any, kind: str) -> None:
    forward, arrays, names = CASES[kind]
    export(of(forward), *arrays, names=names)


def test_a_batch_that_can_not_be_free(torch: ModuleType, of: Any, export: Any) -> None:
    module = of(lambda self, x: self.layer(x.reshape(1, 4)), layer=torch.nn.Linear(4, 3))
    with OPTIMISED.open(export(module, X)) as runner:
        assert runner.inputs[0].shape == (1, 4)


def test_modes(torch: ModuleType, of: Any, export: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.9)).train()
    module[0].eval()
    export(module, X)
    assert [part.training for part in module.modules()] == [True, False, True]


@pytest.mark.parametrize("name", ["special_bessel_j0", "svd"])
def test_an_operator_that_onnx_does_not_have(
    torch: ModuleType, of: Any, export: Any, capfd: Any, name: str
) -> None:
    def forward(self: Any, x: Any) -> Any:
        if name == "svd":
            return torch.linalg.svd(x.reshape(-1, 2, 2))[1]
        return torch.special.bessel_j0(x)

    head = of(lambda self, x: self.odd(x), odd=of(forward))
    module = of(lambda self, x: self.head(self.layer(x)), layer=torch.nn.Linear(4, 4), head=head)
    with pytest.raises(UnsupportedError) as raised:
        export(module, X)
    assert name.removeprefix("special_") in raised.value.message
    assert "in the layer 'head.odd'" in raised.value.message
    assert "operators that have one" in raised.value.remedy
    assert capfd.readouterr() == ("", "")


def test_other_failures_of_the_exporter(
    torch: ModuleType, of: Any, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("something broke\nin the exporter")

    module = of(lambda self, x: x * 2)
    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(CompressionError, match="something broke in the exporter") as raised:
        export(module, X)
    assert raised.value.remedy


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_other_floats_are_refused(torch: ModuleType, export: Any, dtype: str) -> None:
    with pytest.raises(UnsupportedError, match=dtype) as raised:
        export(torch.nn.Linear(4, 2).to(getattr(torch, dtype)), X)
    assert "model.float()" in raised.value.remedy


def test_a_state_is_refused(torch: ModuleType, of: Any, export: Any) -> None:
    def forward(self: Any, x: Any) -> Any:
        self.seen += 1
        return x + self.seen

    module = of(forward)
    module.register_buffer("seen", torch.zeros(1))
    with pytest.raises(UnsupportedError, match="writes to a buffer") as raised:
        export(module, X)
    assert "as an input" in raised.value.remedy


PROGRAM = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.onnx import compress, from_torch
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

torch.manual_seed(0)
layers = torch.nn
module = layers.Sequential(layers.Conv2d(3, 4, 3), layers.BatchNorm2d(4), layers.ReLU(),
                           layers.Flatten(), layers.Linear(144, 5))
x = np.random.default_rng(0).normal(size=(9, 3, 8, 8)).astype(np.float32)
data, target, out = EdgeData(calibration=x), Registry().get("target", "onnx-cpu"), Path(folder)
model = READER.recognise(module, surroundings(data))
made = from_torch.TRANSFORM.apply(model, None, target, CaseData(data), out).main
(out / "int8").mkdir()
source = ONNX.recognise(made, surroundings(data))
small = compress.TRANSFORM.apply(source, PTQ(8), target, CaseData(data), out / "int8").main
digests = [hashlib.sha256(each.read_bytes()).hexdigest() for each in (made, small)]
"""


def test_the_same_bytes_in_another_process(another_process: Any, tmp_path: Path) -> None:
    """This one has exported other modules before."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here: dict[str, Any] = {"folder": str(tmp_path / "here")}
    exec(PROGRAM, here)
    program = f"folder = {str(tmp_path / 'there')!r}\n{PROGRAM}\nprint(digests)"
    assert another_process(program, strict=True) == str(here["digests"])
    assert len(here["digests"]) == 2
