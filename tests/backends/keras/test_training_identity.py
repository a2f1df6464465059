"""What only a training reads of a live Keras model is in its identity for trainings."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.testing.contract import surroundings


def learner(
    framework: Any,
    *,
    rate: float = 0.5,
    momentum: float = 0.9,
    penalty: float = 0.1,
    noise: float = 0.1,
    trainable: bool = True,
    factor: float = 2.0,
) -> Any:
    """A model with all that only a training reads, some of it in a model inside; nothing is named
    and every weight is the same."""
    layers = framework.layers

    class Scaling(layers.Layer):  # type: ignore[misc, name-defined]
        """What it does in training is in no configuration, only in a closure."""

        def call(self, x: Any, training: bool = False) -> Any:
            return x * factor if training else x

    shrunk = framework.regularizers.L2(penalty)
    inner = framework.Sequential(
        [framework.Input((4, 3)), layers.Dense(2, "relu", kernel_initializer="ones")]
    )
    inner.layers[-1].trainable = trainable
    image = framework.Input((4, 3))
    x = layers.Dense(3, kernel_initializer="ones", kernel_regularizer=shrunk)(image)
    x = inner(layers.BatchNormalization(momentum=momentum)(x))
    x = layers.GaussianNoise(noise)(layers.Dropout(rate)(x))
    return framework.Model(image, Scaling()(x))


def identity(model: object) -> str:
    recognised = READER.recognise(model, surroundings())
    assert recognised is not None
    told = recognised.load().training_identity
    assert told is not None
    return told()


CHANGES: dict[str, Any] = {
    "rate": 0.4,
    "momentum": 0.8,
    "penalty": 0.2,
    "noise": 0.2,
    "trainable": False,
    "factor": 3.0,
}


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_changes_with_what_a_training_reads(request: pytest.FixtureRequest, family: str) -> None:
    framework = request.getfixturevalue(family)
    before = identity(learner(framework))
    assert identity(learner(framework)) == before, "automatic names count on"
    others = [identity(learner(framework, **{key: CHANGES[key]})) for key in CHANGES]
    assert len({before, *others}) == 1 + len(CHANGES)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_it_is_the_same_in_another_process(
    request: pytest.FixtureRequest, another_process: Any, family: str
) -> None:
    program = (
        "from typing import Any\n"
        "from pytest_edgegate.backends.keras.reader import READER\n"
        f"from pytest_edgegate.backends.keras.tensorflow import import_{family}\n"
        "from pytest_edgegate.testing.contract import surroundings\n"
        f"{inspect.getsource(learner)}\n"
        f"model = learner(import_{family}())\n"
        "print(READER.recognise(model, surroundings()).load().training_identity())\n"
    )
    told = another_process(program).splitlines()[-1]
    assert told == identity(learner(request.getfixturevalue(family)))


def test_the_model_and_its_penalties_stay_as_they_are(keras: Any) -> None:
    model = learner(keras)
    before = float(model.losses[0])
    identity(model)
    assert float(model.losses[0]) == before


def test_a_file_has_all_of_it_in_its_bytes(saved: dict[str, Path]) -> None:
    recognised = READER.recognise(saved["keras"], surroundings())
    assert recognised is not None
    assert recognised.load().training_identity is None
