"""A live Keras model: its traced graph is converted in the framework process."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError, EdgeGateWarning, UnsupportedError
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.frameworks.process import Frameworks
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

DATA = EdgeData(calibration=np.random.default_rng(0).random((20, 8, 8, 1), np.float32))


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


def network(keras: Any, **convolution: Any) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, **convolution)(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)), name="net")


def _is_needed(setting: Field[Any]) -> bool:
    return setting.default is MISSING and setting.default_factory is MISSING


def started(folder: Path) -> EdgeSession:
    unset: dict[str, Any] = {each.name: () for each in fields(Settings) if _is_needed(each)}
    given = unset | {"cache": folder, "root": folder}
    return EdgeSession(Settings(**given), Registry())


def compressed(folder: Path, model: Any, data: EdgeData = DATA) -> tuple[Artifact, EdgeSession]:
    session = started(folder)
    return session.compress(
        session.case(Given(model, data), session.target("coral")), (PTQ(),)
    ), session


def test_it_has_the_same_bytes_there(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sent = network(keras), []
    apply = Frameworks.apply

    def noted(self: Frameworks, work: Any, out: Path) -> Any:
        sent.append(work.source.reader)
        return apply(self, work, out)

    monkeypatch.setattr(Frameworks, "apply", noted)
    there, session = compressed(tmp_path / "there", model)
    session.close()
    assert sent == ["pytest_edgegate.backends.keras.traced:READER"]
    monkeypatch.setattr(Frameworks, "source", lambda *given: None)
    here, _ = compressed(tmp_path / "here", model)
    assert len(sent) == 1
    assert here.sha256 == there.sha256


def test_a_model_that_cannot_be_written_down_is_refused_as_ever(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(UnsupportedError, match="dynamic shape"):
        compressed(tmp_path, model)


def test_changed_weights_are_another_graph(keras: Any, tmp_path: Path) -> None:
    model = network(keras)
    one, session = compressed(tmp_path, model)
    model.set_weights([each * 2 for each in model.get_weights()])
    other = session.compress(session.case(Given(model, DATA), session.target("coral")), (PTQ(),))
    session.close()
    assert one.sha256 != other.sha256


STEPS = np.random.default_rng(0).normal(size=(240, 4, 3)).astype(np.float32)
HELD_OUT = STEPS[200:]
SEQUENCES = EdgeData(calibration=STEPS[:200], evaluation=(HELD_OUT, np.arange(40) % 4))


def recurrent(framework: Any) -> Any:
    framework.utils.set_random_seed(0)
    layers = framework.layers
    given = framework.Input((4, 3), name="x")
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="all"))
    last = layers.Dense(4)(layers.GRU(4, name="last")(both(given)))
    return framework.Model(given, last, name="net")


@pytest.mark.parametrize("form", ["live", ".keras", ".h5"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_recurrent_model_is_unrolled_for_int8(family: str, form: str, tmp_path: Path) -> None:
    """A file is unrolled in the framework process, which also runs it as the reference."""
    model = recurrent(pytest.importorskip(family))
    given: Any = model
    read_by_tf_keras = pytest.warns(EdgeGateWarning, match="was read by tf-keras")
    if form != "live":
        given = tmp_path / f"net{form}"
        with held_native_output():
            model.save(given)
    exact = model.predict(HELD_OUT, verbose=0)
    session = started(tmp_path / "cache")
    case = session.case(Given(given, SEQUENCES), session.target("raspberry-pi"))
    with read_by_tf_keras if (family, form) == ("tf_keras", ".h5") else nullcontext():
        artifact = session.compress(case, (PTQ(200),))
    contract, sqnr = session.judge(case, artifact, (Budget("sqnr_db", 20),), contract=True)
    session.close()
    assert not contract.red, contract.details
    assert not sqnr.red, sqnr.reason
    with XNNPACK.open(artifact.main) as runner:
        [found] = runner.infer((HELD_OUT,))
    assert 10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()) > 20
    ((step, facts),) = artifact.provenance["facts"].items()
    told = facts["unrolled"]
    assert sorted(told["layers"]) == ["backward_all", "forward_all", "last"]
    assert told["time_steps"] == 12
    assert told["bytes"] == artifact.size_bytes
    assert told["operators"] == len(INSPECTOR.describe(artifact.main).operators)
    assert f"{told['operators']:,} operators and " in contract.note
    assert contract.record.artifact is not None
    assert contract.record.artifact.steps[step]["unrolled"] == told


def test_a_saved_model_with_a_loop_is_an_error_of_the_test(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    with held_native_output():
        recurrent(keras).export(tmp_path / "exported", verbose=False)
    session = started(tmp_path / "cache")
    case = session.case(Given(tmp_path / "exported", SEQUENCES), session.target("raspberry-pi"))
    with pytest.raises(UnsupportedError, match="exported has loops") as raised:
        session.compress(case, (PTQ(20),))
    assert "give the model that it was exported from" in raised.value.remedy
    with pytest.raises(UnsupportedError, match="its loops keep tensors of a free shape") as raised:
        session.compress(case, ())
    assert "give the model that it was exported from" in raised.value.remedy
    session.close()


UNGUARDED = """
from pytest_edgegate.backends.litert import from_keras

from_keras._refuse_loops = lambda *given: None
from_keras._without_loops = lambda loaded, step: None
TRANSFORM = from_keras.TRANSFORM
"""


def test_a_crash_of_tensorflows_calibrator_is_an_error(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop is what it dies of, where nothing unrolls or refuses it before."""
    (tmp_path / "unguarded.py").write_text(UNGUARDED)
    monkeypatch.syspath_prepend(tmp_path)
    entry = Registry.entry

    def unguarded(self: Registry, kind: str, name: str) -> str | None:
        own = (kind, name) == ("transform", "litert.from_keras")
        return "unguarded:TRANSFORM" if own else entry(self, kind, name)

    monkeypatch.setattr(Registry, "entry", unguarded)
    steps = keras.Input((8, 8))
    looped = keras.Model(steps, keras.layers.LSTM(4)(steps), name="looped")
    data = EdgeData(calibration=np.zeros((20, 8, 8), np.float32))
    with pytest.raises(CompressionError, match=r"looped ended the process that ran it \(SIG"):
        compressed(tmp_path, looped, data)
    assert compressed(tmp_path, network(keras))[0].size_bytes
