"""What the rules say of files that TensorFlow's converter has just made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.target import Target
from pytest_edgegate.mapping.prediction import Prediction, Why, predicted
from pytest_edgegate.testing.contract import CaseData, surroundings

IMAGES = np.random.default_rng(0).random((20, 8, 8, 3), np.float32)
Network = Callable[[Any, Any], Any]


def plain(layers: Any, image: Any) -> Any:
    x = layers.Conv2D(8, 3, activation="relu")(image)
    return layers.Dense(10, activation="softmax")(layers.Flatten()(x))


def leaky(layers: Any, image: Any) -> Any:
    x = layers.LeakyReLU(0.1)(layers.Conv2D(8, 3)(image))
    return layers.Dense(10)(layers.Flatten()(layers.Conv2D(8, 3)(x)))


def branched(layers: Any, image: Any) -> Any:
    """The second branch has an operator that the chip does not take, the first has none."""
    trunk = layers.Conv2D(8, 3, activation="relu")(image)
    first = layers.Dense(4)(layers.Flatten()(layers.Conv2D(8, 3)(trunk)))
    second = layers.LeakyReLU(0.1)(layers.Conv2D(8, 3)(trunk))
    return [first, layers.Conv2D(2, 1)(second)]


def grown(layers: Any, image: Any) -> Any:
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(8, 3)(image))
    return layers.UpSampling2D(16, interpolation="bilinear")(x)


@pytest.fixture
def made(keras: Any, coral: Target, tmp_path: Path) -> Callable[[Network], Prediction]:
    def make(network: Network) -> Prediction:
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 3), name="image")
        source = READER.recognise(keras.Model(image, network(keras.layers, image)), surroundings())
        assert source is not None
        data = CaseData(EdgeData(calibration=IMAGES))
        main = TRANSFORM.apply(source, PTQ(20), coral, data, tmp_path).main
        return predicted(INSPECTOR.describe(main), coral)

    return make


@pytest.mark.parametrize(
    ("network", "left", "splits"),
    [
        (plain, [], []),
        (
            leaky,
            ["LEAKY_RELU", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "QUANTIZE"],
            ["LEAKY_RELU"],
        ),
        (branched, ["LEAKY_RELU", "CONV_2D", "QUANTIZE"], ["LEAKY_RELU"]),
        (grown, ["RESIZE_BILINEAR", "QUANTIZE"], ["RESIZE_BILINEAR"]),
    ],
)
def test_networks(made: Any, network: Network, left: list[str], splits: list[str]) -> None:
    found = made(network)
    assert [each.operator.kind for each in found.left] == left
    assert [each.operator.kind for each in found.splits] == splits
    assert found.guesses == ()


@pytest.mark.parametrize(("activation", "kind"), [("gelu", "GELU"), ("exponential", "EXP")])
def test_an_operator_of_this_converter_that_the_compiler_is_too_old_for(
    made: Any, activation: str, kind: str
) -> None:
    def network(layers: Any, image: Any) -> Any:
        return layers.Activation(activation)(layers.Conv2D(8, 3)(image))

    found = made(network)
    assert not found.mapped
    [at_fault] = [each for each in found.left if each.reasons[0].why is Why.VERSION]
    assert at_fault.operator.kind == kind
    assert not any(each.allowed for each in found.left)
