"""Quantisation-aware training of torch modules."""

from __future__ import annotations

from pytest_edgegate.core.plan import Move


class TorchQat:
    """To be written."""

    version = 1
    packages: tuple[str, ...] = ()
    programs = ()
    moves: tuple[Move, ...] = ()


TRANSFORM = TorchQat()
