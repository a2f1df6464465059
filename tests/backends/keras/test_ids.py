"""Ids that a Keras model takes as floats are seen when it is opened, however it was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.testing.contract import surroundings


def looked_up(given: Any) -> list[bool]:
    model = READER.recognise(given, surroundings())
    assert model is not None
    with RUNTIME.open(model) as runner:
        return [each.looked_up for each in runner.inputs]


def model(first: Callable[[Any, Any], Any], dtype: str = "float32") -> Any:
    """A model of one input that *first* looks at, and another one."""
    keras = import_keras()
    ids, plain = keras.Input((12,), dtype=dtype, name="ids"), keras.Input((4,), name="plain")
    seen = keras.layers.Flatten()(first(keras, ids))
    return keras.Model([ids, plain], keras.layers.Concatenate()([seen, plain]))


IDS = {
    "embedding": lambda keras, ids: keras.layers.Embedding(50, 2)(ids),
    "masked embedding": lambda keras, ids: keras.layers.GlobalAveragePooling1D()(
        keras.layers.Embedding(50, 2, mask_zero=True)(ids)
    ),
    "part of it": lambda keras, ids: keras.layers.Embedding(50, 2)(ids[:, :3] - 1),
    "take": lambda keras, ids: keras.ops.take(
        keras.ops.ones((50, 2)), keras.ops.cast(ids, "int32"), axis=0
    ),
    "one hot": lambda keras, ids: keras.ops.one_hot(keras.ops.cast(ids, "int32"), 50),
}
OTHERS = {
    "features": lambda keras, ids: keras.layers.Dense(3)(ids),
    "rounded": lambda keras, ids: keras.ops.cast(keras.ops.cast(ids, "int32"), "float32"),
    "places of their own": lambda keras, ids: keras.ops.take(ids, [3, 1], axis=1),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_in_floats(name: str) -> None:
    assert looked_up(model(IDS[name])) == [True, False]


@pytest.mark.parametrize("name", OTHERS)
def test_other_floats(name: str) -> None:
    assert looked_up(model(OTHERS[name])) == [False, False]


def test_integers_say_by_their_dtype_what_they_are() -> None:
    assert looked_up(model(IDS["embedding"], "int32")) == [False, False]


def test_ids_of_a_saved_model(tmp_path: Path) -> None:
    keras = import_keras()
    ids = keras.Input((12,), name="ids")
    keras.Model(ids, keras.layers.Embedding(50, 2)(ids)).export(tmp_path / "saved", verbose=False)
    assert looked_up(tmp_path / "saved") == [True]
