"""Layers that tensorflow-model-optimization doesn't know, and where it quantises their outputs.

A sum and a product have ranges of their own, unlike what TFLite computes in one operator with the
ReLU behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

SHIFT, SCALE, HARD_SWISH = "Shift", "Scale", "HardSwish"
"""A constant added, a constant multiplied with, and x relu6(x + 3) / 6 as one operator."""
_QUANTISED = (SHIFT, SCALE, HARD_SWISH, "Multiply", "Subtract")
"""Layers whose outputs are quantised here."""
_FUSING = (SHIFT, SCALE, "Multiply", "Subtract")
"""Layers whose operators take in a ReLU."""
_FUSED = (None, 6.0)
"""The bounds of the ReLUs that they take in."""


@cache
def own_layers(tf_keras: Any) -> Mapping[str, type]:
    """The classes of these layers, by their names."""
    import tensorflow as tf

    class Shift(tf_keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, value: Any, **options: Any) -> None:
            super().__init__(**options)
            self._value = np.asarray(value, np.float32)

        def call(self, inputs: Any) -> Any:
            return inputs + self._value

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "value": self._value.tolist()}

    class Scale(Shift):
        def call(self, inputs: Any) -> Any:
            return inputs * self._value

    class HardSwish(tf_keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * tf.nn.relu6(inputs + 3.0) * (1 / 6)

    return {SHIFT: Shift, SCALE: Scale, HARD_SWISH: HardSwish}


def annotated(tf_keras: Any, tfmot: Any, model: Any) -> Any:
    """The model with all layers marked for quantisation, these with where it takes place.

    To be called in a ``quantize_scope`` with ``own_layers``.
    """
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as configs,
    )

    ends = {id(each) for each in model.outputs}

    def mark(layer: Any) -> Any:
        if type(layer).__name__ not in _QUANTISED:
            return tfmot.quantization.keras.quantize_annotate_layer(layer)
        own = configs.Default8BitOutputQuantizeConfig(not _is_fused(layer, ends))
        return tfmot.quantization.keras.quantize_annotate_layer(layer, own)

    return tf_keras.models.clone_model(model, clone_function=mark)


def _is_fused(layer: Any, ends: set[int]) -> bool:
    """Whether TFLite computes the layer in one operator with the ReLU that alone takes it."""
    if type(layer).__name__ not in _FUSING or len(layer.inbound_nodes) != 1:
        return False
    if len(layer.outbound_nodes) != 1 or id(layer.output) in ends:
        return False
    taker = layer.outbound_nodes[0].layer
    if type(taker).__name__ == "Activation":
        return bool(taker.get_config()["activation"] == "relu")
    return type(taker).__name__ == "ReLU" and bool(
        taker.max_value in _FUSED and not taker.negative_slope and not taker.threshold
    )
