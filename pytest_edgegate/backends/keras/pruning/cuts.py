"""The places of channels in a layer, and the arguments and results of layer rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.backends.keras.pruning.channels import Channels, Ledger
from pytest_edgegate.backends.keras.pruning.graph import Shape


class NotCoveredError(Exception):
    """Channels can't be followed through the layer; the text gives the reason."""


@dataclass(frozen=True)
class Tensor:
    """A tensor with its channels, empty if its last axis has no fixed size."""

    channels: Channels
    shape: Shape


@dataclass(frozen=True)
class Resized:
    """A field of a layer's configuration that depends on how many of *channels* stay."""

    channels: Channels
    value: Callable[[int], object] = int


@dataclass(frozen=True)
class Cut:
    """The places of channels in a layer.

    ``weights``: by the weight's name and axis. ``fields``: in its configuration. ``filters``: the
    weight and its axis whose slices make the channels of the output.
    """

    weights: Mapping[str, Mapping[int, Channels]] = field(default_factory=dict)
    fields: Mapping[str, Resized] = field(default_factory=dict)
    filters: tuple[str, int] | None = None

    @property
    def maps(self) -> dict[tuple[str, int], Channels]:
        """Every map in it, by what it is the map of."""
        axes = {
            (name, axis): channels
            for name, by_axis in self.weights.items()
            for axis, channels in by_axis.items()
        }
        return axes | {(name, 0): each.channels for name, each in self.fields.items()}


@dataclass(frozen=True)
class Given:
    """The arguments of a rule: a call of a layer."""

    layer: Any
    inputs: tuple[Tensor, ...]
    shape: Shape
    """The shape of its output."""
    ledger: Ledger

    @property
    def channels(self) -> Channels:
        """Those of its only input."""
        if len(self.inputs) != 1:
            raise NotCoveredError("has more than one input")
        return self.inputs[0].channels

    @property
    def width(self) -> int:
        """The number of channels of its output."""
        return self.shape[-1] or 0


Rule = Callable[[Given], tuple[Channels, Cut]]
"""Returns the channels of the output and the cut of the layer. Raises NotCoveredError."""


def described(layer: Any, what: str) -> str:
    """A layer's name in reasons, with its effect."""
    return f"{layer.name} ({type(layer).__name__}) {what}"
