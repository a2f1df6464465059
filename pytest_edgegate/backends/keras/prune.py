"""Filters removed from Keras models, fine-tuned."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class KerasPrune:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = KerasPrune()
