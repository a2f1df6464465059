"""Whole files with an operator or of a version that a runtime lacks, and their damaged twins."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from pytest_edgegate.backends.keras.loading import load_archive
from pytest_edgegate.backends.keras.vetting.files import vet_archive
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.runtime import RUNTIME
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, UnsupportedError

DIGITS = Path(__file__).parents[2] / "example_project" / "models" / "digits.keras"


def graph(operator: str = "Relu", domain: str = "", ir: int = 8, **opsets: int) -> bytes:
    """An ONNX file with one operator; other domains by the names that they have as keywords."""
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4]) for each in "xy"]
    imports = {"": 17} | {name.replace("_", "."): version for name, version in opsets.items()}
    model = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid(*each) for each in imports.items()],
    )
    model.ir_version = ir
    made: bytes = model.SerializeToString()
    return made


ONNX = {
    "foreign domain": (
        graph("Blur", "com.camera", com_camera=1),
        "has the operator com.camera:Blur, which ONNX Runtime ",
        "only a runtime that the library of the domain com.camera is registered in has it",
    ),
    "operator of TensorRT": (
        graph("EfficientNMS_TRT", "TRT", TRT=1),
        "TRT:EfficientNMS_TRT",
        "TensorRT has it, with its plugins",
    ),
    "operator of an extension": (
        graph("StringUpper", "ai.onnx.contrib", ai_onnx_contrib=1),
        "ai.onnx.contrib:StringUpper",
        "the package onnxruntime-extensions has it",
    ),
    "operator of another version": (
        graph("FusedDream", "com.microsoft", com_microsoft=1),
        "com.microsoft:FusedDream",
        "another version of ONNX Runtime may have it",
    ),
    "operator of a newer opset": (
        graph("RMSNormalization"),
        "RMSNormalization in opset 17",
        "a runtime of opset 23 has it, where ONNX introduced it",
    ),
    "operator of no opset": (
        graph("Unheard"),
        "has the operator Unheard in opset 17",
        "ONNX itself has none of that name",
    ),
    "newer opset of a domain": (
        graph(ai_onnx_ml=99),
        "is of opset 99 of the domain ai.onnx.ml",
        "reads up to opset",
    ),
    "newer IR": (graph(ir=99), "is of IR version 99, and ONNX Runtime ", "reads up to IR version"),
}


def refused(open_it: Callable[[], object]) -> EdgeGateError:
    with pytest.raises(EdgeGateError) as raised:
        open_it()
    return raised.value


@pytest.mark.parametrize("kind", ONNX)
def test_an_onnx_file(tmp_path: Path, kind: str) -> None:
    content, said, more = ONNX[kind]
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    error = refused(lambda: OPTIMISED.open(path))
    assert said in error.message
    assert more in error.message
    assert "the file is not damaged" in error.message
    assert "again" not in error.remedy
    assert str(tmp_path) not in error.message


def test_an_onnx_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(graph()[:-20])
    assert "damaged, cut short" in refused(lambda: OPTIMISED.open(path)).remedy


def test_an_onnx_file_of_another_known_domain_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(graph("Gelu", "com.microsoft", com_microsoft=1))
    with OPTIMISED.open(path) as runner:
        assert runner.outputs[0].shape == (1, 4)


def ir(kind: str = "ReLU", opset: str = "opset1", version: int = 11) -> str:
    port = '<port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port>'
    out = port.replace("0", "1", 1)
    return (
        f'<?xml version="1.0"?><net name="m" version="{version}"><layers>'
        '<layer id="0" name="x" type="Parameter" version="opset1">'
        f'<data shape="1,4" element_type="f32"/><output>{port}</output></layer>'
        f'<layer id="1" name="r" type="{kind}" version="{opset}"><input>{port}</input>'
        f"<output>{out}</output></layer>"
        '<layer id="2" name="y" type="Result" version="opset1">'
        f"<input>{port}</input></layer></layers><edges>"
        '<edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>'
        '<edge from-layer="1" from-port="1" to-layer="2" to-port="0"/></edges></net>'
    )


OPENVINO = {
    "newer opset": (ir(opset="opset99"), "has the operator ReLU of opset99", "a newer OpenVINO"),
    "another type": (ir("Unheard"), "has the operator Unheard of opset1", "another version"),
    "an extension": (
        ir("Blur", "org.camera"),
        "has the operator Blur of org.camera",
        "the extension that registers org.camera has it",
    ),
    "newer IR": (ir(version=12), "is of IR version 12, and OpenVINO", "reads up to version 11"),
}


def opened(path: Path) -> None:
    INSPECTOR.describe(path)
    RUNTIME.open(path)


@pytest.mark.parametrize("kind", OPENVINO)
def test_an_openvino_file(tmp_path: Path, kind: str) -> None:
    content, said, more = OPENVINO[kind]
    path = tmp_path / "m.xml"
    path.write_text(content)
    path.with_suffix(".bin").write_bytes(b"")
    error = refused(lambda: opened(path))
    assert said in error.message
    assert more in error.message
    assert "the file is not damaged" in error.message


@pytest.mark.parametrize("version", [10, 11])
def test_an_openvino_file_that_is_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "m.xml"
    path.write_text(ir(version=version))
    path.with_suffix(".bin").write_bytes(b"")
    opened(path)


def test_an_openvino_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_text(ir()[:300])
    assert "damaged, cut short" in refused(lambda: opened(path)).remedy


def saved(path: Path, version: str, change: Callable[[Any], None]) -> Path:
    """The digits model as another version of Keras might have saved it."""
    with zipfile.ZipFile(DIGITS) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            content = given.read(name)
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | {"keras_version": version}).encode()
            if name == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"][1])
                content = json.dumps(config).encode()
            made.writestr(name, content)
    return path


def with_argument(layer: Any) -> None:
    layer["config"]["sparkle"] = 3


def with_class(layer: Any) -> None:
    layer["class_name"] = "HyperConv2D"


def test_a_newer_keras_and_the_layer_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.keras", "9.1.0", with_argument)
    error = refused(lambda: load_archive(vet_archive(path)))
    assert isinstance(error, ConfigurationError)
    assert "m.keras was saved by Keras 9.1.0, and the Keras 3." in error.message
    assert "{'sparkle': 3} (layer stem, Conv2D)" in error.message
    assert error.remedy.startswith("pip install --upgrade keras, or save it by Keras 3.")


def test_a_class_of_a_newer_keras_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.keras", "9.1.0", with_class)
    error = refused(lambda: vet_archive(path))
    assert isinstance(error, UnsupportedError)
    assert "HyperConv2D" in error.message
    assert "Keras 9.1.0 saved it, and the Keras 3." in error.message


@pytest.mark.parametrize("version", ["3.0.0", "", "new", "99999999.1"])
def test_another_keras_is_not_blamed_without_reason(tmp_path: Path, version: str) -> None:
    path = saved(tmp_path / "m.keras", version, with_argument)
    error = refused(lambda: load_archive(vet_archive(path)))
    assert "m.keras can't be read as a Keras model: Unrecognized keyword arguments" in error.message
    assert "upgrade" not in error.remedy


def test_a_newer_keras_whose_file_is_read_is_no_matter(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.keras", "9.1.0", lambda layer: None)
    assert load_archive(vet_archive(path)).inputs[0].shape == (-1, 28, 28, 1)
