"""Quantisation-aware training of Keras models, to int8 .tflite."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class LitertQatFromKeras:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = LitertQatFromKeras()
