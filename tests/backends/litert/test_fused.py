"""LSTMs as one fused operator, which keeps its state: the way out that messages name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.quantize import TRANSFORM as QUANTIZER
from pytest_edgegate.backends.litert.reader import READER
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.litert.schema import import_schema, unpack
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.description import KeptState
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
STEPS = np.random.default_rng(0).normal(size=(260, 28, 8)).astype(np.float32)
PAGE = Path(__file__).parents[3] / "docs" / "formats.md"


@pytest.fixture(scope="module")
def rolled(keras: ModuleType) -> Any:
    with held_native_output():
        keras.utils.set_random_seed(0)
        given = keras.Input((28, 8))
        last = keras.layers.Dense(10, name="scores")(keras.layers.LSTM(64, name="memory")(given))
        return keras.Model(given, last, name="net")


@pytest.fixture(scope="module")
def fused(rolled: Any, tf_keras: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the lines that the documentation shows."""
    [block] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    path, shown = tmp_path_factory.mktemp("fused") / "fused.tflite", dict[str, Any]()
    with held_native_output():
        exec(compile(block, PAGE, "exec"), shown)
        path.write_bytes(shown["fused"](rolled, STEPS[:200]))
    return path


def test_its_wide_cell_and_its_float_intermediates_are_no_offence(
    fused: Path, coral: Target, host: Target
) -> None:
    described = INSPECTOR.describe(fused)
    [lstm] = [each for each in described.operators if "LSTM" in each.kind]
    assert lstm.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    [cell] = [each for each in lstm.inputs if each and each.dtype == "int16"]
    assert cell.state
    floats = import_schema().TensorType.FLOAT32
    graph = unpack(fused).subgraphs[0]
    assert [each for each in graph.tensors if each.type == floats]  # its intermediates
    for target in (coral, host):
        assert list(in_file(described, target, "int8")) == []


def test_an_inspector_tells_what_keeps_state(fused: Path, files: dict[str, Path]) -> None:
    kept = KeptState(("UNIDIRECTIONAL_SEQUENCE_LSTM",), "reset_all_variables()")
    assert INSPECTOR.describe(fused).state == kept
    assert {INSPECTOR.describe(each).state for each in files.values()} == {None}


def test_the_other_quantizer_leaves_it_in_float_and_the_cause_is_named(
    tf: ModuleType, tf_keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    with held_native_output():
        given = tf_keras.Input(batch_shape=(1, 28, 8))
        twin = tf_keras.Model(given, tf_keras.layers.Dense(4)(tf_keras.layers.LSTM(8)(given)))
        content = tf.lite.TFLiteConverter.from_keras_model(twin).convert()
    (tmp_path / "float.tflite").write_bytes(content)
    source = READER.recognise(tmp_path / "float.tflite", surroundings())
    assert source is not None
    lent, out = CaseData(EdgeData(calibration=STEPS[:8])), tmp_path / "int8"
    out.mkdir()
    main = QUANTIZER.apply(source, PTQ(8), host, lent, out).main
    [found] = in_file(INSPECTOR.describe(main), host, "int8")
    assert found.origin is not None
    assert "no integer form of a fused LSTM" in found.origin.cause
    assert {each.origin for each in INSPECTOR.describe(tmp_path / "float.tflite").operators} == {
        None
    }


def test_what_tensorflow_fuses(tf: ModuleType, tf_keras: ModuleType, tmp_path: Path) -> None:
    """Only LSTMs. Of one that reads backwards the reversal stays; other cells stay loops."""
    layers, path = tf_keras.layers, tmp_path / "float.tflite"
    kinds = []
    for layer in (layers.LSTM(2, go_backwards=True), layers.GRU(2)):
        with held_native_output():
            given = tf_keras.Input(batch_shape=(1, 5, 2))
            twin = tf_keras.Model(given, layer(given))
            path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(twin).convert())
        described = INSPECTOR.describe(path)
        kinds.append({each.kind for each in described.operators})
        told = {each.kind for each in described.operators if each.origin}
        assert told == {"WHILE", "REVERSE_V2"} & kinds[-1]
    assert kinds[0] >= {"REVERSE_V2", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
    assert "WHILE" in kinds[1] - kinds[0]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[EdgeSession]:
    session = EdgeSession(Settings(root=tmp_path, cache=tmp_path), Registry())
    yield session
    session.close()


def test_its_verdict_says_that_it_keeps_state_and_its_figures_are_right(
    session: EdgeSession, rolled: Any, fused: Path
) -> None:
    held_out = STEPS[200:]
    exact = rolled.predict(held_out, verbose=0)
    data = EdgeData(evaluation=(held_out, exact.argmax(1)))
    board = session.target("coral")
    case, artifact = session.case(Given(rolled, data), board), session.adopt(fused, board)
    asked = (Budget("accuracy_min", 0.9), Budget("sqnr_db", 20))
    contract, accuracy, sqnr = session.judge(case, artifact, asked, contract=True)
    assert not contract.red, contract.details
    assert "the file keeps state between inferences (UNIDIRECTIONAL_SEQUENCE_LSTM)" in contract.note
    assert "reset_all_variables()" in contract.note
    with XNNPACK.open(fused) as runner:
        [found] = runner.infer((held_out,))
    assert accuracy.measured is not None
    assert accuracy.measured.value == (found.argmax(1) == exact.argmax(1)).mean() > 0.9
    assert not sqnr.red, sqnr.reason
