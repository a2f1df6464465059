"""What becomes what: the chains that the installed backends make for every format and target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.core.recipe import PTQ, Cast, Recipe
from pytest_edgegate.planner import float_target, make_plan
from pytest_edgegate.registry import Registry

REGISTRY = Registry()
TRANSFORMS = REGISTRY.all("transform")
INT8: Recipe = (PTQ(),)
HALF: Recipe = (Cast(),)

CHAINS: dict[tuple[str, str, Recipe], str] = {
    ("keras", "coral", INT8): "litert.from_keras",
    ("savedmodel", "coral", INT8): "litert.from_keras",
    ("torch", "coral", INT8): "litert.from_torch litert.quantize",
    ("onnx", "coral", INT8): "litert.from_onnx litert.quantize",
    ("litert", "coral", INT8): "litert.quantize",
    ("keras", "coral", ()): "litert.from_keras",
    ("torch", "coral", ()): "litert.from_torch litert.quantize",
    ("keras", "raspberry-pi", HALF): "litert.from_keras",
    ("torch", "raspberry-pi", HALF): "litert.from_torch litert.quantize",
    ("litert", "raspberry-pi", HALF): "litert.quantize",
    ("torch", "raspberry-pi", ()): "litert.from_torch",
    ("keras", "onnx-cpu", INT8): "onnx.from_keras onnx.compress",
    ("savedmodel", "onnx-cpu", INT8): "onnx.from_keras onnx.compress",
    ("torch", "onnx-cpu", INT8): "onnx.from_torch onnx.compress",
    ("onnx", "onnx-cpu", INT8): "onnx.compress",
    ("onnx", "onnx-cpu", HALF): "onnx.compress",
    ("torch", "jetson-nano", HALF): "onnx.from_torch onnx.compress",
    ("keras", "jetson-orin-nano", INT8): "onnx.from_keras onnx.compress",
    ("keras", "openvino-cpu", INT8): "onnx.from_keras openvino.from_onnx openvino.compress",
    ("torch", "openvino-cpu", INT8): "onnx.from_torch openvino.from_onnx openvino.compress",
    ("onnx", "openvino-cpu", INT8): "openvino.from_onnx openvino.compress",
    ("onnx", "openvino-cpu", HALF): "openvino.from_onnx openvino.compress",
    ("openvino", "openvino-cpu", INT8): "openvino.compress",
    ("keras", "host", INT8): "litert.from_keras",
    ("litert", "host", INT8): "litert.quantize",
    ("torch", "host", INT8): "onnx.from_torch onnx.compress",
    ("onnx", "host", INT8): "onnx.compress",
    ("torch", "host", ()): "onnx.from_torch",
    ("onnx", "host", ()): "",
    ("litert", "host", ()): "",
    ("onnx", "onnx-cpu", ()): "",
}
REFUSED = [
    ("litert", "onnx-cpu", INT8),
    ("litert", "jetson-nano", ()),
    ("openvino", "coral", INT8),
    ("openvino", "onnx-cpu", INT8),
    ("openvino", "host", ()),
]


@dataclass(frozen=True)
class Model:
    """Stands on a node; nothing of it is loaded for a plan."""

    form: str
    name: str = "model"
    path: Path | None = Path("model.file")
    files: tuple[Path, ...] = ()
    runtime: str = ""
    note: str = ""
    dtype: str = "float32"

    @property
    def node(self) -> tuple[str, str]:
        return (self.form, self.dtype)

    def digest(self) -> str:
        return "0" * 64

    def load(self) -> LoadedModel:
        raise AssertionError("a plan loads no model")


def chain(form: str, target: str, recipe: Recipe) -> str:
    plan = make_plan(Model(form), recipe, REGISTRY.get("target", target), TRANSFORMS)
    return " ".join(leg.transform for leg in plan.legs)


@pytest.mark.parametrize(("cell", "expected"), CHAINS.items(), ids=str)
def test_a_cell_of_the_table(cell: tuple[str, str, Recipe], expected: str) -> None:
    assert chain(*cell) == expected


@pytest.mark.parametrize("cell", REFUSED, ids=str)
def test_a_refused_cell_says_what_would_work(cell: tuple[str, str, Recipe]) -> None:
    with pytest.raises(UnsupportedError) as raised:
        chain(*cell)
    assert raised.value.remedy


@pytest.mark.parametrize("form", ["litert", "onnx", "openvino"])
@pytest.mark.parametrize("target", REGISTRY.names("target"))
def test_an_int8_file_is_gated_as_it_is_and_never_compressed(form: str, target: str) -> None:
    board = REGISTRY.get("target", target)
    finished = Model(form, dtype="int8")
    if form in board.formats:
        assert make_plan(finished, (), board, TRANSFORMS).legs == ()
    with pytest.raises(UnsupportedError, match="is a finished int8 file"):
        make_plan(finished, INT8, board, TRANSFORMS)


@pytest.mark.parametrize("form", ["keras", "torch"])
@pytest.mark.parametrize("made", ["litert", "onnx", "openvino"])
def test_every_framework_has_a_float_export_in_every_format(form: str, made: str) -> None:
    wanted = float_target(REGISTRY.get("target", "coral"), made)
    plan = make_plan(Model(form), (), wanted, TRANSFORMS)
    assert (plan.format, plan.dtype) == (made, "float32")


@pytest.mark.parametrize("target", REGISTRY.names("target"))
def test_every_runtime_of_a_target_runs_its_format(target: str) -> None:
    board = REGISTRY.get("target", target)
    for form, names in board.runtimes.items():
        for name in names:
            assert form in REGISTRY.get("runtime", name).formats
