"""A live Keras model: its traced graph is converted in the framework process."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.frameworks.process import FrameworkProcess
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
    apply = FrameworkProcess.apply

    def noted(self: FrameworkProcess, work: Any, out: Path) -> Any:
        sent.append(work.source.reader)
        return apply(self, work, out)

    monkeypatch.setattr(FrameworkProcess, "apply", noted)
    there, session = compressed(tmp_path / "there", model)
    session.close()
    assert sent == ["pytest_edgegate.backends.keras.traced:READER"]
    monkeypatch.setattr(FrameworkProcess, "source", lambda *given: None)
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


UNGUARDED = """
from pytest_edgegate.backends.litert import from_keras

from_keras._refuse_loops = lambda *given: None
TRANSFORM = from_keras.TRANSFORM
"""


def test_a_crash_of_tensorflows_calibrator_is_an_error(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop is what it dies of, once nobody refuses it before."""
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
