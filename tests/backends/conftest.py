"""Small models of every kind, each built once, and what turns them into .tflite files."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import warm_python

from pytest_edgegate import PTQ, QAT, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.tensorflow import (
    import_keras,
    import_tensorflow,
    import_tf_keras,
)
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.ports import Produced, SourceModel
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
AROUND = surroundings()


@pytest.fixture(scope="session")
def tf() -> ModuleType:
    return import_tensorflow()


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    return import_keras()


@pytest.fixture(scope="session")
def tf_keras() -> ModuleType:
    return import_tf_keras()


@pytest.fixture(scope="session")
def coral() -> Target:
    found: Target = Registry().get("target", "coral")
    return found


@pytest.fixture(scope="session")
def host() -> Target:
    found: Target = Registry().get("target", "host")
    return found


def _layers(keras: ModuleType, image: Any) -> Any:
    layers, some = keras.layers, {"bias_initializer": "random_normal"}
    x = layers.Conv2D(4, 3, activation="relu", name="conv", **some)(image)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **some)(x)
    x = layers.Flatten(name="flat")(x)
    return layers.Dense(3, activation="softmax", name="scores", **some)(x)


@pytest.fixture(scope="session")
def small(keras: ModuleType) -> Any:
    """A Functional model of Keras 3: (n, 6, 6, 2) to three scores."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 2), name="image")
    return keras.Model(image, _layers(keras, image), name="small")


@pytest.fixture(scope="session")
def small_tf_keras(tf_keras: ModuleType) -> Any:
    """The same in tf-keras."""
    with held_native_output():
        tf_keras.utils.set_random_seed(0)
        image = tf_keras.Input((6, 6, 2), name="image")
        return tf_keras.Model(image, _layers(tf_keras, image), name="small_old")


@pytest.fixture(scope="session")
def samples() -> Array:
    return np.random.default_rng(0).normal(size=(24, 6, 6, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def data(samples: Array) -> EdgeData:
    return EdgeData(calibration=samples, evaluation=(samples, np.arange(24) % 3))


@pytest.fixture(scope="session")
def saved(
    tmp_path_factory: pytest.TempPathFactory, small: Any, small_tf_keras: Any
) -> dict[str, Path]:
    """The small models in every form of file, by the name of the form."""
    folder = tmp_path_factory.mktemp("saved")
    paths = {
        "keras": folder / "small.keras",
        "h5": folder / "small.h5",
        "old h5": folder / "old.h5",
        "SavedModel": folder / "exported",
    }
    with held_native_output():
        small.save(paths["keras"])
        small.save(paths["h5"])
        small_tf_keras.save(paths["old h5"])
        small.export(paths["SavedModel"], verbose=False)
    return paths


class AnotherProcess:
    """``another_process.py``, whose hashes of texts are others than here."""

    def __init__(self, told: Path) -> None:
        self._told = told
        with told.open("w") as stderr:
            self._process = subprocess.Popen(
                warm_python.command(Path(__file__).with_name("another_process.py").read_text()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "PYTHONHASHSEED": warm_python.OTHER_HASHES},
            )

    def __call__(self, program: str, *arguments: object, strict: bool = False) -> str:
        """What the program prints. *strict*: warnings are errors, and it says nothing else."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = self._told.stat().st_size
        asked = json.dumps([program, list(map(str, arguments)), strict])
        self._process.stdin.write(f"{asked}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        said = self._told.read_bytes()[before:].decode("utf-8", "replace")
        assert answer, said
        assert not strict or not said, said
        return str(json.loads(answer)).strip()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def another_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnotherProcess]:
    """One for all that has to come out the same elsewhere: frameworks are imported once in it."""
    process = AnotherProcess(tmp_path_factory.mktemp("another_process") / "stderr")
    yield process
    process.close()


class Converter:
    """Converts a model, or a path, by the transform under test."""

    def __init__(self, factory: pytest.TempPathFactory, host: Target) -> None:
        self._factory = factory
        self._float = float_target(host, "litert")

    def __call__(
        self,
        model: object,
        step: Step | None = None,
        target: Target | None = None,
        given: EdgeData | None = None,
    ) -> Path:
        recognised = READER.recognise(model, AROUND)
        assert recognised is not None
        out = self._factory.mktemp("converted")
        source = CaseData(given or EdgeData())
        return TRANSFORM.apply(recognised, step, target or self._float, source, out).main


@pytest.fixture(scope="session")
def convert(tmp_path_factory: pytest.TempPathFactory, host: Target) -> Converter:
    return Converter(tmp_path_factory, host)


@pytest.fixture(scope="session")
def files(
    convert: Converter, small: Any, data: EdgeData, coral: Target, host: Target
) -> dict[str, Path]:
    """The small model with float, uint8 and int8 inputs and outputs."""
    return {
        "float": convert(small),
        "uint8": convert(small, PTQ(), coral, data),
        "int8": convert(small, PTQ(), host, data),
    }


@pytest.fixture(scope="session")
def sequential(keras: ModuleType) -> Any:
    """A Sequential that was built by its Input and never called."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.GlobalAveragePooling2D()]
    )


@pytest.fixture(scope="session")
def models(
    saved: dict[str, Path], small: Any, small_tf_keras: Any, sequential: Any
) -> dict[str, Any]:
    """Models in every form that a user may give one in."""
    live = {"live": small, "live tf-keras": small_tf_keras, "live Sequential": sequential}
    return {**saved, **live}


@pytest.fixture
def from_function(tf: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Writes a .tflite file of a function over tensors, past the transform under test."""

    def write(function: Callable[..., Any], *shapes: tuple[int | None, ...]) -> Path:
        with held_native_output():
            specs = [tf.TensorSpec(shape, tf.float32, f"x{at}") for at, shape in enumerate(shapes)]
            concrete = tf.function(function).get_concrete_function(*specs)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
            path = tmp_path / "function.tflite"
            path.write_bytes(converter.convert())
        return path

    return write


class Digits(NamedTuple):
    """Real digits of 8 by 8 pixels: images (n, 8, 8, 1) float32 in [0, 1], and what they show."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]

    @property
    def data(self) -> EdgeData:
        """The first 600 to train on, the last 300 to evaluate on."""
        train, evaluation = slice(600), slice(-300, None)
        return EdgeData(
            train=(self.x[train], self.y[train]),
            evaluation=(self.x[evaluation], self.y[evaluation]),
        )


@pytest.fixture(scope="session")
def digits() -> Digits:
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (found.images[..., None] / 16).astype(np.float32)
    return Digits(images, found.target.astype(np.int64))


@pytest.fixture(scope="session")
def network() -> Callable[..., Any]:
    """Makes an untrained network for the digits: a convolution, a depthwise one, scores."""

    def make(
        keras: ModuleType,
        *,
        activation: str | None = "softmax",
        classes: int = 10,
        dropout: float = 0.0,
        penalty: float = 0.0,
        name: str = "digits",
        seed: int = 0,
    ) -> Any:
        with held_native_output():
            keras.utils.set_random_seed(seed)
            layers = keras.layers
            shrunk = keras.regularizers.L2(penalty) if penalty else None
            image = keras.Input((8, 8, 1), name="image")
            x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=shrunk, name="conv")(image)
            x = layers.BatchNormalization(momentum=0.9, name="norm")(x)
            x = layers.ReLU(name="relu")(x)
            x = layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(x)
            x = layers.Flatten(name="flat")(x)
            if dropout:
                x = layers.Dropout(dropout, name="dropout")(x)
            x = layers.Dense(classes, activation=activation, name="scores")(x)
            return keras.Model(image, x, name=name)

    return make


@pytest.fixture(scope="session")
def trained_keras(keras: ModuleType, network: Callable[..., Any], digits: Digits) -> Any:
    """A Keras network that knows the digits well."""
    model = network(keras)
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(digits.x[:1400], digits.y[:1400], epochs=8, batch_size=64, verbose=0)
    return model


@pytest.fixture(scope="session")
def mobile_net() -> Callable[..., Any]:
    """Makes a MobileNet-v3 Small of ten classes, normalised by the statistics of *images*."""

    def make(keras: ModuleType, images: Array, *, minimalistic: bool = False) -> Any:
        keras.utils.set_random_seed(0)
        model = keras.applications.MobileNetV3Small(
            images.shape[1:], weights=None, classes=10, minimalistic=minimalistic
        )
        norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
        for layer in norms:
            layer.momentum = 0.0
        with held_native_output():
            model(images, training=True)
        for layer in norms:
            layer.momentum = 0.9
        return model

    return make


@pytest.fixture(scope="session")
def gated_keras(keras: ModuleType, digits: Digits) -> Any:
    """A Keras network that knows the digits well, of a MobileNet-v3's parts: hard-swish, a block
    with squeeze-and-excite, and ReLUs right behind layers with weights."""
    keras.utils.set_random_seed(0)
    layers = keras.layers

    def normal(x: Any) -> Any:
        return layers.BatchNormalization(momentum=0.9)(x)

    image = keras.Input((8, 8, 1), name="image")
    x = normal(layers.Conv2D(8, 3, use_bias=False)(layers.Rescaling(2.0, -1.0)(image)))
    x = layers.Activation("hard_swish")(x)
    y = normal(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    y = y * keras.ops.relu6(y + 3.0) / 6
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(8, 1)(layers.ReLU()(layers.Conv2D(4, 1)(gate)))
    y = layers.Multiply()([y, layers.ReLU(6.0)(gate + 3.0) * (1 / 6)])
    x = layers.Add()([x, normal(layers.Conv2D(8, 1, use_bias=False)(y))])
    x = layers.ReLU(6.0)(layers.Dense(24)(layers.Flatten()(x)))
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="scores")(x))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(digits.x[:1400], digits.y[:1400], epochs=6, batch_size=64, verbose=0)
    return model


@dataclass(frozen=True)
class Trained:
    """A torch network after QAT: its int8 program, what it was, the data, and what is told."""

    program: SourceModel
    network: Any
    data: EdgeData
    made: Produced

    @property
    def images(self) -> Array:
        """The evaluation images: (n, channels, height, width) float32."""
        x, _ = self.data.evaluation
        return np.asarray(x)

    def outputs(self) -> Array:
        """What the program gives for them."""
        import torch

        (made,) = self.program.load().function(torch.tensor(self.images))
        return np.asarray(made.detach().numpy())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, coral: Target) -> Callable[..., Trained]:
    """Trains a network of ``integer_networks.py``, or the example's (``digits.pt2``), in int8.

    *symmetric*: for a Jetson, with zero points of 0.
    """
    from sklearn.datasets import load_digits

    example = Path(__file__).parents[2] / "example_project"
    networks = runpy.run_path(str(Path(__file__).with_name("integer_networks.py")))

    def data_of(name: str) -> EdgeData:
        if name == "example":
            found = runpy.run_path(str(example / "digits.py"))["load_digits"]()
            first = (found.x_train[:512].transpose(0, 3, 1, 2), found.y_train[:512])
            last = (found.x_evaluate[:300].transpose(0, 3, 1, 2), found.y_evaluate[:300])
            return EdgeData(train=first, evaluation=last)
        small = load_digits()
        images = (small.images[:, None] / 16).astype(np.float32)
        return EdgeData(
            train=(images[:600], small.target[:600]),
            evaluation=(images[-300:], small.target[-300:]),
        )

    @cache
    def train(name: str, *, symmetric: bool = False) -> Trained:
        from pytest_edgegate.backends.torch.qat import TRANSFORM as QAT_OF_TORCH
        from pytest_edgegate.backends.torch.reader import READER as TORCH

        data = data_of(name)
        network = (
            example / "torch_model/digits.pt2" if name == "example" else networks["make"](name)
        )
        model = TORCH.recognise(network, surroundings(data))
        assert model is not None
        step = QAT(1, lr=1e-5 if name == "example" else 1e-3)
        out = tmp_path_factory.mktemp(name)
        target = Registry().get("target", "jetson-orin-nano") if symmetric else coral
        made = QAT_OF_TORCH.apply(model, step, target, CaseData(data), out)
        program = TORCH.recognise(made.main, surroundings(data))
        assert program is not None
        return Trained(program, network, data, made)

    return train
