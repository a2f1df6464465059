"""Transposes data between the model's layout and that of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import add
from types import TracebackType

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.layout import CHANNELS_FIRST, CHANNELS_LAST, Axes, Layout, inverse
from pytest_edgegate.core.ports import Example, Runner
from pytest_edgegate.data.dataset import CalibrationSamples
from pytest_edgegate.data.feeding import arrange, bare_name, fed, input_names
from pytest_edgegate.data.runners import without_batch
from pytest_edgegate.data.splits import Array, ArraySplit


class LaidOutRunner:
    """A runner that presents a file in the layout of the model."""

    def __init__(self, runner: Runner, layout: Layout) -> None:
        self._runner = runner
        self._layout = layout
        self.inputs = as_model(runner.inputs, layout.inputs)
        self.outputs = as_model(runner.outputs, layout.outputs)

    def __enter__(self) -> LaidOutRunner:
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.__exit__(kind, value, traceback)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._back(self._runner.infer(transposed(batch, self._layout.inputs)))

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._back(self._runner.infer_raw(transposed(batch, self._layout.inputs)))

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return self._runner.once(transposed(sample, self._layout.inputs))

    def _back(self, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        axes = self._layout.outputs or (None,) * len(outputs)
        return tuple(
            array if each is None else np.transpose(array, inverse(each))
            for array, each in zip(outputs, axes, strict=True)
        )


class FedSamples:
    """Calibration samples in the order, the dtypes and the axes of a model's inputs."""

    def __init__(
        self, samples: CalibrationSamples, inputs: Sequence[TensorInfo], layout: Layout
    ) -> None:
        self._samples = samples
        self._inputs = tuple(inputs)
        self._layout = layout
        self._as_model = as_model(self._inputs, layout.inputs)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The smallest and the largest value of each float input over all samples, by its name.
        Integers, such as ids and masks, are not quantised.

        Raises ConfigurationError as iterating does.
        """
        return self._ranges(self._samples.arrays(), self._samples.names, "calibration")

    def ranges_of(self, split: ArraySplit) -> dict[str, tuple[float, float]]:
        """The same of another split for the same inputs."""
        return self._ranges(split.inputs, split.names, split.name)

    def _ranges(
        self, arrays: tuple[Array, ...], names: Sequence[str] | None, where: str
    ) -> dict[str, tuple[float, float]]:
        return {
            bare_name(each.name): (float(array.min()), float(array.max()))
            for each, array in zip(
                self._as_model, arrange(arrays, names, self._as_model, where), strict=True
            )
            if each.dtype.startswith(("float", "bfloat"))
        }

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """One tuple a sample: an array of shape (1, ...) for each input, or of the input's own
        shape where a model has no batch axis.

        Raises ConfigurationError if the samples do not fit the inputs.
        """
        for at, sample in enumerate(self._samples):
            number = partial(add, at)
            arrays = arrange(sample, self._samples.names, self._as_model, "calibration", number)
            arrays = without_batch([each.shape for each in self._as_model], arrays)
            yield tuple(
                fed(array, each)
                for array, each in zip(
                    transposed(arrays, self._layout.inputs), self._inputs, strict=True
                )
            )


def layout_by_samples(example: Example, inputs: Sequence[TensorInfo]) -> Layout:
    """The layout of a model relative to the data, derived from a sample.

    The channels of images are moved only if they fit the input in no other way.
    """
    given = dict(zip(example.names or (), example.arrays, strict=False))
    names = input_names(inputs, example.names or ())
    known = all(name in given for name in names)
    arrays = [given[name] for name in names] if known else example.arrays
    if len(arrays) != len(inputs):
        return Layout()
    return Layout(tuple(map(_channels_moved, arrays, inputs)))


def _channels_moved(array: Array, tensor: TensorInfo) -> Axes:
    if array.ndim != 4 or len(tensor.shape) != 4 or _fits(array.shape, tensor.shape):
        return None
    for axes in (CHANNELS_LAST, CHANNELS_FIRST):
        if _fits(tuple(array.shape[at] for at in axes), tensor.shape):
            return axes
    return None


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(
        size in (want, -1) or want == -1 for size, want in zip(given[1:], wanted[1:], strict=True)
    )


def transposed(arrays: tuple[Array, ...], axes: tuple[Axes, ...]) -> tuple[Array, ...]:
    """The model's arrays, transposed to the axes of the file."""
    if len(arrays) != len(axes):
        return arrays
    return tuple(
        array if each is None or array.ndim != len(each) else np.transpose(array, each)
        for array, each in zip(arrays, axes, strict=True)
    )


def as_model(tensors: tuple[TensorInfo, ...], axes: tuple[Axes, ...]) -> tuple[TensorInfo, ...]:
    """The tensors of a file, transposed to the axes of the model."""
    if len(tensors) != len(axes):
        return tensors
    return tuple(
        tensor
        if each is None or len(tensor.shape) != len(each)
        else replace(tensor, shape=tuple(tensor.shape[at] for at in inverse(each)))
        for tensor, each in zip(tensors, axes, strict=True)
    )
