"""Filters removed from torch modules, fine-tuned."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class TorchPrune:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = TorchPrune()
