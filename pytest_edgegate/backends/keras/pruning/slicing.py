"""Rebuilds a model without the removed channels, layer by layer, with the remaining weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.backends.keras.copying import Cloner, carry_over
from pytest_edgegate.backends.keras.pruning.channels import Channels
from pytest_edgegate.backends.keras.pruning.choosing import Mask
from pytest_edgegate.backends.keras.pruning.cuts import Cut
from pytest_edgegate.backends.keras.pruning.graph import Shape, graph_of
from pytest_edgegate.backends.keras.pruning.tracing import Trace
from pytest_edgegate.backends.keras.tensorflow import import_keras

Weights = NDArray[Any]


def without(model: Any, trace: Trace, stays: Mask) -> Any:
    """A new model of the same names, inputs and outputs, with only the channels that stay.

    *model* is left as it is. With all channels staying, the new one is its copy.
    """
    slicer = _Slicer(import_keras(), trace, stays)
    made = slicer.model(model)
    slicer.fill()
    return made


class _Slicer:
    def __init__(self, keras: ModuleType, found: Trace, stays: Mask) -> None:
        self._keras = keras
        self._cloner = Cloner(keras)
        self._found = found
        self._stays = stays
        self._twins: dict[int, tuple[Any, Any]] = {}

    def model(self, model: Any) -> Any:
        return self._keras.models.clone_model(model, clone_function=self._twin)

    def _twin(self, layer: Any) -> Any:
        """The new layer for an old one, the same one for every call of it."""
        if id(layer) not in self._twins:
            make = self._layer if graph_of(layer) is None else self._inner
            self._twins[id(layer)] = (layer, make(layer))
        return self._twins[id(layer)][1]

    def _inner(self, model: Any) -> Any:
        """A model inside the model, whose inputs have as many channels as stay of them."""
        graph: Any = graph_of(model)
        counts = [len(self._staying(each)) for each in self._found.inputs[id(model)]]
        flat = [
            self._keras.Input(
                batch_shape=_resized(each.shape, count), dtype=each.dtype, name=each.name
            )
            for each, count in zip(graph.inputs, counts, strict=True)
        ]
        inputs = self._keras.tree.pack_sequence_as(graph.input, flat)
        return self._keras.models.clone_model(model, inputs, clone_function=self._twin)

    def _layer(self, layer: Any) -> Any:
        fields = self._cut(layer).fields
        if not fields:
            return self._cloner.clone(layer)
        config = layer.get_config()
        for name, each in fields.items():
            config[name] = each.value(len(self._staying(each.channels)))
        return type(layer).from_config(config)

    def fill(self) -> None:
        """Copies what stays of every weight."""
        for old, new in self._twins.values():
            if graph_of(old) is not None or not hasattr(old, "weights"):
                continue
            axes = self._cut(old).weights
            if not axes:
                carry_over(old, new)
                continue
            for one, other in zip(old.weights, new.weights, strict=True):
                other.assign(self._slice(np.asarray(one), axes[one.name]))

    def _slice(self, value: Weights, axes: Mapping[int, Channels]) -> Weights:
        for axis, channels in axes.items():
            value = value.take(self._staying(channels), axis)
        return value

    def _cut(self, layer: Any) -> Cut:
        found = self._found.layers.get(id(layer))
        return Cut() if found is None else found.cut

    def _staying(self, channels: Channels) -> NDArray[np.int64]:
        """The places of the channels that stay."""
        places: NDArray[np.int64] = np.flatnonzero(self._stays[channels])
        return places


def _resized(shape: Shape, count: int) -> Shape:
    """The shape with so many channels; one without a fixed number stays as it is."""
    return (*shape[:-1], count) if count else shape
