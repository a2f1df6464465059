"""What becomes what: the chains that the installed backends make for every format and target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.core.recipe import PTQ, QAT, Cast, Prune, Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target, make_plan
from pytest_edgegate.registry import Registry
from pytest_edgegate.spelling import spell_format

REGISTRY = Registry()
TRANSFORMS = REGISTRY.all("transform")
INT8: Recipe = (PTQ(),)
HALF: Recipe = (Cast(),)
PRUNED: Recipe = (Prune(), PTQ())

CHAINS: dict[tuple[str, str, Recipe], str] = {
    ("keras", "coral", INT8): "litert.from_keras",
    ("savedmodel", "coral", INT8): "litert.from_keras",
    ("torch", "coral", INT8): "litert.from_torch litert.quantize",
    ("onnx", "coral", INT8): "litert.from_onnx litert.quantize",
    ("litert", "coral", INT8): "litert.quantize",
    ("keras", "coral", ()): "litert.from_keras",
    ("torch", "coral", ()): "litert.from_torch litert.quantize",
    ("keras", "cortex-m", ()): "litert.from_keras",
    ("torch", "ethos-u55-128", INT8): "litert.from_torch litert.quantize",
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
    ("keras", "openvino-cpu", INT8): "openvino.from_keras openvino.compress",
    ("savedmodel", "openvino-cpu", INT8): "openvino.from_keras openvino.compress",
    ("keras", "openvino-cpu", HALF): "openvino.from_keras openvino.compress",
    (
        "keras",
        "openvino-cpu",
        (Prune(), PTQ()),
    ): "keras.prune openvino.from_keras openvino.compress",
    ("keras", "openvino-cpu", (QAT(),)): "litert.qat_from_keras",
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
    with pytest.raises(UnsupportedError, match="which nothing installed makes of it") as raised:
        chain(*cell)
    assert raised.value.remedy.startswith("give what model.file was made from, as a Keras model")


FORMATS = ("keras", "savedmodel", "torch", "onnx", "litert", "openvino")
GIVEN = "give what model.file was made from, as "


@pytest.mark.parametrize("recipe", [(), INT8, HALF, (QAT(),), (Prune(), PTQ())], ids=str)
@pytest.mark.parametrize("target", REGISTRY.names("target"))
def test_what_is_refused_names_ways_that_exist(target: str, recipe: Recipe) -> None:
    board = REGISTRY.get("target", target)
    spelt = {spell_format(form): form for form in FORMATS}
    nodes = [(form, dtype) for form in FORMATS for dtype in ("float32", "float16", "int8")]
    remedies = [_remedy(Model(form, dtype=dtype), recipe, board) for form, dtype in nodes]
    named = [re.split(", | or ", each.removeprefix(GIVEN)) for each in remedies if GIVEN in each]
    assert all(remedies)
    assert named
    for ways in named:
        assert len(ways) >= 2
        assert all(any(_works(spelt[way], each, board) for each in ((), INT8)) for way in ways)


def _remedy(model: Model, recipe: Recipe, target: Target) -> str:
    """What a refusal says to do; words where nothing is refused."""
    try:
        make_plan(model, recipe, target, TRANSFORMS)
    except UnsupportedError as error:
        return error.remedy
    return "nothing to do"


def _works(form: str, recipe: Recipe, board: Target) -> bool:
    try:
        make_plan(Model(form), recipe, board, TRANSFORMS)
    except UnsupportedError:
        return False
    return True


@pytest.mark.parametrize("form", ["litert", "onnx", "openvino"])
@pytest.mark.parametrize("target", REGISTRY.names("target"))
def test_an_int8_file_is_gated_as_it_is_and_never_compressed(form: str, target: str) -> None:
    board = REGISTRY.get("target", target)
    finished = Model(form, dtype="int8")
    if form in board.formats:
        assert make_plan(finished, (), board, TRANSFORMS).legs == ()
        said, remedy = "is a finished int8 file", "edge_gate.check"
    else:
        said, remedy = "which nothing installed makes of it", GIVEN
    with pytest.raises(UnsupportedError, match=said) as raised:
        make_plan(finished, INT8, board, TRANSFORMS)
    assert remedy in raised.value.remedy


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
