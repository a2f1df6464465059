"""A user sees the name of the file, not the path of the gate's private copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.keras.runtime import KerasRunner
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.onnx.model_file import import_onnx
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.openvino.runtime import RUNTIME as OPENVINO
from pytest_edgegate.backends.torch.runtime import TorchRunner
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateError, StorageError
from pytest_edgegate.session.intake.foreign_files import reading
from pytest_edgegate.tidy.scratch import SCRATCH

INPUT = TensorInfo("x", (-1, 2), "float32")
SAMPLE = (np.zeros((1, 2), np.float32),)


@pytest.fixture
def copied() -> Iterator[Path]:
    """The folder of a private copy."""
    before = SCRATCH._sessions
    SCRATCH.join()
    yield SCRATCH.subfolder("copy")
    SCRATCH.leave()
    assert SCRATCH._sessions == before


def of_onnx(folder: Path) -> None:
    """A sum of a float and an integer, which only ONNX Runtime refuses."""
    onnx = import_onnx()
    help_, float_ = onnx.helper, onnx.TensorProto.FLOAT
    graph = help_.make_graph(
        [help_.make_node("Add", ["x", "w"], ["y"])],
        "sum",
        [help_.make_tensor_value_info("x", float_, ["n", 2])],
        [help_.make_tensor_value_info("y", float_, ["n", 2])],
        [onnx.numpy_helper.from_array(np.ones(2, np.int64), "w")],
    )
    opsets = [help_.make_opsetid("", 17)]
    onnx.save(help_.make_model(graph, opset_imports=opsets, ir_version=8), folder / "own.onnx")
    OPTIMISED.open_file(folder / "own.onnx")


def of_litert(folder: Path) -> None:
    XNNPACK.open_file(folder / "own.tflite")


def of_openvino(folder: Path) -> None:
    OPENVINO.open_file(folder / "own.xml")


def failing(folder: Path) -> Callable[..., Any]:
    def fail(*given: Any) -> Any:
        raise RuntimeError(f"can't map '{folder}/own.weights': no space")

    return fail


def of_torch(folder: Path) -> None:
    loaded = SimpleNamespace(
        function=failing(folder), inputs=(INPUT,), outputs=("y",), stateful=False
    )
    TorchRunner(loaded).infer(SAMPLE)  # type: ignore[arg-type]


def of_keras(folder: Path) -> None:
    loaded = SimpleNamespace(function=failing(folder), inputs=(INPUT,), outputs=("y",), reset=None)
    KerasRunner(loaded).infer(SAMPLE)  # type: ignore[arg-type]


def of_a_reader(folder: Path) -> None:
    with reading(folder / "own.keras"):
        failing(folder)()


RAISING = {
    "onnx": of_onnx,
    "litert": of_litert,
    "openvino": of_openvino,
    "torch": of_torch,
    "keras": of_keras,
    "a reader": of_a_reader,
}


@pytest.mark.parametrize("name", RAISING)
def test_an_error_names_the_file_of_the_user(copied: Path, name: str) -> None:
    with pytest.raises(EdgeGateError) as raised:
        RAISING[name](copied)
    text = str(raised.value)
    assert "own." in text
    assert str(SCRATCH.folder()) not in text
    assert copied.name not in text


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_an_entry_of_the_cache_is_shown_by_its_file_too(tmp_path: Path, name: str) -> None:
    with pytest.raises(EdgeGateError) as raised:
        RAISING[name](tmp_path)
    assert str(tmp_path) not in raised.value.message


def test_a_full_folder_is_still_named(copied: Path) -> None:
    told = StorageError(f"{SCRATCH.folder()} can't be written", "free some space")
    assert str(SCRATCH.folder()) in told.message
