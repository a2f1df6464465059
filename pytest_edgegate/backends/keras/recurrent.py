"""The recurrent layers of a Keras model, and settings that they have for the time of a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pytest_edgegate.backends.keras.copying import keras_of

Setting = tuple[Any, str, object]
"""An object, the name of one of its attributes, and a value."""

_NO_DROPOUT = {"dropout": 0.0, "recurrent_dropout": 0.0}


def recurrent_layers(model: Any) -> list[Any]:
    """The recurrent layers of a model, those inside of other layers and models too."""
    kind = keras_of(model).layers.RNN
    return [each for each in model._flatten_layers() if isinstance(each, kind)]


def cells_of(layer: Any) -> Iterator[Any]:
    """What a recurrent layer calls at every time step, with all parts of it."""
    yield from layer._flatten_layers(include_self=False)


def without_dropout(model: Any) -> AbstractContextManager[None]:
    """Within it, calls of the model draw no random numbers for the dropout of its recurrent layers.

    Keras 3 draws them in inference too, and no converter takes the variables of its generators.
    """
    return having(
        setting
        for layer in recurrent_layers(model)
        for cell in cells_of(layer)
        for setting in known(cell, _NO_DROPOUT)
    )


def known(owner: Any, settings: Mapping[str, object]) -> Iterator[Setting]:
    """Those of the settings that an object has, with a plain value: a user's own cell may keep a
    layer under such a name."""
    for name, value in settings.items():
        if isinstance(getattr(owner, name, None), int | float | str):
            yield owner, name, value


@contextmanager
def having(settings: Iterable[Setting]) -> Iterator[None]:
    """Gives attributes other values within it."""
    before: list[Setting] = []
    try:
        for owner, name, value in settings:
            before.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)
