"""The parts of a quantised file that are meant for the CPU: float inputs and outputs, and what
follows the last integer operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo

_INTEGERS = ("int8", "uint8", "int16", "int4", "int2")
_FLOATS = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True)
class CpuParts:
    """``inputs`` are floats that only a QUANTIZE reads, ``outputs`` come from a DEQUANTIZE or from
    an operator of the post-processing, whose operators are ``operators``."""

    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    operators: tuple[OperatorInfo, ...] = ()

    def holds(self, part: TensorInfo | OperatorInfo) -> bool:
        """Whether *part*, an object of the same description, is one of them."""
        return any(each is part for each in (*self.inputs, *self.outputs, *self.operators))


def cpu_parts(described: ModelDescription) -> CpuParts:
    """The parts by how the file's tensors are connected.

    Post-processing is what leads from quantised tensors to outputs only, has no weights and
    computes in no quantised integers: the decoding of boxes, the best class of each pixel.
    """
    graph = _Graph(described)
    after = graph.post_processing()
    kept = [each for each in described.operators if id(each) in after]
    return CpuParts(
        tuple(each for each in described.inputs if graph.is_quantised_at_once(each)),
        tuple(each for each in described.outputs if graph.comes_from(each, after)),
        tuple(kept),
    )


class _Graph:
    """Producers and consumers of tensors. These are compared as objects: names may repeat."""

    def __init__(self, described: ModelDescription) -> None:
        self._described = described
        self._given = {id(each) for each in described.inputs}
        self._ends = {id(each) for each in described.outputs}
        self._producer: dict[int, OperatorInfo] = {}
        self._consumers: dict[int, list[OperatorInfo]] = {}
        for operator in described.operators:
            for tensor in operator.outputs:
                self._producer[id(tensor)] = operator
            for read in _moving(operator):
                self._consumers.setdefault(id(read), []).append(operator)

    def is_quantised_at_once(self, tensor: TensorInfo) -> bool:
        readers = self._consumers.get(id(tensor), [])
        return (
            tensor.dtype in _FLOATS
            and id(tensor) not in self._ends
            and bool(readers)
            and all(each.border and _is_integer(each.outputs) for each in readers)
        )

    def comes_from(self, tensor: TensorInfo, after: Mapping[int, OperatorInfo]) -> bool:
        """Whether an output, which is no quantised integer, is of the post-processing *after* the
        quantised part, or a dequantised tensor."""
        producer = self._producer.get(id(tensor))
        if producer is None or tensor.dtype in _INTEGERS:
            return False
        return id(producer) in after or (producer.border and _is_integer(_moving(producer)))

    def post_processing(self) -> dict[int, OperatorInfo]:
        """The operators by their identity: all candidates, without those that do not fit."""
        left = {id(each): each for each in self._described.operators if _may_follow(each)}
        while True:
            wrong = [at for at, each in left.items() if not self._fits(each, left)]
            if not wrong:
                return left
            for at in wrong:
                del left[at]

    def _fits(self, operator: OperatorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        """Whether all that it reads is quantised or of the part itself, and all that it gives
        stays there or leaves the file."""
        inputs = all(self._is_from_within(each, left) for each in _moving(operator))
        return inputs and all(self._stays(each, left) for each in operator.outputs)

    def _is_from_within(self, tensor: TensorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        if tensor.dtype in _INTEGERS and tensor.scales:
            return True
        producer = self._producer.get(id(tensor))
        if producer is None:
            return False
        return id(producer) in left or (producer.border and _is_integer(_moving(producer)))

    def _stays(self, tensor: TensorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        readers = self._consumers.get(id(tensor), [])
        read = bool(readers) and all(id(each) in left for each in readers)
        return read or (id(tensor) in self._ends and not readers)


def _moving(operator: OperatorInfo) -> tuple[TensorInfo, ...]:
    """What an operator reads of other operators or of the inputs."""
    return tuple(each for each in operator.inputs if each is not None and not each.constant)


def _may_follow(operator: OperatorInfo) -> bool:
    weighted = operator.weights_at is not None or operator.accumulates
    wide = not any(each.dtype in _INTEGERS for each in operator.outputs)
    return not operator.border and not weighted and wide and bool(_moving(operator))


def _is_integer(tensors: Iterable[TensorInfo]) -> bool:
    found = tuple(tensors)
    return bool(found) and all(each.dtype in _INTEGERS for each in found)
