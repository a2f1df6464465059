"""A copy of a Keras model that may be changed and trained."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.keras.families import family
from pytest_edgegate.backends.keras.pruning.graph import graph_of
from pytest_edgegate.backends.keras.tensorflow import import_keras, import_tf_keras
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import UnsupportedError


def keras_of(model: Any) -> ModuleType:
    """Keras 3 or tf-keras, whichever the model is of."""
    return import_tf_keras() if family(model) == "tf_keras" else import_keras()


def copied(model: Any) -> Any:
    """A model of the same layers with equal weights, uncompiled; *model* stays as it is.

    Layers of the user's own are made again by their ``get_config``. Raises UnsupportedError where
    one can't be.
    """
    keras = keras_of(model)
    with held_native_output(), same_random_numbers():
        try:
            if family(model) == "tf_keras":
                copy = keras.models.clone_model(model)
                copy.set_weights(model.get_weights())
            else:
                copy = Cloner(keras).clone(model)
                carry_over(model, copy)
        except Exception as error:  # whatever a layer of the user's own raises
            raise _refused(model, error) from error
    return copy


def carry_over(old: Any, new: Any) -> None:
    """Gives a layer or model of Keras 3 the weights of its like.

    Layers are made to load them too: Normalization computes with what it makes of its weights then.
    """
    new.set_weights(old.get_weights())
    for one, other in zip(old._flatten_layers(), new._flatten_layers(), strict=True):
        state: dict[str, Any] = {}
        one.save_own_variables(state)
        other.load_own_variables(state)


class Cloner:
    """Clones models of Keras 3 layer by layer, those inside them too, so that layers of the user's
    own need no registration; a layer that is met twice has one clone."""

    def __init__(self, keras: ModuleType) -> None:
        self._keras = keras
        self._clones: dict[int, Any] = {}

    def clone(self, layer: Any) -> Any:
        if id(layer) not in self._clones:
            self._clones[id(layer)] = self._new(layer)
        return self._clones[id(layer)]

    def _new(self, layer: Any) -> Any:
        if hasattr(layer, "layers") and isinstance(layer, self._keras.Model):
            with _uncompiled(layer):
                clone = self._keras.models.clone_model(layer, clone_function=self.clone)
            # made a plain Functional by Keras, it would lose the call of its own class
            if type(clone) is type(layer) or graph_of(layer) is not None:
                return clone
        return type(layer).from_config(layer.get_config())


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """The model seems uncompiled: Keras would compile the copy, by names that a loss of the user's
    own has not."""
    compiled, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = compiled


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Seeds of new layers come from Python's random numbers: put back."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _refused(model: Any, error: Exception) -> UnsupportedError:
    text = " ".join(str(error).split())[:300]
    return UnsupportedError(
        f"{model.name} can't be copied to be trained: {type(error).__name__}: {text}",
        "give every layer of your own a get_config that holds all arguments of its __init__",
    )
