"""The values that a pass feeds to a model's inputs, against what its quantised inputs can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.data.feeding import bare_name, real_range
from pytest_edgegate.data.splits import Array

_LOOKED_AT = 4_096
"""The number of values of a batch from which the commonest value of an input is estimated."""
_KEPT = 16
"""The number of clipped values of a batch whose counts are kept apart."""


Held = Mapping[str, TensorInfo]
"""The quantised inputs of a file by name, as from ``held_inputs``."""
NOT_QUANTISED: Held = MappingProxyType({})


@dataclass(frozen=True)
class FedInput:
    """The values that one input got in a pass: its smallest, its largest, their number."""

    name: str
    low: float
    high: float
    values: int
    clipped: int = 0
    """How many are more than one step outside what the quantised input can hold. The input's
    single commonest value is not counted: padding, or a mark for missing values."""

    @property
    def share(self) -> float:
        """The share of clipped values."""
        return self.clipped / self.values if self.values else 0.0


def held_inputs(described: ModelDescription, artifact: Artifact) -> dict[str, TensorInfo]:
    """The quantised inputs of a file by name, each as the file quantises it.

    That is the input itself, or the output of the operator that quantises it and alone reads it,
    behind operators that only rearrange values. Where a format has no scale there (a FakeQuantize
    of OpenVINO), it is the range that the artifact was calibrated for, which includes 0.
    """
    ranges = {} if artifact.dtype != "int8" else artifact.provenance.get("calibration_ranges") or {}
    found = {}
    for each in described.inputs:
        name, made = bare_name(each.name), _held(each, described)
        if made is not None and is_quantised(made):
            found[name] = made
        elif made is not None and name in ranges:
            found[name] = _calibrated(each, *ranges[name])
    return found


def _held(given: TensorInfo, described: ModelDescription) -> TensorInfo | None:
    """The quantised form of an input; one without scales if the format has none."""
    while not given.scales:
        readers = [
            each
            for each in described.operators
            if any(one is not None and one.name == given.name for one in each.inputs)
        ]
        if len(readers) != 1 or len(readers[0].outputs) != 1:
            return None
        reader = readers[0]
        if reader.border:
            return reader.outputs[0]
        if not reader.rearranges or reader.outputs[0].name == given.name:
            return None
        given = reader.outputs[0]
    return given


def _calibrated(given: TensorInfo, low: float, high: float) -> TensorInfo:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero = round(-low / scale) if scale else 0
    return replace(given, dtype="uint8", scales=(scale,), zero_points=(zero,))


def is_quantised(tensor: TensorInfo) -> bool:
    """Whether a tensor is integer with one scale for real values."""
    return tensor.dtype.startswith(("int", "uint")) and len(tensor.scales) == 1


class FedCounter:
    """Counts the values of each input batch by batch."""

    def __init__(self, inputs: Sequence[TensorInfo], held: Held) -> None:
        """*inputs*: those of the runner, in its order."""
        names = [bare_name(each.name) for each in inputs]
        self._inputs = [_Counted(name, held.get(name)) for name in names]

    def add(self, arrays: Sequence[Array]) -> None:
        """One array of shape (n, ...) for each input, in real values."""
        for counted, array in zip(self._inputs, arrays, strict=True):
            counted.add(array)

    @property
    def fed(self) -> tuple[FedInput, ...]:
        """The inputs whose values are numbers."""
        return tuple(each.fed for each in self._inputs if each.values)


class _Counted:
    """One input."""

    def __init__(self, name: str, held: TensorInfo | None) -> None:
        self._name = name
        self.values = 0
        self._low, self._high = np.inf, -np.inf
        self._clipped = 0
        self._by_value: Counter[float] = Counter()
        self._sampled: Counter[float] = Counter()
        self._ends: tuple[float, float] | None = None
        if held is not None:
            least, most = real_range(held)
            self._ends = least - held.scales[0], most + held.scales[0]

    def add(self, array: Array) -> None:
        if array.dtype.kind not in "iuf" or not array.size:
            return
        low, high = float(array.min()), float(array.max())
        # np.minimum keeps NaN, which Python's min drops or keeps by its place
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self.values += array.size
        if self._ends is not None and (low < self._ends[0] or high > self._ends[1]):
            self._count_clipped(array, *self._ends)

    def _count_clipped(self, array: Array, least: float, most: float) -> None:
        flat = array.ravel()
        outside = flat[(flat < least) | (flat > most)]
        self._clipped += outside.size
        self._by_value.update(dict(_counts(outside).most_common(_KEPT)))
        some = flat
        if flat.size > _LOOKED_AT:
            some = flat[np.random.default_rng(0).integers(0, flat.size, _LOOKED_AT)]
        self._sampled.update(_counts(some))

    @property
    def fed(self) -> FedInput:
        common = self._sampled.most_common(1)[0][0] if self._sampled else None
        uncounted = 0 if common is None else self._by_value[common]
        clipped = self._clipped - uncounted
        return FedInput(self._name, float(self._low), float(self._high), self.values, clipped)


def _counts(values: Array) -> Counter[float]:
    found, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))
