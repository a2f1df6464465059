"""Files with several signatures: described, chosen, and each run once."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.reader import LiteRTFile
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.gate import EdgeGate
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

X = np.random.default_rng(0).random((40, 3)).astype(np.float32) + 1


@pytest.fixture(scope="module")
def path(tf: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``classify`` scores, ``spread`` gives logarithms (not of zeros), ``halve`` loops."""

    class Module(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((1, 3), name="x")])
        def classify(self, x: Any) -> Any:
            return {"scores": tf.nn.softmax(x)}

        @tf.function(input_signature=[tf.TensorSpec((1, 3), name="x")])
        def spread(self, x: Any) -> Any:
            return {"logs": tf.math.log(x) * 0}

        @tf.function(input_signature=[tf.TensorSpec((1, 3), name="x")])
        def halve(self, x: Any) -> Any:
            [small] = tf.while_loop(lambda y: tf.reduce_max(y) > 1, lambda y: [y / 2], [x])
            return {"small": small}

    module, folder = Module(), tmp_path_factory.mktemp("signatures")
    signatures = {name: getattr(module, name) for name in ("classify", "spread", "halve")}
    tf.saved_model.save(module, str(folder / "saved"), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / "saved"), signature_keys=list(signatures)
    )
    made = folder / "several.tflite"
    made.write_bytes(converter.convert())
    return made


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("session")
    settings = Settings(cache=folder / "cache", reference_check=False, root=folder)
    return EdgeSession(settings, Registry())


@pytest.fixture
def gate(session: EdgeSession) -> ItemGate:
    data = EdgeData(evaluation=(X, X))
    given = Given(Missing("edge_model"), data, Metric("mae"))
    return ItemGate(session, session.case(given, session.target("host")))


EXPECTED = {
    "classify": np.exp(X) / np.exp(X).sum(axis=1, keepdims=True),
    "spread": np.zeros_like(X),
    "halve": X / 2 ** np.ceil(np.log2(X.max(axis=1, keepdims=True))),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_chosen_signature_is_run(path: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / path.name
    LiteRTFile(path).select(name, out)
    with XNNPACK.open(out) as runner:
        [found] = runner.infer((X,))
    np.testing.assert_allclose(found, EXPECTED[name], atol=1e-6)
    described = {each.name: each.gated for each in INSPECTOR.describe(out).signatures}
    assert described == {each: each == name for each in EXPECTED}


def test_all_are_described_and_those_not_gated_are_run_once(path: Path, gate: ItemGate) -> None:
    first = next(each.name for each in INSPECTOR.describe(path).signatures if each.gated)
    contract = EdgeGate(gate).check(path, accuracy_min=10.0)[0]
    assert f"3 signatures, gated: {first} (x float32 [1, 3] -> " in contract.note
    for name in EXPECTED.keys() - {first}:
        assert f"{name} (x float32 [1, 3] -> " in contract.note
    told = "caution: signature spread gives NaN or Inf on zeros"
    assert (told in contract.note) == (first != "spread")
    assert contract.note.count("caution") == (first != "spread")


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_are_those_of_the_chosen_signature(path: Path, gate: ItemGate, name: str) -> None:
    contract, error = EdgeGate(gate).check(path, signature=name, accuracy_min=10.0)
    assert isinstance(error.measured, Measurement)
    assert error.measured.value == pytest.approx(np.abs(EXPECTED[name] - X).mean(), rel=1e-5)
    assert f"gated: {name} (" in contract.note
    assert contract.artifact is not None
    assert contract.artifact.size_bytes == path.stat().st_size


def test_a_signature_that_is_not_there(path: Path, gate: ItemGate) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'classify'"):
        EdgeGate(gate).check(path, signature="clasify")


def test_signatures_are_chosen_in_files(path: Path, gate: ItemGate) -> None:
    adopted = gate.session.adopt(path, gate.case.target)
    with pytest.raises(ConfigurationError, match="chooses in a file"):
        EdgeGate(gate).check(adopted, signature="classify")
