"""Several inputs of one shape and data without names, through the whole gate."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

NUMBERS = np.random.default_rng(0)
PAIR = tuple(NUMBERS.normal(size=(120, 6)).astype(np.float32) for _ in range(2))
NAMED = dict(zip(("input_2", "input_10"), PAIR, strict=True))
"""In the order of the model; a SavedModel sorts them by name, which is the other one."""


@pytest.fixture(scope="module")
def model(keras: ModuleType) -> Any:
    keras.utils.set_random_seed(0)
    one, other = (keras.Input((6,), name=name) for name in NAMED)
    apart = keras.layers.Subtract()([one, keras.layers.Rescaling(2.0)(other)])
    return keras.Model([one, other], keras.layers.Dense(3, activation="softmax")(apart))


@pytest.fixture(scope="module")
def labels(model: Any) -> Any:
    return np.asarray(model(list(PAIR))).argmax(axis=1)


@pytest.fixture(scope="module")
def exported(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "saved"
    model.export(folder, verbose=False)
    return folder


@pytest.fixture(scope="module")
def by_name(tf: ModuleType, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel whose function takes a dict, which has no order."""

    class Module(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = model.variables

        @tf.function(
            input_signature=[{name: tf.TensorSpec((None, 6), name=name) for name in NAMED}]
        )
        def serve(self, given: Any) -> Any:
            return {"scores": model([given[name] for name in NAMED])}

    folder, module = tmp_path_factory.mktemp("by_name") / "saved", Module()
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


@pytest.fixture(scope="module")
def converted(tf: ModuleType, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The converter's own file, made without the gate."""
    path = tmp_path_factory.mktemp("converted") / "m.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(exported)).convert())
    return path


@pytest.fixture(scope="module")
def shuffled(converted: Path) -> Path:
    """The same file with its inputs in the other order."""
    content, path = unpack(converted), converted.with_name("shuffled.tflite")
    content.subgraphs[0].inputs = content.subgraphs[0].inputs[::-1]
    path.write_bytes(pack(content))
    return path


@pytest.fixture(scope="module")
def crossed(converted: Path) -> Path:
    """A file that computes something else: each input under the name of the other."""
    content, path = unpack(converted), converted.with_name("crossed.tflite")
    one, other = (content.subgraphs[0].tensors[at] for at in content.subgraphs[0].inputs)
    one.name, other.name = other.name, one.name
    path.write_bytes(pack(content))
    return path


@pytest.fixture(scope="module")
def nameless(converted: Path) -> Path:
    """The same file under names that its model does not have, and without its signature."""
    content, path = unpack(converted), converted.with_name("nameless.tflite")
    for at, index in enumerate(content.subgraphs[0].inputs):
        content.subgraphs[0].tensors[index].name = f"x{at}".encode()
    content.signatureDefs = None
    path.write_bytes(pack(content))
    return path


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("order")
    settings = Settings(cache=folder / "cache", root=folder)
    return EdgeSession(settings, Registry())


def drop(session: EdgeSession, model: Any, x: Any, labels: Any, file: Path | None = None) -> float:
    """The accuracy that a file, or the float export of the model, loses; labels are the model's."""
    host = session.target("host")
    case = session.case(Given(model, EdgeData(evaluation=(x, labels))), host)
    artifact = session.compress(case, ()) if file is None else session.adopt(file, host)
    budgets = (Budget("accuracy_drop", 0.0), Budget("accuracy_min", 1.0))
    lost, reached = (each.measured for each in session.judge(case, artifact, budgets))
    assert isinstance(lost, Measurement)
    assert isinstance(reached, Measurement)
    assert reached.value == pytest.approx(1 - lost.value), "the reference itself was fed crosswise"
    return lost.value


def test_a_saved_model_is_fed_in_the_order_of_its_function(
    session: EdgeSession, exported: Path, labels: Any
) -> None:
    assert drop(session, exported, PAIR, labels) == 0
    assert drop(session, exported, NAMED, labels) == 0


@pytest.mark.parametrize("kind", ["converted", "shuffled"])
def test_a_file_is_fed_in_the_order_of_its_model(
    request: pytest.FixtureRequest, session: EdgeSession, model: Any, labels: Any, kind: str
) -> None:
    file = request.getfixturevalue(kind)
    assert drop(session, model, PAIR, labels, file) == 0
    assert drop(session, model, NAMED, labels, file) == 0


def test_a_file_with_its_inputs_crossed_loses_accuracy(
    session: EdgeSession, model: Any, labels: Any, crossed: Path
) -> None:
    for x in (PAIR, NAMED):
        assert drop(session, model, x, labels, crossed) > 0.2


def test_what_has_no_order_is_refused_with_the_dict_to_write(
    session: EdgeSession, model: Any, by_name: Path, nameless: Path, labels: Any
) -> None:
    for under_test, file, remedy in (
        (by_name, None, 'give x as a dict in every split: {"input_10": ..., "input_2": ...}'),
        (by_name, nameless, 'give x as a dict in every split: {"input_10": ..., "input_2": '),
        (model, nameless, "make nameless.tflite with the input names of its model, and give"),
    ):
        with pytest.raises(ConfigurationError, match="in no order of its own") as refused:
            drop(session, under_test, PAIR, labels, file)
        assert refused.value.remedy.startswith(remedy)
    assert drop(session, by_name, NAMED, labels) == 0
