"""Give the layer "deepen" of digits.keras one more filter, and train all for one more epoch.

Run from anywhere: ``python example_project/regressed/one_more_filter.py``. Needs tensorflow, keras,
mlxtend. As seeded as models/train.py: it gives the same bytes with the same versions on the same
kind of processor.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
sys.path[:0] = [str(HERE.parent), str(MODELS)]

from digits import load_digits
from train import BATCH, SEED, accuracy, build, epochs, save

FILTERS = 97  # digits.keras has 96
LEARNING_RATE = 1e-4


def grown(model: keras.Model) -> keras.Model:
    """Return ``model`` with one more filter, which the next layer does not listen to yet."""
    wider = build(deepen=FILTERS)
    for layer in wider.layers:
        weights = layer.get_weights()
        for new, old in zip(weights, model.get_layer(layer.name).get_weights(), strict=True):
            if layer.name == "features_pointwise":
                new[:] = 0
            new[tuple(map(slice, old.shape))] = old
        layer.set_weights(weights)
    return wider


def main() -> None:
    """Grow, train, save, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to")
    path = parser.parse_args().output / "digits.keras"
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(SEED)

    digits = load_digits()
    model = grown(keras.models.load_model(MODELS / "digits.keras"))
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE), keras.losses.SparseCategoricalCrossentropy()
    )
    model.fit(
        epochs(digits, np.random.default_rng(SEED)),
        steps_per_epoch=len(digits.y_train) // BATCH,
        shuffle=False,
        verbose=2,
    )
    trained = build(deepen=FILTERS)  # without the optimizer
    trained.set_weights(model.get_weights())
    save(trained, path)
    right = accuracy(trained, digits.x_evaluate, digits.y_evaluate)
    print(f"{path}: accuracy {right:.4f}, {trained.count_params():,} parameters")


if __name__ == "__main__":
    main()
