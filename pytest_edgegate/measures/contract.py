"""The target's contract, independent of accuracy: its dtypes, inputs, outputs and operators."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.cpu_parts import cpu_parts
from pytest_edgegate.core.description import (
    ExecutedOperator,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)
from pytest_edgegate.core.measurement import Finding, Measurement
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Placed
from pytest_edgegate.measures.compiled import lacking
from pytest_edgegate.measures.input_check import clipped, without_width
from pytest_edgegate.measures.offences import Offence, OffenceKind, Spot, offence_of
from pytest_edgegate.measures.providers import File, Passes
from pytest_edgegate.measures.refusals import REFUSALS
from pytest_edgegate.measures.steadiness import Conduct, Steadiness
from pytest_edgegate.measures.unmapped import LEFT_TO_THE_CPU, by_rules_alone, unmapped

_FLOATS = ("float32", "float16", "bfloat16", "float64")
_WEIGHTS = ("int8", "uint8", "int4", "int2")


_AT_THE_CPU = frozenset(
    {
        OffenceKind.INPUT_DTYPE,
        OffenceKind.OUTPUT_DTYPE,
        OffenceKind.UNQUANTISED,
        OffenceKind.UNMAPPED,
        OffenceKind.DOWNSTREAM,
    }
)
"""The kinds that parts for the CPU may have."""


def contract(file: File, passes: Passes) -> Finding:
    """Counts the offences against the target's contract."""
    broken = file.probe()
    return Measurement(len(offences(file, passes)), _source(file), nonfinite=broken)


def _source(file: File) -> str:
    """The file itself, and where operators run on a chip by our rules alone, those."""
    rules = by_rules_alone(file)
    return f"predicted:{rules}" if rules else "file"


def offences(file: File, passes: Passes) -> tuple[Offence, ...]:
    """Offences in the file, in the order of its outputs, and in how its runtime executes it."""
    expected = expected_dtype(file.artifact, file.target)
    found = [*_of_chip(file), *_untolerated(file)]
    found += (Offence(OffenceKind.NO_WIDTH, each) for each in without_width(file))
    found += (Offence(OffenceKind.MISPLACED, each) for each in passes.misplaced_outputs())
    found += (
        Offence(OffenceKind.SIGNATURE, f"signature {each.name}: {each.crashed}")
        for each in file.other_signatures()
        if each.crashed
    )
    if not file.probe():
        found += _by_batch(passes.steadiness())
        found += when_executed(file.executed(), expected, file.target)
    return tuple(found)


def _untolerated(file: File) -> Iterator[Offence]:
    """Without what the target leaves to the CPU, and what a budget on mapped_ops decides."""
    for each in _of_file(file):
        decided = each.kind in LEFT_TO_THE_CPU and file.gates_mapping
        if not decided and not _is_tolerated(each, file):
            yield each


def left_to_the_cpu(file: File) -> tuple[Offence, ...]:
    """The operators that a budget on mapped_ops decides about."""
    if not file.gates_mapping:
        return ()
    return tuple(each for each in _of_file(file) if each.kind in LEFT_TO_THE_CPU)


def clipping(passes: Passes, file: File) -> tuple[Offence, ...]:
    """Inputs that clip more than 5 % of the evaluation values: not a fault of the file alone, so
    that an accuracy that is proven within its budget outweighs it."""
    return tuple(
        Offence(OffenceKind.CLIPPED, f"{each.fed.share:.1%} of the values are clipped: {each}")
        for each in clipped(passes, file)
    )


def tolerated(file: File) -> tuple[Offence, ...]:
    """What the target does not take of a third-party file and leaves to the CPU, as its maker
    meant it: a caution."""
    return tuple(each for each in _of_file(file) if _is_tolerated(each, file))


def _of_file(file: File) -> Iterator[Offence]:
    expected = expected_dtype(file.artifact, file.target)
    return in_file(file.description(), file.target, expected, file.placed())


def _is_tolerated(offence: Offence, file: File) -> bool:
    """Whether it is about floats at the inputs and outputs of a third-party file, or behind its
    last integer operator. An artifact of the gate has none: its recipe promises the dtype."""
    if file.artifact.made or offence.part is None:
        return False
    return offence.kind in _AT_THE_CPU and cpu_parts(file.description()).holds(offence.part)


def expected_dtype(artifact: Artifact, target: Target) -> str | None:
    """The dtype that the recipe promises, otherwise the only dtype that the target takes."""
    return artifact.dtype or (target.dtypes[0] if len(target.dtypes) == 1 else None)


def in_file(
    described: ModelDescription,
    target: Target,
    expected: str | None,
    placed: Placed | None = None,
) -> Iterator[Offence]:
    """Offences that are visible in the file itself, or that a vendor's compiler found in it.

    *placed*: what the compiler said of the operators, where one was asked; else the target's rules
    predict it.
    """
    yield from _io(described, target)
    if target.static_shape:
        for tensor in (*described.inputs, *described.outputs):
            if tensor.dynamic:
                yield Offence(
                    OffenceKind.DYNAMIC_SHAPE,
                    f"{tensor.name}: dynamic shape {tensor.shape} on a target with static shapes",
                )
    numbers = tuple(_of_dtypes(described, target)) if expected == "int8" else ()
    yield from numbers
    yield from unmapped(described, target, placed, numbers)
    for operator in described.beside_the_chip:
        yield from _refused(operator, target)


def _of_dtypes(described: ModelDescription, target: Target) -> Iterator[Offence]:
    """Operators of a file that should be int8, and are not."""
    float_biases = described.mixed and target.activations == "int8"
    for operator in described.beside_the_chip:
        if operator.kind in target.float_operators:
            continue
        if operator.accumulates or not described.mixed:
            yield from _not_int8(operator, float_biases=float_biases)


def when_executed(
    executed: tuple[ExecutedOperator, ...] | None, expected: str | None, target: Target
) -> Iterator[Offence]:
    """Operators that the runtime runs on another device or in another dtype than intended."""
    for each in executed or ():
        if each.falls_back:
            yield _when_run(OffenceKind.FELL_BACK, each, f"fell back to {each.device}")
        elif each.runs_in_float and expected == "int8" and not _may_be_float(each, target):
            fault = "runs in float after the runtime's optimisation"
            yield _when_run(OffenceKind.RUNS_IN_FLOAT, each, fault)


def _when_run(kind: OffenceKind, each: ExecutedOperator, fault: str) -> Offence:
    spot = Spot(each.kind, each.name, fault)
    return Offence(kind, f"{each.kind} {each.name}: {fault}", spot=spot)


def _of_chip(file: File) -> Iterator[Offence]:
    compiled = file.description().compiled
    if compiled is not None:
        text = lacking(file.artifact.path.name, file.target, compiled)
        if text:
            yield Offence(OffenceKind.OTHER_CHIP, text)


def _by_batch(found: Steadiness) -> Iterator[Offence]:
    """An offence that no look at the file shows, and that a device shows in every sample."""
    if found.conduct is Conduct.BY_BATCH:
        text = (
            f"answers depend on the batch: of the same samples in two batches of {found.batch}, "
            f"{found.difference}; a device runs one sample at a time"
        )
        yield Offence(OffenceKind.BY_BATCH, text)


def _may_be_float(operator: ExecutedOperator, target: Target) -> bool:
    """Whether the target lists the operator, by its kind or by the prefix of its name."""
    return any(
        operator.kind == each or operator.name.startswith(each) for each in target.float_operators
    )


def _io(described: ModelDescription, target: Target) -> Iterator[Offence]:
    sides = (
        ("input", OffenceKind.INPUT_DTYPE, described.inputs),
        ("output", OffenceKind.OUTPUT_DTYPE, described.outputs),
    )
    allowed = " or ".join(target.io_dtypes)
    for side, kind, tensors in sides:
        for tensor in tensors:
            if target.io_dtypes and tensor.dtype not in target.io_dtypes:
                text = f"{side} {tensor.name}: {tensor.dtype}, where {target.name} takes {allowed}"
                yield Offence(kind, text, tensor.dtype, part=tensor)


def _not_int8(operator: OperatorInfo, *, float_biases: bool) -> Iterator[Offence]:
    if operator.border:
        return
    given = [each for each in operator.inputs if each is not None]
    moving = [*(each for each in given if not _may_be_wide(each)), *operator.outputs]
    wide = next((each.dtype for each in moving if each.dtype in (*_FLOATS, "int16")), None)
    if wide in _FLOATS:
        yield offence_of(
            OffenceKind.UNQUANTISED,
            operator,
            "runs in float",
            dtype=wide,
            origin=operator.origin,
            part=operator,
        )
        return
    if wide is not None:
        yield offence_of(OffenceKind.WIDE, operator, f"runs in {wide}", dtype=wide, part=operator)
        return
    weights = None if operator.weights_at is None else operator.inputs[operator.weights_at]
    for tensor in given:
        own = tensor is weights and tensor.dtype not in _WEIGHTS
        bias = weights is not None and tensor is not weights and float_biases
        if tensor.constant and (own or (tensor.dtype in _FLOATS and not bias)):
            fault, alike = (f"weights{each} are {tensor.dtype}" for each in (f" {tensor.name}", ""))
            yield offence_of(
                OffenceKind.WIDE_WEIGHTS,
                operator,
                fault,
                alike=alike,
                dtype=tensor.dtype,
                part=operator,
            )


def _may_be_wide(tensor: TensorInfo) -> bool:
    """Constants, which are looked at by themselves, and the state of an int8 recurrent operator:
    its cells are int16 in LiteRT's quantisation specification."""
    return tensor.constant or (tensor.state and tensor.dtype == "int16")


def _refused(operator: OperatorInfo, target: Target) -> Iterator[Offence]:
    """Its first fault only: unsigned integers have a zero point that is not 0, too."""
    for rule, words in target.refusals.items():
        fault = REFUSALS[rule](operator)
        if fault:
            fault = f"{fault}, which {target.name} refuses ({words})"
            yield offence_of(OffenceKind.REFUSED, operator, fault)
            return
