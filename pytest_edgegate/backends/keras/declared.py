"""The input that a saved Keras model declares, read from its configuration without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.vetting.files import archived_config
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateError

_SHAPES = ("batch_shape", "batch_input_shape")
"""The key of a shape in Keras 3 and in Keras 2."""


def declared_input(path: Path) -> tuple[TensorInfo, ...]:
    """The input of a model that has a single one; none for other models, and for a file that can't
    be read, which its loader tells."""
    with suppress(EdgeGateError):
        layers = _inputs(archived_config(path))
        if len(layers) == 1:
            return _tensor(layers[0])
    return ()


def _inputs(config: Any) -> list[Any]:
    """The configurations of the input layers of the model itself, not of models inside it."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    found = layers if isinstance(layers, list) else []
    return [
        each.get("config")
        for each in found
        if isinstance(each, Mapping) and each.get("class_name") == "InputLayer"
    ]


def _tensor(layer: Any) -> tuple[TensorInfo, ...]:
    if not isinstance(layer, Mapping):
        return ()
    name, dtype = layer.get("name"), layer.get("dtype")
    shape: list[Any] = next((layer[key] for key in _SHAPES if isinstance(layer.get(key), list)), [])
    sizes = tuple(-1 if size is None else size for size in shape)
    if not sizes or not all(isinstance(size, int) for size in sizes):
        return ()
    if not isinstance(name, str) or not isinstance(dtype, str):
        return ()
    return (TensorInfo(name, sizes, dtype),)
