"""The order of axes in a converted file, relative to the model's inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Axes = tuple[int, ...] | None

CHANNELS_LAST = (0, 2, 3, 1)
CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class Layout:
    """For each input and output of a file, the order of the model's axes in it.

    ``file = numpy.transpose(model, axes)``; None where the order is the same. A channels-first
    model can become a channels-last file; the user's data keeps the model's layout.
    """

    inputs: tuple[Axes, ...] = ()
    outputs: tuple[Axes, ...] = ()

    def __bool__(self) -> bool:
        return any(axes is not None for axes in (*self.inputs, *self.outputs))

    def then(self, later: Layout) -> Layout:
        """The layout after a further conversion with the layout *later*."""
        return Layout(_chained(self.inputs, later.inputs), _chained(self.outputs, later.outputs))

    def as_lists(self) -> dict[str, list[list[int] | None]]:
        """For JSON."""
        return {
            "inputs": [None if axes is None else list(axes) for axes in self.inputs],
            "outputs": [None if axes is None else list(axes) for axes in self.outputs],
        }

    @classmethod
    def from_lists(cls, lists: dict[str, list[list[int] | None]]) -> Layout:
        """Raises ValueError, KeyError or TypeError for lists that are not permutations of axes."""

        def read(side: str) -> tuple[Axes, ...]:
            return tuple(None if axes is None else _checked(axes) for axes in lists[side])

        return cls(read("inputs"), read("outputs"))


AS_THE_MODEL = Layout()


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The inverse permutation of axes."""
    return tuple(sorted(range(len(axes)), key=lambda at: axes[at]))


def _checked(axes: Sequence[int]) -> tuple[int, ...]:
    if sorted(axes) != list(range(len(axes))):
        raise ValueError(f"{axes} is not a permutation of axes")
    return tuple(axes)


def _chained(earlier: tuple[Axes, ...], later: tuple[Axes, ...]) -> tuple[Axes, ...]:
    if not earlier or not later:
        return earlier or later
    return tuple(
        second if first is None else first if second is None else tuple(first[at] for at in second)
        for first, second in zip(earlier, later, strict=True)
    )
