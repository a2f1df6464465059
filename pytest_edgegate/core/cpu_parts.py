"""The parts of a quantised file that are meant for the CPU: float inputs and outputs, and what
follows the last layer with weights in other numbers than quantised ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
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

    Post-processing leads from quantised tensors to outputs, through no layer with weights: the
    decoding of boxes, the best class of each pixel, the coordinates of the highest score. It begins
    where something else is computed with than quantised numbers. A softmax or a sigmoid that gives
    an output is none: it is the last layer of the model, and has an integer form.
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
        """By their identity: what computes in other numbers than quantised ones behind the last
        layer with weights, and what follows that."""
        left = self._fed_by_integers(self._before_weights())
        while wrong := [at for at, each in left.items() if not self._fits(each, left)]:
            for at in wrong:
                del left[at]
        wide = [each for each in left.values() if not _has_integers(each.outputs)]
        behind = self._reached(wide, self._readers)
        return {at: each for at, each in left.items() if at in behind}

    def _fed_by_integers(self, before: Set[int]) -> dict[int, OperatorInfo]:
        """All that is computed from quantised tensors alone, without layers with weights."""
        found: dict[int, OperatorInfo] = {}
        waiting = [
            each
            for each in self._described.operators
            if id(each) not in before and _may_follow(each)
        ]
        while more := [each for each in waiting if self._is_fed(each, found)]:
            found |= {id(each): each for each in more}
            waiting = [each for each in waiting if id(each) not in found]
        return found

    def _before_weights(self) -> set[int]:
        """The operators that a layer with weights depends on, and these layers."""
        weighted = [each for each in self._described.operators if _has_weights(each)]
        return self._reached(weighted, self._makers)

    def _reached(
        self,
        starts: Iterable[OperatorInfo],
        neighbours: Callable[[OperatorInfo], Iterable[OperatorInfo]],
    ) -> set[int]:
        """The starts and everything that is connected with them in one direction."""
        waiting = list(starts)
        found = set(map(id, waiting))
        while waiting:
            for each in neighbours(waiting.pop()):
                if id(each) not in found:
                    found.add(id(each))
                    waiting.append(each)
        return found

    def _readers(self, operator: OperatorInfo) -> Iterable[OperatorInfo]:
        return (each for tensor in operator.outputs for each in self._consumers.get(id(tensor), ()))

    def _makers(self, operator: OperatorInfo) -> Iterable[OperatorInfo]:
        made = (self._producer.get(id(each)) for each in _moving(operator))
        return (each for each in made if each is not None)

    def _fits(self, operator: OperatorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        """Whether all that it reads is quantised or of the part itself, somebody takes what it
        gives, and no output that is quantised again depends on it."""
        if operator.activates and any(id(each) in self._ends for each in operator.outputs):
            return False  # the last layer of the model itself, which was left in float
        inputs = self._is_fed(operator, left)
        taken = any(
            id(each) in self._ends or id(each) in self._consumers for each in operator.outputs
        )
        return inputs and taken and not self._is_quantised_again(operator)

    def _is_quantised_again(self, operator: OperatorInfo) -> bool:
        behind = self._reached([operator], self._readers)
        ends = (
            tensor
            for each in self._described.operators
            if id(each) in behind
            for tensor in each.outputs
            if id(tensor) in self._ends
        )
        return any(each.dtype in _INTEGERS and each.scales for each in ends)

    def _is_fed(self, operator: OperatorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        return all(self._is_from_within(each, left) for each in _moving(operator))

    def _is_from_within(self, tensor: TensorInfo, left: Mapping[int, OperatorInfo]) -> bool:
        if tensor.dtype in _INTEGERS and tensor.scales:
            return True
        producer = self._producer.get(id(tensor))
        if producer is None:
            return False
        return id(producer) in left or (producer.border and _is_integer(_moving(producer)))


def _moving(operator: OperatorInfo) -> tuple[TensorInfo, ...]:
    """What an operator reads of other operators or of the inputs."""
    return tuple(each for each in operator.inputs if each is not None and not each.constant)


def _may_follow(operator: OperatorInfo) -> bool:
    return not operator.border and not _has_weights(operator) and bool(_moving(operator))


def _has_weights(operator: OperatorInfo) -> bool:
    return operator.weights_at is not None or operator.accumulates


def _has_integers(tensors: Iterable[TensorInfo]) -> bool:
    return any(each.dtype in _INTEGERS for each in tensors)


def _is_integer(tensors: Iterable[TensorInfo]) -> bool:
    found = tuple(tensors)
    return bool(found) and all(each.dtype in _INTEGERS for each in found)
