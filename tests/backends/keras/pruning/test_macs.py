"""Multiply-accumulates of layers, computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgegate.backends.keras.pruning.macs import Macs, count_macs

LAYERS: dict[str, tuple[tuple[int, ...], Any, int]] = {
    # a 3x3 kernel from 2 to 5 channels at 4 x 4 positions
    "Conv2D": ((8, 8, 2), lambda of: of.Conv2D(5, 3, strides=2, padding="same"), 4 * 4 * 9 * 2 * 5),
    "Conv2D, groups": ((6, 6, 4), lambda of: of.Conv2D(6, 3, groups=2), 4 * 4 * 9 * 2 * 6),
    "Conv2D, channels first": (
        (2, 8, 6),
        lambda of: of.Conv2D(5, 3, data_format="channels_first"),
        6 * 4 * 9 * 2 * 5,
    ),
    "Conv1D": ((10, 2), lambda of: of.Conv1D(5, 3), 8 * 3 * 2 * 5),
    "Conv3D": ((4, 4, 4, 2), lambda of: of.Conv3D(5, 2), 27 * 8 * 2 * 5),
    "Conv2DTranspose": ((4, 4, 2), lambda of: of.Conv2DTranspose(5, 3, strides=2), 16 * 9 * 2 * 5),
    "DepthwiseConv2D": (
        (6, 6, 3),
        lambda of: of.DepthwiseConv2D(3, depth_multiplier=2),
        4 * 4 * 9 * 3 * 2,
    ),
    "SeparableConv2D": (
        (6, 6, 3),
        lambda of: of.SeparableConv2D(5, 3, depth_multiplier=2),
        4 * 4 * (9 * 3 * 2 + 6 * 5),
    ),
    "Dense": ((7,), lambda of: of.Dense(5), 35),
    "Dense at positions": ((4, 3, 7), lambda of: of.Dense(5), 12 * 35),
    "BatchNormalization": ((7,), lambda of: of.BatchNormalization(), 0),
    "free sizes": ((None, None, 2), lambda of: of.Conv2D(5, 3), 9 * 2 * 5),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(keras: Any, name: str) -> None:
    shape, make, expected = LAYERS[name]
    model = keras.Sequential([keras.Input(shape), make(keras.layers)])
    assert count_macs(model) == Macs(expected)


def test_every_call_counts_inside_models_too(keras: Any) -> None:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(3)])
    one, other = keras.Input((4,)), keras.Input((4,))
    x = layers.Add()([inner(one), inner(other)])
    assert count_macs(keras.Model([one, other], layers.Dense(2)(x))) == Macs(2 * (16 + 12) + 6)


def test_what_has_no_count_is_told(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((5, 2)), layers.LSTM(4, name="lstm"), layers.Dense(3)])
    assert count_macs(model) == Macs(12, ("lstm",))
