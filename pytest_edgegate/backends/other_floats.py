"""Refuses models that compute in other floats than float32, which recipes start from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel

OTHER_FLOATS = ("float16", "bfloat16", "float64")
_MULTIPLYING = frozenset(
    {
        "BatchMatMulV2",
        "BatchMatMulV3",
        "Conv2D",
        "Conv2DBackpropInput",
        "Conv3D",
        "DepthwiseConv2dNative",
        "Einsum",
        "MatMul",
    }
)
_REMEDY = (
    "build the model in float32 and move its weights: keras.config.set_dtype_policy('float32') "
    "before it is built (tf-keras: tf_keras.mixed_precision.set_global_policy), then "
    "new.set_weights(old.get_weights()); Cast('float16') makes the file small again"
)


def refuse_other_layers(name: str, loaded: LoadedModel) -> None:
    """Refuses a Keras model with layers that compute in another float, by its dtype policies.

    Raises UnsupportedError.
    """
    for layer in _layers(loaded.framework_model):
        dtype = str(getattr(layer, "compute_dtype", ""))
        if dtype in OTHER_FLOATS:
            raise _refused(name, dtype, f"its layer {layer.name!r}")


def refuse_other_graph(name: str, graph: Any, dtypes: Collection[str] = OTHER_FLOATS) -> None:
    """Refuses a graph of TensorFlow that multiplies in one of the *dtypes*. Raises
    UnsupportedError."""
    for each in graph.get_operations():
        dtype = each.outputs[0].dtype.name if each.type in _MULTIPLYING else ""
        if dtype in dtypes:
            raise _refused(name, dtype, f"its {each.type} {each.name!r}")


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _refused(name: str, dtype: str, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} computes in {dtype} ({where}: mixed precision, or a dtype policy), and recipes "
        "start from float32",
        _REMEDY,
    )
