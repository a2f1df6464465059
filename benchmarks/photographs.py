"""A textbook's pipeline at real size, on photographs: ResNet-50 teaches MobileNet-v3, to int8.

    pip install -c constraints.txt --group benchmarks
    python benchmarks/photographs.py [--size=224] [--target=coral] [--large]

Distillation into MobileNet-v3 Small or Large, then int8 by PTQ and by QAT. Images are the 20 of
ImageNet that the package foolbox ships, a class each: seeded augmented copies to train on, others
of the same photographs to evaluate on, whose intervals are those of 20 groups. No weights are
downloaded: teacher and student are random features with the statistics of these images and a fitted
last layer, which stand in for trained ones. What this shows is that the steps fit each other and
what int8 costs, not how good the networks are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from efficientnet_lite0 import augmented, photographs

from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Metric
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Later
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

TRAINED, EVALUATED, CALIBRATION = 8, 10, 100
"""Copies of each photograph to train on and to evaluate on; samples that calibrate PTQ."""
BUDGETS = (Budget("accuracy_min", 0.1), Budget("accuracy_drop", 0.5), Budget("size", 10**8))


def data_of(size: int) -> EdgeData:
    import keras

    def made(copies: int, seed: int) -> Any:
        images = augmented(pictures, copies, seed).astype(np.float32)
        return np.asarray(keras.ops.image.resize(images, (size, size)), np.float32)

    pictures, _ = photographs()
    labels = np.arange(len(pictures))
    x = made(TRAINED, 1)
    return EdgeData(
        train=(x, np.tile(labels, TRAINED)),
        calibration=x[:CALIBRATION],
        evaluation=(made(EVALUATED, 2), np.tile(labels, EVALUATED)),
    )


def teacher(size: int, data: EdgeData) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0)(image)
    network = keras.applications.ResNet50(weights=None, input_tensor=scaled, classes=20)
    return prepared(network, data)


def student(size: int, data: EdgeData, *, large: bool) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    kinds = keras.applications
    make = kinds.MobileNetV3Large if large else kinds.MobileNetV3Small
    return prepared(make(weights=None, input_shape=(size, size, 3), classes=20), data)


def prepared(model: Any, data: EdgeData) -> Any:
    """The model with the statistics of the images, and a last layer by ridge regression."""
    import keras

    x, y = data.train
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(x[:64], training=True)  # every layer takes the statistics of this batch
    for layer in norms:
        layer.momentum = 0.9
    head = next(each for each in reversed(model.layers) if each.weights)
    features = keras.Model(model.input, head.input).predict(x, batch_size=16, verbose=0)
    features = features.reshape(len(x), -1)
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-3
    normal = (features - mean) / deviation
    wanted = 8 * (np.eye(20)[y] - 1 / 20)
    gram = normal @ normal.T + 0.1 * normal.shape[1] * np.eye(len(x))
    kernel = (normal.T @ np.linalg.solve(gram, wanted) / deviation[:, None]).astype(np.float32)
    head.set_weights([kernel.reshape(head.weights[0].shape), -mean @ kernel])
    return model


def recipes(epochs: int) -> dict[str, Recipe]:
    taught = Distill(epochs=epochs, lr=1e-3)
    return {
        "distilled, PTQ": (taught, PTQ(CALIBRATION)),
        "distilled, QAT": (taught, QAT(1, lr=1e-5)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--target", default="coral")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    data = data_of(options.size)
    begun = time.perf_counter()
    model = teacher(options.size, data)
    print(f"teacher made in {time.perf_counter() - begun:.0f} s", flush=True)
    taught = Later(lambda: student(options.size, data, large=options.large))
    training = EdgeTraining(seed=0, batch_size=16)
    # copies of one photograph are no independent samples
    metric = Metric("top1", groups=np.tile(np.arange(20), EVALUATED))
    subject = Given(model, data, metric, taught, training)
    print("| recipe | kB | top-1 [90 %] | teacher | s to make | contract | file and training |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(root=Path(folder), cache=Path(folder))
        session = EdgeSession(settings, Registry())
        target = session.target(options.target)
        for name, recipe in recipes(options.epochs).items():
            begun = time.perf_counter()
            try:
                artifact = session.compress(session.case(subject, target), recipe)
            except CompressionError as error:  # the file is not what was trained
                print(f"| {name} | {str(error).splitlines()[0]} |", flush=True)
                continue
            seconds = time.perf_counter() - begun
            case = session.case(subject, target)
            verdicts = {
                each.budget.metric: each
                for each in session.judge(case, artifact, BUDGETS, contract=True)
            }
            exact = verdicts["accuracy_min"].measured
            drop, size = verdicts["accuracy_drop"].measured, verdicts["size"].measured
            assert exact is not None
            assert drop is not None
            assert size is not None
            print(
                f"| {name} | {size.value / 1e3:.0f} "
                f"| {exact.value:.3f} [{exact.low:.3f}, {exact.high:.3f}] "
                f"| {exact.value + drop.value:.3f} | {seconds:.0f} "
                f"| {verdicts['contract'].outcome} | {agreement(artifact)} |",
                flush=True,
            )
        session.close()


def agreement(artifact: Any) -> str:
    """How far the file of a QAT is from what was trained, in steps of its output."""
    facts = artifact.provenance["facts"].values()
    found = [each["agreement"] for each in facts if "agreement" in each]
    return ", ".join(
        f"{each['mean_steps']} steps apart, {each['same_best']} same" for each in found
    )


if __name__ == "__main__":
    main()
