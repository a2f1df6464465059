"""Healthy models that a strict list would refuse: they pass, and answer like the framework."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.testing.contract import surroundings

Saved = tuple[Any, Path]


def operations_of_keras_3(folder: Path) -> Saved:
    """Arithmetic on tensors becomes layers of keras.ops; MobileNetV3 is built so."""
    import keras

    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, activation="silu")(keras.layers.RandomFlip()(x))
    y = y * keras.ops.relu6(y + 3.0) / 6.0
    y = keras.layers.Concatenate()([y[:, :3], keras.ops.roll(y[:, 3:], 1, axis=1)])
    y = keras.ops.mean(y, axis=(1, 2))
    model = keras.Model(x, keras.layers.Dense(3, kernel_regularizer="l2")(y))
    model.save(folder / "model.keras")
    return model, folder / "model.keras"


def operations_of_tf_keras(folder: Path) -> Saved:
    """The same becomes TFOpLambda, which calls a symbol by its name."""
    import tensorflow as tf
    import tf_keras

    x = tf_keras.Input((8, 8, 3))
    y = tf_keras.layers.Conv2D(4, 3)(x)
    y = y * tf.nn.relu6(y + 3.0) * (1 / 6)
    y = tf.reduce_mean(tf.concat([y[:, :3], tf.roll(y[:, 3:], 1, axis=1)], axis=1), axis=[1, 2])
    model = tf_keras.Model(x, tf_keras.layers.Dense(3, tf.nn.softmax)(y))
    model.save(folder / "model.h5")
    return model, folder / "model.h5"


def saved_model(folder: Path) -> Saved:
    """A loop, the functions of a GPU beside it, random numbers of training, and a saver."""
    import tf_keras

    x = tf_keras.Input((8, 3))
    y = tf_keras.layers.GRU(4)(tf_keras.layers.Dropout(0.5)(x))
    model = tf_keras.Model(x, tf_keras.layers.Dense(3)(y))
    model.save(folder / "model", save_format="tf")
    return model, folder / "model"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [operations_of_keras_3, operations_of_tf_keras, saved_model])
def test_it_passes_and_answers(make: Callable[[Path], Saved], tmp_path: Path) -> None:
    with held_native_output():
        model, path = make(tmp_path)
    found = READER.recognise(path, surroundings())
    assert found is not None
    samples = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("f4")
    with RUNTIME.open(found) as runner:
        [answer] = runner.infer((samples,))
    np.testing.assert_allclose(
        answer, np.asarray(model(samples, training=False)), rtol=0, atol=1e-5
    )
