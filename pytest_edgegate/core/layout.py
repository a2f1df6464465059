"""Where a conversion has put the axes of the model's inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Axes = tuple[int, ...] | None

CHANNELS_LAST = (0, 2, 3, 1)
CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class Layout:
    """For each input and output of a file, the axes of the model's tensor that it has.

    ``file = numpy.transpose(model, axes)``; None where nothing moved. A framework that keeps the
    channels first becomes a file that keeps them last; the user's data stays as the model takes it.
    """

    inputs: tuple[Axes, ...] = ()
    outputs: tuple[Axes, ...] = ()

    def __bool__(self) -> bool:
        return any(axes is not None for axes in (*self.inputs, *self.outputs))

    def then(self, later: Layout) -> Layout:
        """The layout of a file that was made with *later* from a file of this layout."""
        return Layout(_chained(self.inputs, later.inputs), _chained(self.outputs, later.outputs))

    def as_lists(self) -> dict[str, list[list[int] | None]]:
        """For JSON."""
        return {
            "inputs": [None if axes is None else list(axes) for axes in self.inputs],
            "outputs": [None if axes is None else list(axes) for axes in self.outputs],
        }

    @classmethod
    def from_lists(cls, lists: dict[str, list[list[int] | None]]) -> Layout:
        """Raises ValueError, KeyError or TypeError for lists that are no axes."""

        def read(side: str) -> tuple[Axes, ...]:
            return tuple(None if axes is None else _checked(axes) for axes in lists[side])

        return cls(read("inputs"), read("outputs"))


AS_THE_MODEL = Layout()


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The axes that put a transposed tensor back."""
    return tuple(sorted(range(len(axes)), key=lambda at: axes[at]))


def _checked(axes: Sequence[int]) -> tuple[int, ...]:
    if sorted(axes) != list(range(len(axes))):
        raise ValueError(f"the axes of a layout are each named once, and not {axes}")
    return tuple(axes)


def _chained(earlier: tuple[Axes, ...], later: tuple[Axes, ...]) -> tuple[Axes, ...]:
    if not earlier or not later:
        return earlier or later
    return tuple(
        second if first is None else first if second is None else tuple(first[at] for at in second)
        for first, second in zip(earlier, later, strict=True)
    )
