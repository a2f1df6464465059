"""Keras models without the loops of their recurrent layers: one time step after the other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_edgegate.backends.keras.copying import keras_of
from pytest_edgegate.backends.keras.recurrent import (
    Setting,
    cells_of,
    having,
    known,
    recurrent_layers,
)
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.recurrent_models import (
    Reading,
    refuse_convolutional,
    refuse_free_steps,
    refuse_too_many_steps,
)
from pytest_edgegate.backends.tf_graphs import called, freeze, trace_sample
from pytest_edgegate.core.ports import LoadedModel, Unrolled

_OF_LAYERS = {
    # tf-keras: a function with a loop and its twin for cuDNN, of which TensorFlow chooses one
    "_could_use_gpu_kernel": False,
    # Keras 3: the same choice, made by the layer
    "use_cudnn": False,
}
# One multiplication for each gate. The single one for all gates ends in a SPLIT, which the
# converter leaves in float now and then
_OF_CELLS = {"implementation": 1}
_OF_WRAPPERS = {"_always_use_reshape": True}
"""TimeDistributed of tf-keras loops over time where the batch is known, as it is in a trace."""


def unrolling_of(model: Any, loaded: LoadedModel) -> Callable[[], Unrolled] | None:
    """``LoadedModel.unrolled`` of a model of Keras 3 or tf-keras."""
    if recurrent_layers(model) or any(_of_wrappers(model)):
        return partial(unroll, model, loaded)
    return None


def unroll(model: Any, loaded: LoadedModel) -> Unrolled:
    """The model with every recurrent layer unrolled, traced for one sample.

    The layers themselves are set so while they are traced, and are as before afterwards: a model
    that is built anew could differ from the one under test.
    Raises UnsupportedError if a layer can't be unrolled or has too many time steps.
    """
    layers = recurrent_layers(model)
    refuse_convolutional(model.name, [each.name for each in layers if _is_convolutional(each)])
    rolled = [each for each in layers if not each.unroll]
    names = tuple(str(each.name) for each in rolled)
    with held_native_output(), having((*_of_layers(layers), *_of_wrappers(model))):
        steps = _looped_over(model, loaded) if rolled else []
        refuse_free_steps(model.name, names, steps)
        total = sum(filter(None, steps))
        refuse_too_many_steps(model.name, names, total, _reading(rolled))
        with having((each, "unroll", True) for each in rolled):
            frozen = freeze(import_tensorflow(), loaded)
    return Unrolled(replace(loaded, function=called(frozen)), names, total)


def _is_convolutional(layer: Any) -> bool:
    """Whether it is a ConvLSTM of tf-keras, which has a loop whatever its ``unroll`` is."""
    return any(each.__name__ == "ConvRNN" for each in type(layer).__mro__)


def _reading(layers: Iterable[Any]) -> Reading:
    """The name of the class is what the converter's pattern of a fused LSTM goes by, too."""
    found = list(layers)
    return Reading(
        others=any(type(each).__name__ != "LSTM" for each in found),
        backwards=any(each.go_backwards for each in found),
    )


def _of_layers(layers: Iterable[Any]) -> Iterator[Setting]:
    for layer in layers:
        yield from known(layer, _OF_LAYERS)
        for cell in cells_of(layer):
            yield from known(cell, _OF_CELLS)


def _of_wrappers(model: Any) -> Iterator[Setting]:
    for layer in model._flatten_layers():
        yield from known(layer, _OF_WRAPPERS)


def _looped_over(model: Any, loaded: LoadedModel) -> list[int | None]:
    """The numbers of time steps of the loops that a trace meets; None where one is not known."""
    framework = keras_of(model).layers.Layer.__module__.split(".")[0]
    backend = importlib.import_module(f"{framework}.src.backend")
    tf, run, found = import_tensorflow(), backend.rnn, []

    def noted(step_function: Any, inputs: Any, *given: Any, **named: Any) -> Any:
        if not named.get("unroll"):
            sequence = tf.nest.flatten(inputs)[0]
            found.append(sequence.shape[0 if named.get("time_major") else 1])
        return run(step_function, inputs, *given, **named)

    with having([(backend, "rnn", noted)]):
        trace_sample(tf, loaded)
    return found
