"""A digest of the parts of a live Keras model that only training uses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.copying import copied
from pytest_edgegate.backends.keras.graph_digest import graph_digest
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.data.splits import Array


def training_identity(model: Any) -> str:
    """A hex digest of the layers' settings and of what the model computes in training.

    It is the same in every process. Names are left out, as automatic ones have a counter.
    """
    made = hashlib.sha256()
    for layer in model._flatten_layers():
        described = (type(layer).__qualname__, bool(layer.trainable), _settings(layer))
        made.update(repr(described).encode())
    made.update(_training_graph(model).encode())
    return made.hexdigest()


def _training_graph(model: Any) -> str:
    """The digest of the training outputs and the penalties, including closures and code.

    Traced on a copy, which keeps the penalties of its last call.
    """
    from pytest_edgegate.backends.keras.loading import forward_of, from_keras_model

    tf = import_tensorflow()
    try:
        copy = copied(model)
    except UnsupportedError:  # such a model can't be trained either
        return ""
    forward = forward_of(copy)

    def learnt(*tensors: Any) -> Any:
        tf.compat.v1.set_random_seed(0)  # for this graph only
        return forward(tensors, True), list(copy.losses)

    with held_native_output():
        specs = [
            tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype)
            for each in from_keras_model(copy).inputs
        ]
        graph = tf.function(learnt).get_concrete_function(*specs).graph
    return graph_digest(graph.as_graph_def())


def _settings(layer: Any) -> object:
    """The configuration of a layer; models have theirs in their layers and their graph."""
    if hasattr(layer, "layers"):
        return None
    try:
        return _plain(layer.get_config())
    except NotImplementedError:  # Keras: a layer that does not say its arguments
        return None


def _plain(value: Any) -> object:
    """A value whose ``repr`` has no address, no name and an order of its own."""
    if isinstance(value, Mapping):
        return [(str(key), _plain(value[key])) for key in sorted(value, key=str) if key != "name"]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "numpy"):
        return _array(np.asarray(value))
    return getattr(value, "__qualname__", type(value).__qualname__)


def _array(values: Array) -> tuple[str, tuple[int, ...], str]:
    return values.dtype.str, values.shape, hashlib.sha256(values.tobytes()).hexdigest()
