"""The order in which data without names is fed: that of the model under test."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import TracebackType

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import bare_name, input_names
from pytest_edgegate.data.splits import Array

_NUMBERED = re.compile(r"^args_(\d+)$")
"""The names that a converter of functions gives to their arguments."""

Batch = tuple[Array, ...]


@dataclass(frozen=True)
class InputOrder:
    """For each input of a file, the position of the model's input; empty if both agree."""

    positions: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.positions)

    def to_file(self, arrays: Batch) -> Batch:
        """The model's arrays in the order of the file."""
        return tuple(arrays[at] for at in self.positions) if self else arrays

    def of_model(self, tensors: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        """The file's tensors in the order of the model."""
        if not self:
            return tensors
        return tuple(tensors[self.positions.index(at)] for at in range(len(tensors)))


def input_order(model: Sequence[TensorInfo], file: Sequence[TensorInfo]) -> InputOrder | None:
    """The order by the names that both use; None if they do not share them.

    A file whose inputs are called ``args_0``, ``args_1`` ... has the order of these numbers.
    """
    wanted = [bare_name(each.name) for each in model]
    given = input_names(file, wanted)
    if len(wanted) != len(given):
        return None
    if set(wanted) == set(given) and len(set(wanted)) == len(wanted):
        return _unless_alike(tuple(wanted.index(name) for name in given))
    numbers = [int(found[1]) for found in map(_NUMBERED.match, given) if found]
    if sorted(numbers) == list(range(len(given))):
        return _unless_alike(tuple(numbers))
    return None


def _unless_alike(positions: tuple[int, ...]) -> InputOrder:
    return InputOrder(() if positions == tuple(range(len(positions))) else positions)


def interchangeable(inputs: Sequence[TensorInfo]) -> tuple[str, str] | None:
    """The names of two inputs that take each other's samples, and whose places mean nothing."""
    for one, other in combinations(inputs, 2):
        if not (one.placed and other.placed) and _take_the_same(one, other):
            return bare_name(one.name), bare_name(other.name)
    return None


def _take_the_same(one: TensorInfo, other: TensorInfo) -> bool:
    sizes = zip(one.shape[1:], other.shape[1:], strict=False)
    return (
        one.dtype == other.dtype
        and len(one.shape) == len(other.shape)
        and all(size == want or -1 in (size, want) for size, want in sizes)
    )


def without_order(
    what: str, inputs: Sequence[TensorInfo], model: Sequence[TensorInfo] = ()
) -> ConfigurationError:
    """The error for unnamed data and a model or a file, *what*, that has names and no order.

    *model*: the inputs of the model under test, if *what* is a file with other names.
    """
    one, other = interchangeable(inputs) or ("", "")
    names = [bare_name(each.name) for each in model or inputs]
    written = ", ".join(f'"{name}": ...' for name in names)
    again = f"make {what} with the input names of its model, and " if model else ""
    return ConfigurationError(
        f"edge_data gives x as a tuple, and {what} has its inputs by name, in no order of its own: "
        f"{one!r} and {other!r} take the same samples, so they could change places unnoticed",
        f"{again}give x as a dict in every split: {{{written}}}",
    )


class OrderedRunner:
    """A runner that presents the inputs of a file in the order of the model."""

    def __init__(self, runner: Runner, order: InputOrder) -> None:
        self._runner = runner
        self._order = order
        self.inputs = order.of_model(runner.inputs)
        self.outputs = runner.outputs

    def __enter__(self) -> OrderedRunner:
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.__exit__(kind, value, traceback)

    def infer(self, batch: Batch) -> Batch:
        return self._runner.infer(self._order.to_file(batch))

    def infer_raw(self, batch: Batch) -> Batch:
        return self._runner.infer_raw(self._order.to_file(batch))

    def once(self, sample: Batch) -> Callable[[], object]:
        return self._runner.once(self._order.to_file(sample))
