"""A copy of a Keras model that may be changed and trained."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.keras.reader import family
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
    # nested models too are cloned layer by layer, so that their own layers need no registration
    options = {"recursive": True} if family(model) == "keras" else {}
    with held_native_output(), _untouched(model):
        try:
            copy = keras.models.clone_model(model, **options)
            copy.set_weights(model.get_weights())
        except Exception as error:  # whatever a layer of the user's own raises
            raise _refused(model, error) from error
    return copy


@contextmanager
def _untouched(model: Any) -> Iterator[None]:
    """The model seems uncompiled: Keras 3 would compile the copy, by names that a loss of the
    user's own has not. Seeds of new layers come from Python's random numbers: put back."""
    state, compiled = random.getstate(), getattr(model, "compiled", None)
    if family(model) == "keras":
        model.compiled = False
    try:
        yield
    finally:
        random.setstate(state)
        if family(model) == "keras":
            model.compiled = compiled


def _refused(model: Any, error: Exception) -> UnsupportedError:
    text = " ".join(str(error).split())[:300]
    return UnsupportedError(
        f"{model.name} can't be copied to be trained: {type(error).__name__}: {text}",
        "give every layer of your own a get_config that holds all arguments of its __init__",
    )
