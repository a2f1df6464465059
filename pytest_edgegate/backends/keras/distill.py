"""Distillation into a Keras student."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class KerasDistill:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = KerasDistill()
