"""Keras models without the loops of their recurrent layers: one time step after the other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_edgegate.backends.keras.copying import keras_of
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.recurrent_models import (
    refuse_convolutional,
    refuse_free_steps,
    refuse_too_many_steps,
)
from pytest_edgegate.backends.tf_graphs import called, freeze, traced
from pytest_edgegate.core.ports import LoadedModel, Unrolled

Setting = tuple[Any, str, object]
"""An object, the name of one of its attributes, and a value."""

_OF_LAYERS = {
    # tf-keras: a function with a loop and its twin for cuDNN, of which TensorFlow chooses one
    "_could_use_gpu_kernel": False,
    # Keras 3: the same choice, by the layer
    "use_cudnn": False,
}
_OF_CELLS = {
    # One multiplication for each gate. The one for all gates ends in a SPLIT, which the converter
    # leaves in float now and then
    "implementation": 1,
    # Without effect in inference, but their random numbers are in the graph
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
}


def unrolling_of(model: Any, loaded: LoadedModel) -> Callable[[], Unrolled] | None:
    """``LoadedModel.unrolled`` of a model of Keras 3 or tf-keras."""
    if any(_recurrent(model)) or any(_by_samples(model)):
        return partial(unroll, model, loaded)
    return None


def unroll(model: Any, loaded: LoadedModel) -> Unrolled:
    """The model with every recurrent layer unrolled, traced for one sample.

    The layers are changed while it is traced, and then as before: a model that is rebuilt could
    differ from the one under test.
    Raises UnsupportedError if a layer can't be unrolled or has too many time steps.
    """
    layers = list(_recurrent(model))
    refuse_convolutional(model.name, [each.name for each in layers if _is_convolutional(each)])
    rolled = [each for each in layers if not each.unroll]
    names = tuple(str(each.name) for each in rolled)
    with held_native_output(), _set(_without_loops(model, layers)):
        steps = _looped_over(model, loaded) if rolled else []
        refuse_free_steps(model.name, names, steps)
        total = sum(filter(None, steps))
        refuse_too_many_steps(model.name, names, total)
        with _set((each, "unroll", True) for each in rolled):
            frozen = freeze(import_tensorflow(), loaded)
    return Unrolled(replace(loaded, function=called(frozen)), names, total)


def _recurrent(model: Any) -> Iterator[Any]:
    """The recurrent layers of a model, those inside of other layers and models too."""
    kind = keras_of(model).layers.RNN
    return (each for each in model._flatten_layers() if isinstance(each, kind))


def _by_samples(model: Any) -> Iterator[Any]:
    """Layers of tf-keras (TimeDistributed) that loop where the batch is known, as in a trace."""
    return (each for each in model._flatten_layers() if hasattr(each, "_always_use_reshape"))


def _is_convolutional(layer: Any) -> bool:
    """Whether it is a ConvLSTM of tf-keras, which has a loop whatever its ``unroll`` is."""
    return any(each.__name__ == "ConvRNN" for each in type(layer).__mro__)


def _without_loops(model: Any, layers: Iterable[Any]) -> Iterator[Setting]:
    for layer in layers:
        yield from ((layer, name, value) for name, value in _of(layer, _OF_LAYERS))
        for cell in layer._flatten_layers(include_self=False):
            yield from ((cell, name, value) for name, value in _of(cell, _OF_CELLS))
    yield from ((each, "_always_use_reshape", True) for each in _by_samples(model))


def _of(owner: Any, settings: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings that an object has, as numbers or choices: a user's own cell may have a layer
    of such a name."""
    for name, value in settings.items():
        if isinstance(getattr(owner, name, None), int | float | str):
            yield name, value


@contextmanager
def _set(settings: Iterable[Setting]) -> Iterator[None]:
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


def _looped_over(model: Any, loaded: LoadedModel) -> list[int | None]:
    """The numbers of time steps of the loops that a trace meets; None where one is not known."""
    framework = keras_of(model).layers.Layer.__module__.split(".")[0]
    backend = importlib.import_module(f"{framework}.src.backend")
    run, found = backend.rnn, []

    def noted(step_function: Any, inputs: Any, *given: Any, **named: Any) -> Any:
        if not named.get("unroll"):
            sequence = import_tensorflow().nest.flatten(inputs)[0]
            found.append(sequence.shape[0 if named.get("time_major") else 1])
        return run(step_function, inputs, *given, **named)

    with _set([(backend, "rnn", noted)]):
        traced(import_tensorflow(), loaded)
    return found
