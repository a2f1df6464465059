"""Distillation into a torch student."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class TorchDistill:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = TorchDistill()
