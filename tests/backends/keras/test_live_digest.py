"""The digest of a live model: of what decides its outputs, and of nothing else."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.testing.contract import surroundings


def digest(model: object) -> str:
    recognised = READER.recognise(model, surroundings())
    assert recognised is not None
    return recognised.digest()


def scaled_by(framework: Any, factor: float) -> Any:
    """A model whose factor is in no configuration and no weight, only in a closure."""

    class Scaling(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * factor

    image = framework.Input((3,), name="image")
    return framework.Model(image, Scaling(name="scaling")(image), name="scaled")


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_changes_with_a_constant_of_a_closure(
    request: pytest.FixtureRequest, family: str
) -> None:
    framework = request.getfixturevalue(family)
    once, again, other = (digest(scaled_by(framework, factor)) for factor in (2.0, 2.0, 3.0))
    assert once == again
    assert once != other


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_changes_with_one_weight(request: pytest.FixtureRequest, family: str) -> None:
    framework = request.getfixturevalue(family)
    image = framework.Input((3,), name="image")
    model = framework.Model(image, framework.layers.Dense(2, name="dense")(image), name="one")
    recognised = READER.recognise(model, surroundings())
    assert recognised is not None
    before = recognised.digest()
    kernel, bias = model.get_weights()
    kernel[1, 1] = np.nextafter(kernel[1, 1], np.float32(9))
    model.set_weights([kernel, bias])
    assert recognised.digest() != before, "a model that is trained on between two gates"
    assert digest(model) == recognised.digest()


def test_it_changes_with_the_shape_of_the_graph(keras: Any) -> None:
    def made(activation: str) -> Any:
        image = keras.Input((3,), name="image")
        return keras.Model(image, keras.layers.Activation(activation, name="a")(image), name="m")

    assert digest(made("relu")) != digest(made("tanh"))


def test_it_is_the_same_after_other_work_in_the_process(keras: Any, small: Any) -> None:
    before = digest(scaled_by(keras, 5.0))
    digest(small)
    small(np.zeros((1, 6, 6, 2), np.float32))
    model = scaled_by(keras, 5.0)
    model(np.zeros((7, 3), np.float32))
    assert digest(model) == before


def seeded(keras: Any) -> Any:
    """The same model wherever it is made: every name and every weight is given."""
    keras.utils.set_random_seed(7)
    image = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Flatten(name="flat")(x))
    return keras.Model(image, keras.layers.Dense(3, name="dense")(x), name="seeded")


def test_it_is_the_same_in_another_process(keras: Any) -> None:
    program = (
        "from typing import Any\n"
        "from pytest_edgegate.backends.keras.reader import READER\n"
        "from pytest_edgegate.backends.keras.tensorflow import import_keras\n"
        "from pytest_edgegate.testing.contract import surroundings\n"
        f"{inspect.getsource(seeded)}\n"
        "print(READER.recognise(seeded(import_keras()), surroundings()).digest())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert ran.stdout.decode().strip() == digest(seeded(keras))
