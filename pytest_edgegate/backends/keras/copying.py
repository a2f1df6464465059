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
    """The module of the model's framework: Keras 3 or tf-keras."""
    return import_tf_keras() if family(model) == "tf_keras" else import_keras()


def copied(model: Any) -> Any:
    """A model of the same layers with equal weights, uncompiled; *model* is unchanged.

    User-defined layers are rebuilt from their ``get_config``. Raises UnsupportedError if one
    can't be.
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
        except Exception as error:  # a user-defined layer may raise anything
            raise _refused(model, error) from error
    return copy


def carry_over(old: Any, new: Any) -> None:
    """Copies the weights between two equal layers or models of Keras 3.

    Layers also run their loading code: Normalization derives values from its weights there.
    """
    new.set_weights(old.get_weights())
    for one, other in zip(old._flatten_layers(), new._flatten_layers(), strict=True):
        state: dict[str, Any] = {}
        one.save_own_variables(state)
        other.load_own_variables(state)


class Cloner:
    """Clones models of Keras 3 layer by layer, including nested ones, so that user-defined layers
    need no registration; a shared layer has one clone."""

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
            # Keras would make it a plain Functional, without the call of its class
            if type(clone) is type(layer) or graph_of(layer) is not None:
                return clone
        return type(layer).from_config(layer.get_config())


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """Makes the model look uncompiled: Keras would compile the copy by names, which user-defined
    losses don't have."""
    compiled, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = compiled


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Restores Python's random state, from which new layers draw their seeds."""
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
