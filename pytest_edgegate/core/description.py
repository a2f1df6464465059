"""The content of a model file: tensors, operators, counts."""

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
    state: bool = False
    """Whether it keeps its value from one inference to the next."""
    argument: str = ""
    """The name that the file's signature gives it, which may not be that of the tensor."""
    placed: bool = True
    """For an input, whether its place among the others is that of the model: False in a format
    that knows inputs by name, and whose converters sort or shuffle them."""
    allocated: tuple[int, ...] = ()
    """The fixed shape that a file names beside a dynamic one, in which it runs if nobody asks for
    another; empty if it names none."""
    looked_up: bool = False
    """For an input of floats, whether the model casts them to integers and looks these up in a
    table: they are ids."""

    @property
    def dynamic(self) -> bool:
        """Whether a device that fixes its shapes can't take it: a batch that the file leaves free
        and allocates for some number of samples is fixed."""
        free = [at for at, size in enumerate(self.shape) if size < 0]
        return bool(free) and not (free == [0] and self.allocated[:1] > (0,))

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True)
class Origin:
    """The part of a model that leaves an operator which a target does not take."""

    cause: str
    """What leaves it, as the probable cause of a red verdict."""
    remedy: str


@dataclass(frozen=True)
class OperatorInfo:
    """An operator in the order of execution. An absent optional input is None."""

    index: int
    kind: str
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...]
    options: tuple[tuple[str, object], ...] = ()
    version: int = 1
    """That of the operator in its format, for a format in which each has its own."""
    border: bool = False
    """Whether it only converts between dtypes, so that its input or output may be float."""
    rearranges: bool = False
    """Whether it only gives the values of its first input another shape or order."""
    accumulates: bool = False
    """Whether it multiplies and accumulates, the work that int8 speeds up."""
    activates: bool = False
    """Whether it is an activation that models end in, a softmax or a sigmoid."""
    weights_at: int | None = None
    """The position of the weight among ``inputs``, if it multiplies by one."""
    origin: Origin | None = None
    """The part of the model that it comes from, if its format shows that."""

    @property
    def name(self) -> str:
        """The kind and the output tensor, as a model viewer shows them."""
        made = self.outputs[0].name if self.outputs else "no output"
        return f"{self.kind} #{self.index} ({made})"

    @property
    def name_of_output(self) -> tuple[str, str]:
        """Its kind and its first output: what stays of it in a file that was compiled from its
        own, where operators have other numbers."""
        return self.kind, self.outputs[0].name if self.outputs else ""

    def option(self, name: str, default: object = None) -> object:
        return dict(self.options).get(name, default)


@dataclass(frozen=True)
class KeptState:
    """State that a file keeps from one inference to the next."""

    operators: tuple[str, ...]
    """The kinds of operators that keep it."""
    reset: str
    """The call that resets it."""


UNKNOWN_SIZE = "unknown"


@dataclass(frozen=True)
class CompiledFor:
    """The chip that a file was compiled for: nothing else runs it, and its operators are hidden."""

    chip: str
    """With its article."""
    operator: str
    """The kind of the operator that holds the program of the chip."""
    machine: str
    """What the ``machine`` of a target with that chip has in its name, without its punctuation."""
    board: str = ""
    """A built-in target that has the chip, if there is one."""
    size: str = ""
    """The one of a family of chips that the program names, of which no other runs it;
    ``UNKNOWN_SIZE`` where it names none that is known, and empty for a chip of one size."""


@dataclass(frozen=True)
class ExecutedOperator:
    """An operator as a runtime runs it: after fusion, replacement and assignment to a device."""

    kind: str
    name: str
    device: str
    """The execution provider or device that ran it."""
    falls_back: bool = False
    """Whether it ran on another device than requested."""
    runs_in_float: bool = False
    """Whether it multiplies and accumulates in float."""


@dataclass(frozen=True)
class HeldTwice:
    """Weights of a file that hold the values of other weights in it, as of layers that share
    them."""

    names: tuple[str, ...] = ()
    size_bytes: int = 0
    """The bytes of the second and any further ones."""


@dataclass(frozen=True)
class SignatureInfo:
    """An entry point of a file that has several."""

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    gated: bool = False
    """Whether it is the one that the description is about, and that a runtime runs."""
    runnable: bool = False
    """Whether its inputs are numbers and its operators those of the format, so that zeros can be
    fed to it."""

    def __str__(self) -> str:
        given, made = (", ".join(map(_shown, each)) for each in (self.inputs, self.outputs))
        return f"{self.name} ({given} -> {made})"


def _shown(tensor: TensorInfo) -> str:
    return f"{tensor.argument or tensor.name} {tensor.dtype} {list(tensor.shape)}"


@dataclass(frozen=True)
class Conversion:
    """What to write where a file of a format is made, for remedies about third-party files."""

    int8: str = "quantise what those layers take, multiply by and give, where the file is made"
    """Makes all layers int8."""
    io: str = "make the inputs and outputs {dtype} where the file is made"
    """Sets the dtype of inputs and outputs; may use {dtype}, which is numpy's name."""
    per_tensor: str = "quantise the fully connected layers again with one scale for each tensor"
    """Quantises dense layers as targets without scales per channel take them."""
    symmetric: str = "quantise again with zero points of 0 and biases in float"
    """Quantises as targets with symmetric activations take it."""


@dataclass(frozen=True)
class ModelDescription:
    """The content of a file. ``uncounted`` names the operators whose MACs are not known."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    parameters: int
    macs: int
    uncounted: tuple[str, ...] = ()
    mixed: bool = False
    """True for a format whose runtimes mix float and integer operators, so that an int8 file may
    keep operators in float that do not multiply and accumulate."""
    fully_quantized: bool = False
    """True if no operator computes in float and every weight is an integer."""
    conversion: Conversion = Conversion()
    """The words of the format's converter."""
    state: KeptState | None = None
    by_range: tuple[str, ...] = ()
    """The kinds of operators that quantise by the range of all samples in a batch."""
    signatures: tuple[SignatureInfo, ...] = ()
    """The signatures that the file names; none in a format that has no such names."""
    compiled: CompiledFor | None = None

    @property
    def beside_the_chip(self) -> tuple[OperatorInfo, ...]:
        """The operators that the file shows: of a compiled one, those left to the CPU."""
        hidden = None if self.compiled is None else self.compiled.operator
        return tuple(each for each in self.operators if each.kind != hidden)

    @property
    def is_float(self) -> bool:
        """Whether no weight and no activation is quantised, so that only rounding separates it
        from its model."""
        if self.fully_quantized or any(each.scales for each in (*self.inputs, *self.outputs)):
            return False
        operators = self.operators
        tensors = [one for each in operators for one in (*each.inputs, *each.outputs)]
        return not any(each is not None and each.scales for each in tensors) and not any(
            map(_has_integer_weights, operators)
        )


def _has_integer_weights(operator: OperatorInfo) -> bool:
    weights = None if operator.weights_at is None else operator.inputs[operator.weights_at]
    return weights is not None and weights.dtype.startswith(("int", "uint"))
