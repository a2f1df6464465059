"""The tool ``edgetpu``: what a Coral makes of a .tflite file, by its compiler or by rules.

Where edgetpu_compiler is on PATH it compiles the file, and its figures count. Elsewhere the rules
of the target and of ``parameters.toml`` predict them. A file that is compiled already is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.edgetpu import compiler, words
from pytest_edgegate.backends.litert.edgetpu.bounds import beyond, lacking
from pytest_edgegate.backends.litert.edgetpu.compiler import Compilation
from pytest_edgegate.backends.litert.edgetpu.package import CompiledFile, read_compiled
from pytest_edgegate.backends.litert.edgetpu.parameters import Parameters, parameters, rules
from pytest_edgegate.backends.litert.edgetpu.reasons import reasons
from pytest_edgegate.backends.litert.graphs import graphs_of
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.description import ModelDescription, OperatorInfo
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, FigureOrAbsent, LeftOut, Placed
from pytest_edgegate.mapping.prediction import Prediction, predicted

_VERSION = 4
"""Incremented whenever another version of this module answers otherwise."""
_SOURCE = f"vendor:{compiler.NAME}"
_BY_HAND = "run edgetpu_compiler -s on the file by hand, and gate the file that it writes"


class EdgeTpu:
    """``Tool`` for the Edge TPU."""

    metrics = ("mapped_ops", "streamed_bytes")
    formats = ("litert",)
    remedy = compiler.INSTALL

    def __init__(self, time_limit: float = compiler.TIME_LIMIT) -> None:
        self._time_limit = time_limit

    def version(self) -> str | None:
        """The rules are always here; the digest of the compiler, where that is."""
        program = compiler.installed()
        by = "rules" if program is None else f"{compiler.NAME} {compiler.digest_of(program)}"
        return f"{_VERSION} {by}"

    def predicts(self) -> str:
        return f"predicted:{rules().name}" if compiler.installed() is None else ""

    def options(self, target: Target) -> Mapping[str, object]:
        """What the rules of the target and of the parameters say."""
        return {
            "operators": {kind: asdict(each) for kind, each in target.operators.items()},
            "limits": {name: asdict(each) for name, each in target.limits.items()},
            "mapping": None if target.mapping is None else _plain(target.mapping),
            "parameters": _plain(rules()),
        }

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        described = INSPECTOR.describe(path)
        if described.compiled is not None:
            return _of_compiled(path, described, target)
        program = compiler.installed()
        ours = _Rules(described, target)
        if program is None:
            return _of_one_graph(ours.answer(), path, described)
        runtime = "" if target.mapping is None else target.mapping.runtime
        compiled = compiler.compiled(
            program, path, out, runtime=runtime, time_limit=self._time_limit
        )
        return _of_one_graph(_of_compiler(compiled, described, ours), path, described)

    def compare(self, path: Path, source: Path, target: Target, out: Path) -> Compiled:
        """A compiled file, beside what the rules predict of its source."""
        described, before = INSPECTOR.describe(path), INSPECTOR.describe(source)
        found = _of_compiled(path, described, target, _Rules(before, target))
        return _of_one_graph(found, source, before)

    def not_from(self, path: Path, source: Path) -> str:
        """By the operators that it leaves to the CPU, and by the bytes of its parameters."""
        described, before = INSPECTOR.describe(path), INSPECTOR.describe(source)
        if described.compiled is None or described.compiled.board != "coral":
            return ""
        left = described.beside_the_chip
        fault = _other_source(left, before) or beyond(read_compiled(path), before.operators, left)
        return f"it {fault}" if fault else ""


class _Rules:
    """What the rules predict of a file that is not compiled."""

    def __init__(self, described: ModelDescription, target: Target) -> None:
        self.described = described
        self.target = target
        self.prediction: Prediction = predicted(described, target)
        self.parameters: Parameters = parameters(each.operator for each in self.prediction.mapped)

    def answer(self) -> Compiled:
        name = rules().name if self.target.mapping is None else self.target.mapping.name
        source = f"predicted:{name}"
        found, sizes = self.prediction, self.parameters
        mapped = Figure(
            found.share,
            source,
            words.placed(found),
            words.joined(words.counted(found), words.guessed(found.guesses)),
        )
        guesses = (*found.guesses, *sizes.guesses)
        streamed = Figure(
            sizes.streamed,
            source,
            words.sized(sizes.cached, sizes.streamed),
            words.joined(words.cached(sizes.cached), words.guessed(guesses)),
        )
        return Compiled((), {"mapped_ops": mapped, "streamed_bytes": streamed})


def _of_one_graph(found: Compiled, path: Path, described: ModelDescription) -> Compiled:
    """The answer without figures where they would be of graphs that no inference runs once each."""
    graphs = graphs_of(path, described)
    if graphs.count == 1:
        return found
    absent = Absent(
        f"{path.name} has {graphs.count} graphs, whose operators and parameters can't be counted "
        f"apart: {graphs.fault}",
        graphs.remedy,
    )
    return replace(found, figures=dict.fromkeys(EdgeTpu.metrics, absent))


def _of_compiled(
    path: Path, described: ModelDescription, target: Target, ours: _Rules | None = None
) -> Compiled:
    """The figures of a compiled file; *ours*: of the file that it was compiled from."""
    assert described.compiled is not None  # the caller has looked
    if described.compiled.board != "coral":
        refusal = Absent(
            f"the file is compiled for {described.compiled.chip}",
            "give a file that edgetpu_compiler made, or one that is not compiled",
        )
        return Compiled((), dict.fromkeys(EdgeTpu.metrics, refusal))
    found, left = read_compiled(path), described.beside_the_chip
    agreement = () if ours is None else _agreement(found, left, ours)
    figures = {
        "mapped_ops": _mapped(found, left, ours, agreement),
        "streamed_bytes": _streamed(found, agreement),
    }
    placed = Placed(compiler.NAME, not_loaded=_not_loaded(found, target))
    return Compiled(
        (),
        figures,
        placed=placed if placed.not_loaded else None,
        remark=words.joined(found.spelt, *agreement),
    )


def _not_loaded(found: CompiledFile, target: Target) -> str:
    """Why the target's runtime does not load a file; empty where it does."""
    newest = "" if target.mapping is None else target.mapping.runtime
    if not newest.isdecimal() or found.runtime <= int(newest):
        return ""
    return (
        f"needs version {found.runtime} of the runtime, and {target.name} has version {newest}, "
        "which does not load it"
    )


def _mapped(
    found: CompiledFile,
    left: Sequence[OperatorInfo],
    ours: _Rules | None,
    agreement: Sequence[str],
) -> FigureOrAbsent:
    """The share of a compiled file, which shows only the operators that are *left* to the CPU."""
    if ours is None and not left:
        return Figure(1.0, _SOURCE)
    if ours is None:
        return Absent(
            f"the compiled file leaves {len(left)} operators to the CPU, and does not tell how "
            "many its program holds",
            "give the file that it was compiled from, or put it beside it: edge_gate.check("
            '"model_edgetpu.tflite", source="model.tflite", mapped_ops=...)',
        )
    fault = _other_source(left, ours.described) or beyond(found, ours.described.operators, left)
    if fault:
        remedy = (
            "give the file that the compiler was given as source=, or compile the one that is "
            "meant again"
        )
        return Absent(f"the compiled file {fault}", remedy)
    total = len(ours.described.operators)
    said = f"{total - len(left)} of {total} operators of its source"
    remark = words.joined(said, *agreement)
    return Figure(_share(total - len(left), total), _SOURCE, words.left(left), remark)


def _streamed(found: CompiledFile, agreement: Sequence[str]) -> Figure:
    return Figure(
        found.streamed,
        _SOURCE,
        words.sized(found.cached, found.streamed),
        words.joined(words.cached(found.cached), *agreement),
    )


def _share(mapped: int, total: int) -> float:
    return mapped / total if total else 0.0


def _other_source(left: Sequence[OperatorInfo], source: ModelDescription) -> str:
    """Why a file was not compiled from its source; empty where it may have been."""
    had = Counter(each.kind for each in source.operators)
    more = Counter(each.kind for each in left) - had
    named = ", ".join(f"{count} x {kind}" for kind, count in more.items())
    return f"leaves operators to the CPU that its source does not have: {named}" if more else ""


def _agreement(found: CompiledFile, left: Sequence[OperatorInfo], ours: _Rules) -> tuple[str, ...]:
    """Whether the rules predict of the source what the compiler made of it."""
    names = {each.name_of_output for each in left}
    return words.agreement(ours.prediction, names, ours.parameters, found, of_source=True)


def _of_compiler(compilation: Compilation, described: ModelDescription, ours: _Rules) -> Compiled:
    """The figures of a file that the compiler was run on."""
    log = compilation.log
    by = f"{compiler.NAME} {log.version}"
    if log.refusal:
        return _refused(by, compilation)
    twin, found = described, CompiledFile()
    if compilation.file is not None:
        twin, found = INSPECTOR.describe(compilation.file), read_compiled(compilation.file)
        _check(compilation, twin, found, described)
    left, why = twin.beside_the_chip, reasons(log, twin)
    outs = (LeftOut(*each.name_of_output, why[each.index]) for each in left)
    placed = Placed(by, tuple(outs), not_loaded=_not_loaded(found, ours.target))
    names = {each.name_of_output for each in left}
    agreement = words.agreement(ours.prediction, names, ours.parameters, found)
    total = len(described.operators)
    counted = f"{total - len(left)} of {total} operators on the Edge TPU by {by}"
    remark = words.joined(counted, *agreement)
    mapped = Figure(_share(total - len(left), total), _SOURCE, words.left_by(placed), remark)
    figures = {"mapped_ops": mapped, "streamed_bytes": _streamed(found, agreement)}
    files = () if compilation.file is None else (compilation.file,)
    disagreement = words.joined(*(each for each in agreement if each != words.AGREED))
    return Compiled(files, figures, placed=placed, remark=disagreement)


def _refused(by: str, compilation: Compilation) -> Compiled:
    """The answer for a file that the compiler refuses, which is kept like any other unless the
    compiler may take the file at another time."""
    fault = f"{by} refuses the file: {compilation.log.refusal}"
    remedy = "make the file as the compiler takes it; its words say how"
    if not compilation.settled:
        fault += f" (at each of {compiler.TRIES} tries)"
        remedy = (
            "run it again, as some files compile at a later try; or leave layers out to see why"
        )
    figures = dict.fromkeys(EdgeTpu.metrics, Absent(fault, remedy))
    placed = Placed(by, refusal=fault)
    return Compiled((), figures, placed=placed, settled=compilation.settled)


def _check(
    compilation: Compilation,
    twin: ModelDescription,
    found: CompiledFile,
    described: ModelDescription,
) -> None:
    """The file has to be what the log says of it, and to hold what the compiler was given."""
    log, left = compilation.log, len(twin.beside_the_chip)
    if twin.compiled is None or left != log.on_cpu or left >= len(described.operators):
        raise CompressionError(
            f"{compiler.NAME} says that {log.on_chip} operators run on the chip and {log.on_cpu} "
            f"on the CPU, and its file leaves {left} to the CPU",
            _BY_HAND,
        )
    fault = lacking(found, described.operators, twin.beside_the_chip)
    if fault:
        raise CompressionError(f"{compiler.NAME} wrote a file that {fault}", _BY_HAND)


def _plain(value: Any) -> object:
    """The fields of a frozen value as JSON values."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dict__"):
        return {key: _plain(each) for key, each in vars(value).items()}
    return value


TOOL = EdgeTpu()
