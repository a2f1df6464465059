"""Train the detector of this folder and save it as models/digit_detector.keras.

Run from anywhere: ``python example_project/detection/train.py``. Needs tensorflow, keras, mlxtend.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from scenes import CELL, CELLS, REACH, SIDE, Scenes, scenes  # noqa: E402

COUNT, EPOCHS, BATCH, RATE = 6000, 12, 64, 2e-3
BLOCKS = ((16, 2), (24, 2), (32, 2), (48, 1), (48, 1))
"""Filters and strides; all strides together are the size of a cell."""


def network() -> keras.Model:
    """A convolutional backbone with three heads, one answer for each cell."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = image
    for filters, stride in BLOCKS:
        hidden = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(hidden)
        hidden = layers.ReLU(6.0)(layers.BatchNormalization()(hidden))
    cells = CELLS * CELLS
    offsets = layers.Conv2D(4, 1, activation="sigmoid")(hidden)
    objectness = layers.Conv2D(1, 1, activation="sigmoid")(hidden)
    logits = layers.Conv2D(10, 1)(hidden)
    heads = {
        "offsets": layers.Reshape((cells, 4), name="offsets")(offsets),
        "objectness": layers.Reshape((cells,), name="objectness")(objectness),
        "logits": layers.Reshape((cells, 10), name="logits")(logits),
    }
    return keras.Model(image, heads)


def targets(of: Scenes) -> npt.NDArray[np.float32]:
    """For each cell the offsets, the digit, and whether the centre of one lies in it."""
    made = np.zeros((len(of.labels), CELLS * CELLS, 6), np.float32)
    for rows, (boxes, classes) in zip(made, of.labels, strict=True):
        for (x1, y1, x2, y2), digit in zip(boxes, classes, strict=True):
            x, y = (x1 + x2) / 2 / CELL, (y1 + y2) / 2 / CELL
            at = int(y) * CELLS + int(x)
            rows[at] = (x % 1, y % 1, (x2 - x1) / REACH, (y2 - y1) / REACH, digit, 1)
    return made


def loss(wanted: tf.Tensor, heads: dict[str, tf.Tensor]) -> tf.Tensor:
    """Binary cross-entropy of all cells, and of those with a digit the errors of box and digit."""
    there = wanted[..., 5]
    score = tf.clip_by_value(heads["objectness"], 1e-6, 1 - 1e-6)
    found = -(4 * there * tf.math.log(score) + (1 - there) * tf.math.log(1 - score))
    boxes = tf.reduce_sum(tf.abs(heads["offsets"] - wanted[..., :4]), axis=-1) * there
    digits = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.cast(wanted[..., 4], tf.int32), heads["logits"]
    )
    total = tf.reduce_sum(found + 5 * boxes + digits * there)
    return total / (tf.reduce_sum(there) + 1)


def main() -> None:
    keras.utils.set_random_seed(1)
    given = scenes(COUNT, evaluate=False)
    wanted = targets(given)
    model = network()
    optimizer = keras.optimizers.Adam(RATE)

    @tf.function
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    random, steps = np.random.default_rng(0), COUNT // BATCH
    for epoch in range(EPOCHS):
        order, values = random.permutation(COUNT), []
        for at in range(steps):
            done = (epoch * steps + at) / (EPOCHS * steps)
            optimizer.learning_rate.assign(RATE * (1 - done))
            chosen = order[at * BATCH : (at + 1) * BATCH]
            values.append(float(step(given.images[chosen], wanted[chosen])))
        print(f"epoch {epoch + 1}: loss {np.mean(values):.3f}", flush=True)
    model.save(HERE / "models" / "digit_detector.keras")


if __name__ == "__main__":
    main()
