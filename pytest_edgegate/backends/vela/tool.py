"""Vela as a tool: times, memory and operators of a .tflite file on an Arm Ethos-U."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_edgegate.backends.litert.graphs import graphs_of
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.packaged_program import PackagedProgram
from pytest_edgegate.backends.vela.figures import METRICS, figures_of, mapped_ops
from pytest_edgegate.backends.vela.known_names import PACKAGE
from pytest_edgegate.backends.vela.on_cpu import OnCpu, on_cpu
from pytest_edgegate.backends.vela.options import NAME, VelaOptions
from pytest_edgegate.backends.vela.program import COMMAND, TIME_LIMIT, vela
from pytest_edgegate.backends.vela.summary import Summary
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, FigureOrAbsent, LeftOut, Placed

_VERSION = 2
"""Incremented whenever another version of this module answers otherwise."""
_OLDEST = (5, 0)
"""The first version whose command line and tables are the known ones."""


class Vela:
    """Compiles each file by Vela's own command line."""

    metrics = METRICS
    formats = ("litert",)
    remedy = "pip install 'pytest-edgegate[vela]'"

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        time_limit: float = TIME_LIMIT,
        package: str = PACKAGE,
    ) -> None:
        self._program = PackagedProgram(command, time_limit, package)

    def version(self) -> str | None:
        return self._program.version()

    def options(self, target: Target) -> Mapping[str, object]:
        """Raises ConfigurationError for a table ``tool.vela`` that Vela can't be run with."""
        return {**VelaOptions.of(target).as_key(), "reading": _VERSION}

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        source, options = INSPECTOR.describe(path), VelaOptions.of(target)
        if source.compiled is not None:
            return _of_compiled(path, source, options.accelerator)
        old = self._too_old()
        if old is not None:
            return Compiled((), dict.fromkeys(METRICS, old))
        arguments = [*options.as_arguments(), "--verbose-performance"]
        try:
            with vela(path, arguments, self._program.command, self._program.time_limit) as made:
                summary = Summary.read(made.folder)
                left = on_cpu(source, INSPECTOR.describe(made.compiled), made.printed)
                kept = out / f"{path.stem}_vela.tflite"
                shutil.copyfile(made.compiled, kept)
        except UnsupportedError as error:
            refused = Absent(error.message, error.remedy)
            placed = Placed(self._by, refusal=error.message)
            return Compiled((), dict.fromkeys(METRICS, refused), placed=placed)
        placed = Placed(self._by, tuple(map(_left_out, left)))
        figures = figures_of(path, source, summary, left, graphs_of(path, source))
        return Compiled((kept,), figures, placed=placed)

    def compare(self, path: Path, source: Path, target: Target, out: Path) -> Compiled:
        """The figures of a compiled file are those of its source, if Vela makes the same of it.

        Whether all of it runs on the NPU is read off the file itself, whatever it was made of.
        """
        found, accelerator = INSPECTOR.describe(path), VelaOptions.of(target).accelerator
        alone = _of_compiled(path, found, accelerator)
        if _is_for_another(found, accelerator):
            return alone
        again = self.compile(source, target, out)
        if again.files and again.files[0].read_bytes() == path.read_bytes():
            return replace(again, remark=f"{self._by} makes the same file of {source.name}")
        differs = f"{path.name} is not what {self._by} makes of {source.name} for {target.name}"
        other: FigureOrAbsent = Absent(
            f"{differs}: it was compiled by another version, with other options, or from another "
            "file",
            "compile it again with the options that --edge-list-targets shows, or give a target of "
            "your own the options that it was compiled with (tool.vela)",
        )
        if not again.files:  # refused, or by a version that is too old to ask
            differs, other = "", again.figures["memory"]
        mapped = other if found.beside_the_chip else alone.figures["mapped_ops"]
        figures = {**dict.fromkeys(METRICS, other), "mapped_ops": mapped}
        return Compiled((), figures, remark=differs)

    @property
    def _by(self) -> str:
        return f"{NAME} {self.version()}"

    def _too_old(self) -> Absent | None:
        found = self.version() or ""
        numbers = tuple(int(each) for each in re.findall(r"\d+", found)[:2])
        if numbers >= _OLDEST:
            return None
        oldest = ".".join(map(str, _OLDEST))
        return Absent(
            f"{self._program.package} {found} is too old: {oldest} or newer reports these figures",
            f"pip install --upgrade {self._program.package}",
        )


def _left_out(each: OnCpu) -> LeftOut:
    return LeftOut(*each.operator.name_of_output, each.reason)


def _of_compiled(path: Path, described: ModelDescription, accelerator: str) -> Compiled:
    """What a compiled file says by itself: whether anything is left to the CPU."""
    assert described.compiled is not None  # the caller has looked
    chip = described.compiled.chip
    if _is_for_another(described, accelerator):
        other = Absent(
            f"{path.name} is compiled for {chip}, and the target has {accelerator}",
            f"compile it again: vela --accelerator-config {accelerator}",
        )
        return Compiled((), dict.fromkeys(METRICS, other))
    unknown: FigureOrAbsent = Absent(
        f"{path.name} is compiled for {chip} already: Vela takes the file before that",
        "give the file that it was compiled from, or put it beside it: edge_gate.check("
        f'"{path.name}", source="{path.stem.removesuffix("_vela")}.tflite", ...)',
    )
    mapped = unknown if described.beside_the_chip else mapped_ops(described, ())
    return Compiled((), {**dict.fromkeys(METRICS, unknown), "mapped_ops": mapped})


def _is_for_another(described: ModelDescription, accelerator: str) -> bool:
    """Whether a compiled file is for another chip than that *accelerator*."""
    return described.compiled is not None and described.compiled.size != accelerator


TOOL = Vela()
