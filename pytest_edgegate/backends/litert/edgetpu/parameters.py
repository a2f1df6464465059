"""Predicts the bytes of parameters that the Edge TPU caches on the chip, and those it streams."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import prod
from typing import Any

from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.mapping.tensors import moving, size_in_bytes

_FILE = "parameters.toml"
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_FEW = range(2, 8)
"""Numbers of output channels that were not seen."""
_SEEN_CLASSES = 1_001
_OTHERS = "others"


@dataclass(frozen=True)
class ParameterRules:
    """The rules of the file: its tables, as they are."""

    name: str
    layout: Mapping[str, Any]
    memory: Mapping[str, Any]
    operators: Mapping[str, str]
    guesses: Mapping[str, str]


@cache
def rules() -> ParameterRules:
    """The rules that come with this package."""
    text = resources.files(__package__).joinpath(_FILE).read_text("utf-8")
    table = tomllib.loads(text)
    return ParameterRules(
        table["name"], table["layout"], table["memory"], table["operators"], table["guesses"]
    )


@dataclass(frozen=True)
class Parameters:
    """Bytes of parameters, and what is not certain about them."""

    cached: int
    streamed: int
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Bytes:
    """Those of one operator."""

    cached: int = 0
    streamed: int = 0
    guess: str = ""


def parameters(mapped: Iterable[OperatorInfo]) -> Parameters:
    """The bytes of the operators that are mapped to the chip."""
    operators = tuple(mapped)
    layout = _Layout(rules(), _scales(operators))
    found = [(each, layout.of(each)) for each in operators]
    cached = sum(each.cached for _, each in found)
    streamed = sum(each.streamed for _, each in found)
    guesses: dict[str, str] = {}
    for operator, each in found:
        if each.guess:
            guesses.setdefault(each.guess, f"{operator.kind} #{operator.index}: {each.guess}")
    if len(_scales(operators)) > 1:
        guesses["mixed"] = layout.guess("mixed_scales")
    found_in_all = Parameters(cached, streamed, tuple(guesses.values()))
    return _in_memory(found_in_all, _activations(operators))


def _activations(operators: Iterable[OperatorInfo]) -> int:
    """The most bytes that the inputs and outputs of one operator take together."""
    return max((sum(map(size_in_bytes, moving(each))) for each in operators), default=0)


def _in_memory(found: Parameters, activations: int) -> Parameters:
    """What does not fit on the chip is streamed; the activations lie there, too."""
    memory = rules().memory
    if not found.cached or found.cached + activations <= memory["certain"]:
        return found
    kept = min(found.cached, int(memory["bytes"]))
    streamed = found.streamed + found.cached - kept
    return Parameters(kept, streamed, (*found.guesses, str(memory["guess"])))


def _scales(operators: Iterable[OperatorInfo]) -> frozenset[bool]:
    """Whether the weights of convolutions have a scale for each channel, which one decides for all
    of a file."""
    weights = (each.inputs[1] for each in operators if each.kind in _CONVOLUTIONS)
    return frozenset(each.per_channel for each in weights if each is not None)


class _Layout:
    """How the parameters of an operator lie on the chip."""

    def __init__(self, found: ParameterRules, per_channel: frozenset[bool]) -> None:
        self._rules = found
        self._per_channel = any(per_channel)
        self._of: Mapping[str, Callable[[OperatorInfo], _Bytes]] = {
            "convolution": self._convolution,
            "depthwise": self._depthwise,
            "dense": self._dense,
            "softmax": self._softmax,
            "elementwise": self._elementwise,
            "none": lambda operator: _Bytes(),
        }

    def of(self, operator: OperatorInfo) -> _Bytes:
        known, guesses = self._rules.operators, self._rules.guesses
        found = self._of[known.get(operator.kind, "none")](operator)
        guess = guesses.get(operator.kind, "")
        if operator.kind not in known:
            guess = guess or guesses[_OTHERS]
        if known.get(operator.kind) == "elementwise" and not found.streamed:
            guess = ""  # it has no constant
        return _Bytes(found.cached, found.streamed, guess or found.guess)

    def guess(self, name: str) -> str:
        return str(self._rules.layout["guesses"][name])

    def _size(self, name: str) -> int:
        return int(self._rules.layout[name])

    def _convolution(self, operator: OperatorInfo) -> _Bytes:
        """Of weights [outputs, height, width, inputs]."""
        shape = _weights(operator, 4)
        if shape is None:
            return _Bytes()
        outputs, height, width, inputs = shape
        taps = height * width * _up(inputs, self._size("inputs"))
        return self._weighted(operator, outputs, taps, per_channel=self._per_channel)

    def _depthwise(self, operator: OperatorInfo) -> _Bytes:
        """Of weights [1, height, width, channels]: each tap takes as many bytes as some inputs."""
        shape = _weights(operator, 4)
        if shape is None:
            return _Bytes()
        _, height, width, channels = shape
        step = self._size("inputs")
        more, guess = self._beside(operator, per_channel=self._per_channel)
        size = _up(channels, step) * (height * width * step + more)
        return _Bytes(_up(size, self._size("alignment")), guess=guess)

    def _dense(self, operator: OperatorInfo) -> _Bytes:
        """Of weights [outputs, inputs]."""
        shape = _weights(operator, 2)
        if shape is None:
            return _Bytes()
        outputs, inputs = shape
        weights = operator.inputs[1]
        per_channel = weights is not None and weights.per_channel
        taps = _up(inputs, self._size("inputs"))
        return self._weighted(operator, outputs, taps, per_channel=per_channel)

    def _weighted(
        self, operator: OperatorInfo, outputs: int, taps: int, *, per_channel: bool
    ) -> _Bytes:
        more, guess = self._beside(operator, per_channel=per_channel)
        size = self._rounded(outputs) * (taps + more)
        few = self.guess("few_outputs") if outputs in _FEW else ""
        return _Bytes(_up(size, self._size("alignment")), guess=few or guess)

    def _beside(self, operator: OperatorInfo, *, per_channel: bool) -> tuple[int, str]:
        """The bytes for each output channel beside its weights."""
        biased = not operator.option("zero_bias", True)
        scale = self._size("per_channel") if per_channel else 0
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] is not None
        guess = self.guess("zero_bias") if has_bias and not biased else ""
        return scale + (self._size("bias") if biased else 0), guess

    def _rounded(self, outputs: int) -> int:
        for most, step in self._rules.layout["outputs"]:
            if outputs <= most:
                return _up(outputs, int(step))
        return _up(outputs, self._size("more_outputs"))

    def _softmax(self, operator: OperatorInfo) -> _Bytes:
        shape = operator.outputs[0].shape if operator.outputs else ()
        classes = max(shape[-1], 0) if shape else 0
        block = self._size("alignment")
        tables = self._size("softmax_tables") * _up(self._size("softmax_entry") * classes, block)
        guess = self.guess("softmax") if classes != _SEEN_CLASSES else ""
        return _Bytes(tables + block, guess=guess)

    def _elementwise(self, operator: OperatorInfo) -> _Bytes:
        """Constants, which are streamed."""
        block, smallest = self._size("alignment"), self._size("smallest_constant")
        sizes = (each for each in map(_size_of, _constants(operator)) if each >= smallest)
        return _Bytes(streamed=sum(_up(each, block) + block for each in sizes))


def _constants(operator: OperatorInfo) -> Iterator[TensorInfo]:
    return (each for each in operator.inputs if each is not None and each.constant)


def _size_of(tensor: TensorInfo) -> int:
    """Of a tensor of 8-bit numbers, which all are that the chip takes."""
    return prod(max(size, 0) for size in tensor.shape)


def _weights(operator: OperatorInfo, rank: int) -> tuple[int, ...] | None:
    """The shape of the weights; None where a file gives them another one than the operator has."""
    weights = operator.inputs[1] if len(operator.inputs) > 1 else None
    if weights is None or len(weights.shape) != rank or any(size < 0 for size in weights.shape):
        return None
    return weights.shape


def _up(size: int, step: int) -> int:
    """The size, rounded up to a multiple of *step*."""
    return -(-size // step) * step
