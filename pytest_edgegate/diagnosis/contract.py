"""Explains violations of the target's contract by the kinds of offences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.diagnosis.listing import listed, rebuilt
from pytest_edgegate.diagnosis.making import in_float16, in_order
from pytest_edgegate.diagnosis.number_forms import NumberForm, number_form
from pytest_edgegate.diagnosis.ranges import of_clipped
from pytest_edgegate.measures.compiled import elsewhere
from pytest_edgegate.measures.contract import clipping, offences
from pytest_edgegate.measures.input_check import clipped
from pytest_edgegate.measures.offences import Offence, OffenceKind
from pytest_edgegate.measures.providers import File, Passes

_DTYPES = {OffenceKind.INPUT_DTYPE, OffenceKind.OUTPUT_DTYPE}
_IN_FLOAT = {OffenceKind.UNQUANTISED, OffenceKind.WIDE_WEIGHTS, OffenceKind.RUNS_IN_FLOAT}
_NOT_INT8 = {*_IN_FLOAT, OffenceKind.WIDE}

_BEFORE_NUMBERS: tuple[tuple[Set[OffenceKind], str], ...] = (
    (
        {OffenceKind.OTHER_CHIP},
        "a compiler has replaced layers of the file by a program that only its chip runs",
    ),
    (
        {OffenceKind.REFUSED},
        "the file is quantised for another processor: the target takes zero points of 0 only, and "
        "biases in float",
    ),
    (
        {OffenceKind.TOO_NEW},
        "the converter is newer than the vendor's compiler, which refuses the whole file",
    ),
    (
        {OffenceKind.NOT_LOADED},
        "the compiler was not told the runtime of the board, and makes files for a newer one",
    ),
    (
        {OffenceKind.BY_BATCH},
        "a layer computes over the batch: batch normalisation with the statistics of the batch, or "
        "a maximum, a mean or a softmax over axis 0",
    ),
    (
        {OffenceKind.NO_WIDTH},
        "the input was always 0 while the file was calibrated: a state, or a flag that is off",
    ),
    (
        {OffenceKind.SIGNATURE},
        "the runtime ends the process at a signature that this gate does not use, and an "
        "application may call",
    ),
    ({OffenceKind.MISPLACED}, "outputs of one shape changed places when the file was made"),
)
_OF_PARTS: tuple[tuple[Set[OffenceKind], str], ...] = (
    (_DTYPES, "the inputs or outputs were left in another dtype when the file was converted"),
    (
        {OffenceKind.RUNS_IN_FLOAT},
        "the runtime found no integer kernel for how those layers are quantised",
    ),
    ({OffenceKind.UNQUANTISED}, "part of the model was not quantised"),
    ({OffenceKind.FELL_BACK}, "the provider that was asked for does not run those operators"),
    (
        {OffenceKind.DOWNSTREAM},
        "the compiler makes one program, of what comes before the first operator that stays on "
        "the CPU; all that depends on that operator stays there, too",
    ),
    ({OffenceKind.DYNAMIC_SHAPE}, "sizes were left free when the file was converted"),
)
"""Causes by kinds of offences; the first match applies. Between the two is that of a file which is
in other numbers as a whole."""


_BY_THE_COMPILER = "its compiler decides: --edge-list-targets says where its list is"


def contract(measured: Measurement, file: File, passes: Passes) -> Diagnosis:
    """The offences, one per line, with their probable cause and the remedy."""
    found = offences(file, passes)
    if measured.value > len(found):
        return _with_clipped(found, file, passes)
    return _of_offences(found, file)


def _with_clipped(found: tuple[Offence, ...], file: File, passes: Passes) -> Diagnosis:
    """The same with the inputs that clip their values; the file's own faults come first."""
    own = _of_offences(found, file) if found else Diagnosis()
    first, *_ = clipped(passes, file)
    details = tuple(map(str, clipping(passes, file)))
    of_inputs = replace(of_clipped(first, file.artifact), details=details)
    return own.then(of_inputs)


def _of_offences(found: tuple[Offence, ...], file: File) -> Diagnosis:
    kinds = {each.kind for each in found}
    origin = next((each.origin for each in found if each.origin), None)
    if origin is not None and not kinds & {OffenceKind.MISPLACED, *_DTYPES}:
        return Diagnosis(listed(found, file.target), origin.cause, origin.remedy)
    form = _form(kinds, file)
    of_whole = () if form is None else (f"{form.name}, where {file.target.name} takes int8",)
    details = (*of_whole, *listed(found, file.target))
    return Diagnosis(details, _cause(kinds, form), "" if not found else _remedy(found, file))


def _form(kinds: Set[OffenceKind], file: File) -> NumberForm | None:
    """The numbers of a third-party file that is not int8 anywhere."""
    if file.artifact.made or not kinds & _NOT_INT8:
        return None
    return number_form(file.description())


def _cause(kinds: Set[OffenceKind], form: NumberForm | None) -> str:
    of_whole = () if form is None else ((_NOT_INT8, form.cause),)
    causes = (*_BEFORE_NUMBERS, *of_whole, *_OF_PARTS)
    return next((text for of, text in causes if of & kinds), "")


def _remedy(found: tuple[Offence, ...], file: File) -> str:
    kinds, compiled = {each.kind for each in found}, file.description().compiled
    if OffenceKind.OTHER_CHIP in kinds and compiled is not None:
        return f"give the int8 file that it was compiled from, or {elsewhere(compiled)}"
    if OffenceKind.DYNAMIC_SHAPE not in kinds:
        return _of_kinds(found, file)
    rest = tuple(each for each in found if each.kind is not OffenceKind.DYNAMIC_SHAPE)
    return "; then ".join((_for_shapes(file), *([_of_kinds(rest, file)] if rest else ())))


def _of_kinds(found: tuple[Offence, ...], file: File) -> str:
    """The remedy for offences that are not about shapes."""
    kinds = {each.kind for each in found}
    described = file.description()
    advice = rebuilt((each for each in found if each.kind is OffenceKind.TOO_NEW), file.target)
    if advice:
        return f"{advice}, whose operators the target maps, and train the model again"
    first = next((remedy for kind, remedy in _REMEDIES.items() if kind in kinds), None)
    if first is not None:
        return first(file)
    if OffenceKind.NO_WIDTH in kinds:
        return "calibrate on samples in which that input varies as on the device"
    if kinds == {OffenceKind.SIGNATURE}:
        return "make the file again without that signature, or gate it by signature= and mend it"
    if OffenceKind.MISPLACED in kinds:
        return in_order(file.artifact)
    if not described.mixed and _form(kinds, file) is not None:
        return _for_all_numbers(kinds, file)
    if OffenceKind.RUNS_IN_FLOAT in kinds and not described.mixed:
        return _for_kernels(file)
    if _IN_FLOAT & kinds and described.mixed:
        return _for_mixed(file)
    if any(each.kind is OffenceKind.OUTPUT_DTYPE and each.dtype == "int64" for each in found):
        return "end the model in its scores, and take the class of the highest one on the CPU"
    if _DTYPES & kinds:
        return _for_dtypes(file)
    if _IN_FLOAT & kinds:
        return _for_float(file)
    return _for_unmapped(found, file)


def _for_unmapped(found: tuple[Offence, ...], file: File) -> str:
    """The remedy for operators that the target does not take as they are."""
    found = tuple(each for each in found if each.kind is not OffenceKind.DOWNSTREAM) or found
    if not file.artifact.made and all(each.limit == "per_tensor_weights" for each in found):
        return f"{file.description().conversion.per_tensor}, or let edge_ptq make the file"
    advice = rebuilt(found, file.target)
    if advice:
        return f"{advice}, whose operators the target maps, and train the model again"
    listed = "--edge-list-targets names them" if file.target.operators else _BY_THE_COMPILER
    return f"replace those layers by ones that the target maps ({listed})"


def _for_batch(file: File) -> str:
    """A file of the gate has it from its model, whose reference has no such answers."""
    ways = (
        "let batch normalisation use its stored statistics (model.eval(), training=False), and "
        "compute over each sample, not over the batch"
    )
    return ways if file.artifact.made else f"{ways}, where the file is made"


def _for_fall_back(file: File) -> str:
    """A provider for GPUs may have kernels for floats only."""
    other = "list the runtime that it ran on instead"
    if not file.artifact.made:
        return f"keep those operators out of the file where it is made, or {other}"
    ways = [in_float16(file) if file.artifact.dtype == "int8" else "", other]
    return ", or ".join(("keep those operators out of the model", *filter(None, ways)))


def _for_kernels(file: File) -> str:
    """A file in integers that its runtime executes in float."""
    where = "" if file.artifact.made else ", where the file is made,"
    ways = [in_float16(file) if file.artifact.made else ""]
    return ", or ".join(
        (
            f"the file is integer: replace those layers{where} by ones that the runtime has "
            "integer kernels for",
            *filter(None, ways),
            "list another runtime first in the target",
        )
    )


def _for_all_numbers(kinds: Set[OffenceKind], file: File) -> str:
    """A third-party file that is to be quantised as a whole, its inputs and outputs with it."""
    words, wanted = file.description().conversion, file.target.default_io
    of_io = f"; for the inputs and outputs, {words.io.format(dtype=wanted)}"
    return f"{words.int8}{of_io if _DTYPES & kinds else ''}; or let edge_ptq make the file"


def _for_dtypes(file: File) -> str:
    """The remedy for a third-party file is another conversion; for an artifact, another model."""
    wanted = file.target.default_io
    if file.artifact.made:
        return f"give the model inputs and outputs that the converter can make {wanted}"
    conversion = file.description().conversion.io.format(dtype=wanted)
    return f"{conversion}, or let edge_ptq make the file"


def _for_symmetric(file: File) -> str:
    """A file with a quantisation that the vendor's own tool refuses."""
    if file.artifact.made:
        return in_float16(file) or "keep those operators in float: write another recipe"
    return f"{file.description().conversion.symmetric}, or let edge_ptq make the file"


def _for_mixed(file: File) -> str:
    """A format that mixes float and int8 operators has an int8 form of some layers only."""
    listed = f"list it in float_operators of a target from {file.target.name}"
    otherwise = ", or ".join(filter(None, ("replace it", in_float16(file), listed)))
    unmixed = f"where the format has no integer form of a layer, {otherwise}"
    return unmixed if file.artifact.made else f"{file.description().conversion.int8}; {unmixed}"


def _for_shapes(file: File) -> str:
    if file.artifact.made:
        return "give the model inputs of fixed shapes, with a batch of 1"
    return "export the file again with fixed shapes and a batch of 1, or let edge_ptq make it"


def _for_float(file: File) -> str:
    if file.artifact.made:
        return (
            "replace those layers by ones that the converter quantises, or gate the model for a "
            "target that takes floats (--edge-list-targets)"
        )
    return f"{file.description().conversion.int8}, or let edge_ptq make the file"


def _as_the_compiler_takes_it(file: File) -> str:
    return (
        "make the file as the compiler takes it: its words say why, and a file of fewer layers "
        "shows which of them it is"
    )


def _for_the_runtime(file: File) -> str:
    rules = file.target.mapping
    version = "" if rules is None else f" {rules.runtime}"
    return (
        f"compile it for version{version} of the runtime, or bring that of the boards up to date "
        "and name its version in mapping.runtime of the target"
    )


def _without_the_newer(file: File) -> str:
    ways = "build the model without that operator"
    if file.artifact.made:
        return ways
    return f"{ways}, or convert it with a release as old as the compiler"


_REMEDIES: Mapping[OffenceKind, Callable[[File], str]] = {
    OffenceKind.REFUSED: _for_symmetric,
    OffenceKind.NOT_COMPILED: _as_the_compiler_takes_it,
    OffenceKind.TOO_NEW: _without_the_newer,
    OffenceKind.NOT_LOADED: _for_the_runtime,
    OffenceKind.BY_BATCH: _for_batch,
    OffenceKind.FELL_BACK: _for_fall_back,
}
"""The remedies of kinds that go before all others."""
