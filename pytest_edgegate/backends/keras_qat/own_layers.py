"""Layers that tensorflow-model-optimization doesn't know, and where it quantises their outputs.

A sum and a product have ranges of their own, unlike what TFLite computes in one operator with the
ReLU behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

SHIFT, SCALE, HARD_SWISH, FUSED_RELU = "Shift", "Scale", "HardSwish", "FusedReLU"
"""A constant added, a constant multiplied with, x relu6(x + 3) / 6 as one operator, and a ReLU in
the operator of the layer before it."""
FUSING = ("Conv2D", "DepthwiseConv2D", "Dense", SHIFT, SCALE, "Multiply", "Subtract")
"""Layers whose operators take in a ReLU that alone takes their outputs."""
_QUANTISED = (SHIFT, SCALE, HARD_SWISH, FUSED_RELU, "Multiply", "Subtract")
"""Layers whose outputs are quantised here."""


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

    class FusedReLU(tf_keras.layers.ReLU):  # type: ignore[misc]
        """By another name: tensorflow-model-optimization leaves the weights of what is before a
        ReLU in float."""

    return {SHIFT: Shift, SCALE: Scale, HARD_SWISH: HardSwish, FUSED_RELU: FusedReLU}


def annotated(tf_keras: Any, tfmot: Any, model: Any) -> Any:
    """The model with all layers marked for quantisation, these with where it takes place.

    To be called in a ``quantize_scope`` with ``own_layers``.
    """
    quantization = tfmot.quantization.keras
    return tf_keras.models.clone_model(
        model,
        clone_function=lambda layer: quantization.quantize_annotate_layer(layer, _config(layer)),
    )


def _config(layer: Any) -> Any:
    """Where a layer is quantised; None for the scheme of tensorflow-model-optimization."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as configs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registry,
    )

    kind, takers = type(layer).__name__, [each.layer for each in layer.outbound_nodes]
    fused = any(type(each).__name__ == FUSED_RELU for each in takers)
    if kind in _QUANTISED:
        return configs.Default8BitOutputQuantizeConfig(not fused)
    if not fused:
        return None
    if kind == "Dense":
        return registry.Default8BitQuantizeConfig(["kernel"], [], False)
    kernel = "kernel" if kind == "Conv2D" else "depthwise_kernel"
    return registry.Default8BitConvQuantizeConfig([kernel], [], False)
