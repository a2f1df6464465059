"""Faults of models, data and labels that are told before anything is built, and healthy twins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.measures.metrics import Metric
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

CLASSES, WORDS, LENGTH, SAMPLES = 4, 40, 6, 200
DROP, FLOOR, SIZE = (
    (Budget("accuracy_drop", 0.01),),
    (Budget("accuracy_min", 0.1),),
    (Budget("size", 10**6),),
)
_random = np.random.default_rng(0)
IDS = _random.integers(0, WORDS, (SAMPLES, LENGTH)).astype(np.int32)
ROWS = _random.normal(size=(SAMPLES, LENGTH)).astype(np.float32)


def dense(ending: Callable[[Any], Any] = lambda scores: scores) -> Any:
    keras = import_keras()
    rows = keras.Input((LENGTH,), name="rows")
    return keras.Model(rows, ending(keras.layers.Dense(CLASSES, name="scores")(rows)))


def embedding(dtype: str = "int32") -> Any:
    keras = import_keras()
    ids = keras.Input((LENGTH,), dtype=dtype, name="ids")
    seen = keras.layers.Flatten()(keras.layers.Embedding(WORDS, 3)(ids))
    return keras.Model(ids, keras.layers.Dense(CLASSES)(seen))


def argmax() -> Any:
    return dense(lambda scores: import_keras().ops.argmax(scores, axis=-1))


def two_rows_for_each() -> Any:
    return dense(lambda scores: import_keras().ops.reshape(scores, (-1, CLASSES // 2)))


def two_outputs() -> Any:
    return dense(lambda scores: [scores, import_keras().layers.Dense(2, name="other")(scores)])


def answers(model: Any, x: Any) -> Any:
    """Labels that the model gets right, so that it is better than chance."""
    found = model(x)
    first = np.asarray(found[0] if isinstance(found, list) else found)
    return first if first.ndim == 1 else first[: len(x)].argmax(axis=-1)


@dataclass(frozen=True)
class Fault:
    """What the gate is given, and what it has to say; the same without *words* is healthy."""

    words: str
    model: Callable[[], Any] = dense
    x: Any = field(default_factory=lambda: ROWS)
    labels: Callable[[Any], Any] = lambda right: right
    metric: Any = "top1"
    budgets: tuple[Budget, ...] = DROP
    target: str = "coral"


FAULTS = {
    "token ids on a board": Fault("takes integers (ids in int32)", embedding, IDS),
    "the same without samples": Fault(
        "takes integers (ids in int32)", embedding, IDS, budgets=SIZE
    ),
    "token ids in floats": Fault(
        "looks up what it is given as floats (ids)",
        lambda: embedding("float32"),
        IDS.astype(np.float32),
    ),
    "the same, by size": Fault(
        "looks up what it is given as floats (ids)",
        lambda: embedding("float32"),
        IDS.astype(np.float32),
        budgets=SIZE,
    ),
    "ids beyond the vocabulary": Fault(
        "outside the 40 rows of the table", embedding, IDS + 10, target="onnx-cpu"
    ),
    "class ids in place of scores": Fault("class ids, as an argmax gives them", argmax),
    "two rows for each sample": Fault("(16, 2) for 8 samples", two_rows_for_each),
    "two outputs": Fault("edge_metric does not say which to score", two_outputs),
    "a label beyond the classes": Fault(
        "labels go from 0 to 4", labels=lambda right: _last(right, CLASSES), budgets=FLOOR
    ),
    "a label that is missing": Fault(
        "1 of 200 samples hold NaN",
        labels=lambda right: _last(right.astype(np.float32), np.nan),
        budgets=FLOOR,
    ),
    "labels of other samples": Fault(
        "not proven better", labels=lambda right: np.random.default_rng(1).permutation(right)
    ),
}
HEALTHY = {
    "token ids": Fault("", embedding, IDS, target="onnx-cpu"),
    "token ids, by size": Fault("", embedding, IDS, budgets=SIZE, target="onnx-cpu"),
    "token ids in floats": Fault(
        "", lambda: embedding("float32"), IDS.astype(np.float32), target="onnx-cpu"
    ),
    "scores": Fault(""),
    "scores, by a floor": Fault("", budgets=FLOOR),
    "class ids that the metric compares": Fault(
        "", argmax, metric=Metric(lambda ids, labels: ids.reshape(-1) == labels)
    ),
    "one of two outputs": Fault("", two_outputs, metric=Metric("top1", output=0)),
    "labels as floats": Fault("", labels=lambda right: right.astype(np.float32), budgets=FLOOR),
}


def _last(labels: Any, value: float) -> Any:
    labels = labels.copy()
    labels[-1] = value
    return labels


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSession]:
    folder = tmp_path_factory.mktemp("before")
    settings = Settings(
        targets=("coral",),
        cache=folder / "cache",
        root=folder,
    )
    made = EdgeSession(settings, Registry())
    yield made
    made.close()


def look(session: EdgeSession, fault: Fault) -> None:
    """Looks ahead as the gate does before it builds."""
    model = fault.model()
    right = answers(model, np.minimum(fault.x, WORDS - 1) if fault.x is not ROWS else ROWS)
    data = EdgeData(calibration=fault.x[:20], evaluation=(fault.x, fault.labels(right)))
    target = session.target(fault.target)
    case = session.case(Given(model, data, fault.metric), target, fault.budgets)
    session.look_ahead(case, session.plan(case, (PTQ(),)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_before_the_build(session: EdgeSession, name: str) -> None:
    with pytest.raises(EdgeGateError) as raised:
        look(session, FAULTS[name])
    assert FAULTS[name].words in raised.value.message


@pytest.mark.parametrize("name", HEALTHY)
def test_its_healthy_twin_is_not(session: EdgeSession, name: str) -> None:
    look(session, HEALTHY[name])
