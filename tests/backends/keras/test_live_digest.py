"""The digest of a live model: of what decides its outputs, and of nothing else."""

from __future__ import annotations

import inspect
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


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_does_not_count_what_was_made_before(
    request: pytest.FixtureRequest, family: str
) -> None:
    framework = request.getfixturevalue(family)
    layers = framework.layers

    def made(units: int = 4) -> Any:
        """Unnamed, with a loop inside, which TensorFlow names after a counter."""
        image = framework.Input((5, 3))
        x = layers.LSTM(units, kernel_initializer="ones", recurrent_initializer="ones")(image)
        return framework.Model(image, layers.Dense(2, kernel_initializer="ones")(x))

    first, second = made(), made()
    assert first.layers[-1].name != second.layers[-1].name
    assert digest(first) == digest(second) != digest(made(3))


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_tells_which_weight_is_where(request: pytest.FixtureRequest, family: str) -> None:
    """The same weights in the same order of layers, called in another order."""
    framework = request.getfixturevalue(family)

    class Two(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, backwards: bool) -> None:
            super().__init__(name="two")
            self.parts = [framework.layers.Dense(3, name=each) for each in "ab"]
            self.backwards = backwards

        def build(self, shape: Any) -> None:
            for part in self.parts:
                part.build(shape)
            self.built = True

        def call(self, x: Any) -> Any:
            for part in reversed(self.parts) if self.backwards else self.parts:
                x = part(x)
            return x

    random = np.random.default_rng(0)
    weights = [random.random(shape) for shape in ((3, 3), (3,), (3, 3), (3,))]
    digests = set()
    for backwards in (False, True):
        image = framework.Input((3,), name="image")
        model = framework.Model(image, Two(backwards)(image), name="both")
        model.set_weights(weights)
        digests.add(digest(model))
    assert len(digests) == 2


def test_it_changes_with_a_large_constant(keras: Any, tf: Any) -> None:
    """One that TensorFlow keeps beside the graph."""

    def made(value: float) -> Any:
        table = tf.fill([500], value)

        class Adding(keras.layers.Layer):  # type: ignore[misc, name-defined]
            def call(self, x: Any) -> Any:
                return x + table

        image = keras.Input((500,), name="image")
        return keras.Model(image, Adding(name="adding")(image), name="added")

    assert digest(made(1.0)) == digest(made(1.0)) != digest(made(2.0))


def test_inputs_of_the_users_naming_are_told_apart(keras: Any) -> None:
    def made(*names: str) -> Any:
        given = [keras.Input((3,), name=name) for name in names]
        return keras.Model(given, keras.layers.Subtract(name="minus")(given), name="m")

    assert digest(made("x_1", "x_2")) != digest(made("x_2", "x_1"))


def seeded(keras: Any) -> Any:
    """The same model wherever it is made: every name and every weight is given."""
    keras.utils.set_random_seed(7)
    image = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Flatten(name="flat")(x))
    return keras.Model(image, keras.layers.Dense(3, name="dense")(x), name="seeded")


def test_it_is_the_same_in_another_process(another_process: Any, keras: Any) -> None:
    program = (
        "from typing import Any\n"
        "from pytest_edgegate.backends.keras.reader import READER\n"
        "from pytest_edgegate.backends.keras.tensorflow import import_keras\n"
        "from pytest_edgegate.testing.contract import surroundings\n"
        f"{inspect.getsource(seeded)}\n"
        "print(READER.recognise(seeded(import_keras()), surroundings()).digest())\n"
    )
    assert another_process(program) == digest(seeded(keras))
