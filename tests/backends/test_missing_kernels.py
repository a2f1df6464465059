"""A sound file with what a runtime lacks is told apart from a damaged one, in every format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.openvino.runtime import RUNTIME as OPENVINO
from pytest_edgegate.core.errors import InferenceError

SEEDS = Path(__file__).parents[1] / "fuzz" / "seeds"


def refused(runtime: Any, path: Path) -> InferenceError:
    with pytest.raises(InferenceError) as raised, runtime.open(path):
        pass
    assert "damaged" not in raised.value.remedy
    return raised.value


def _newer(code: Any) -> None:
    code.version = 99


def _of_tomorrow(code: Any) -> None:
    code.builtinCode = 250


def _custom(code: Any) -> None:
    code.builtinCode = code.deprecatedBuiltinCode = 32
    code.customCode = b"Mine"


def _flex(code: Any) -> None:
    _custom(code)
    code.customCode = b"FlexErf"


@pytest.mark.parametrize(
    ("fault", "has", "remedy"),
    [
        (_newer, "the operator CONV_2D in version 99", "upgrade ai-edge-litert"),
        (_of_tomorrow, "the operator number 250", "upgrade ai-edge-litert"),
        (_custom, "the custom operator Mine", "make the file without it"),
        (_flex, "operators of TensorFlow (Flex)", "TFLITE_BUILTINS alone"),
    ],
)
@pytest.mark.parametrize("runtime", [XNNPACK, REFERENCE], ids=["xnnpack", "reference"])
def test_litert(
    runtime: Any, fault: Callable[[Any], None], has: str, remedy: str, tmp_path: Path
) -> None:
    model, path = unpack(SEEDS / "tflite/float.tflite"), tmp_path / "m.tflite"
    fault(model.operatorCodes[0])
    path.write_bytes(pack(model))
    found = refused(runtime, path)
    assert f"m.tflite has {has}, which this LiteRT does not run: " in found.message
    assert remedy in found.remedy
    assert INSPECTOR.describe(path).operators


def test_litert_names_the_operator_whose_tensors_it_does_not_take(tmp_path: Path) -> None:
    model, path = unpack(SEEDS / "tflite/float.tflite"), tmp_path / "m.tflite"
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[0].outputs[0]].type = 4  # INT64
    path.write_bytes(pack(model))
    assert "has the operator CONV_2D #0 with these" in refused(XNNPACK, path).message


def _convolution(data_type: int) -> Any:
    """A graph of one convolution on numbers of this kind."""
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [value("x", data_type, [1, 1, 4, 4])],
        [value("y", data_type, None)],
        [helper.make_tensor("w", data_type, [1, 1, 1, 1], [1.0])],
    )


def _bfloat16(model: Any) -> None:
    model.graph.CopyFrom(_convolution(TensorProto.BFLOAT16))


def _unknown(model: Any) -> None:
    model.graph.node[0].op_type = "Nonsense"


def _new_format(model: Any) -> None:
    model.ir_version = 99


@pytest.mark.parametrize(
    ("fault", "has", "remedy"),
    [
        (_bfloat16, "the operator Conv on bfloat16", "export the model in float32"),
        (_unknown, "the operator Nonsense of opset 18", "upgrade onnxruntime"),
        (_new_format, "IR version 99", "model.ir_version = 10"),
    ],
)
def test_onnx(fault: Callable[[Any], None], has: str, remedy: str, tmp_path: Path) -> None:
    model, path = onnx.load(SEEDS / "onnx/small.onnx"), tmp_path / "m.onnx"
    fault(model)
    onnx.save(model, path)
    found = refused(OPTIMISED, path)
    assert f"m.onnx has {has}, which this ONNX Runtime does not run: " in found.message
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("before", "after", "has"),
    [
        ('version="opset1"', 'version="opset99"', "the operator Parameter of opset99"),
        ('type="ReLU"', 'type="Mine"', "the operator Mine of opset1"),
    ],
)
def test_openvino(before: str, after: str, has: str, tmp_path: Path) -> None:
    written = (SEEDS / "openvino/float/float.xml").read_text("utf-8")
    (tmp_path / "m.xml").write_text(written.replace(before, after, 1), "utf-8")
    shutil.copy(SEEDS / "openvino/float/float.bin", tmp_path / "m.bin")
    found = refused(OPENVINO, tmp_path / "m.xml")
    assert f"m.xml has {has}, which this OpenVINO does not run: " in found.message
    assert found.remedy.startswith("upgrade openvino")
