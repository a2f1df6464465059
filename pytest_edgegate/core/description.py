"""What is written in a model file: tensors, operators, counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of a model file. ``dtype`` is numpy's name; ``shape`` has -1 where it is dynamic."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool = False
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True)
class OperatorInfo:
    """An operator in the order of execution. An absent optional input is None."""

    index: int
    kind: str
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...]
    options: tuple[tuple[str, object], ...] = ()
    border: bool = False
    """Whether it only changes the number format, so that one side of it may be float."""
    accumulates: bool = False
    """Whether it multiplies and accumulates: what an int8 artifact is made for."""
    weights_at: int | None = None
    """The position among ``inputs`` of what it multiplies by, where that is a weight."""

    @property
    def name(self) -> str:
        """The kind, and the tensor that it makes: what a user finds in a model viewer."""
        made = self.outputs[0].name if self.outputs else "no output"
        return f"{self.kind} #{self.index} ({made})"

    def option(self, name: str, default: object = None) -> object:
        return dict(self.options).get(name, default)


@dataclass(frozen=True)
class ExecutedOperator:
    """An operator as a runtime runs it: fused, replaced, and given to a provider."""

    kind: str
    name: str
    device: str
    """The execution provider or device that ran it."""
    falls_back: bool = False
    """Whether it ran on another device than the one that was asked for."""
    runs_in_float: bool = False
    """Whether it multiplies and accumulates in float."""


@dataclass(frozen=True)
class ModelDescription:
    """What an inspector read in a file. ``uncounted`` names operators whose MACs are not known."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    parameters: int
    macs: int
    uncounted: tuple[str, ...] = ()
    mixed: bool = False
    """True for a format whose runtimes run floats and integers side by side, so that an int8 file
    may keep in float what does not multiply and accumulate."""
    fully_quantized: bool = False
    """True where no operator computes in float and every weight is an integer."""
