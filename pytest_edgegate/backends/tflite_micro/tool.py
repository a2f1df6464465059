"""LiteRT-Micro as a tool: the memory and the flash that a file takes on a microcontroller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.packaged_program import PackagedProgram
from pytest_edgegate.backends.tflite_micro.arena import COMMAND, TIME_LIMIT, smallest_arena
from pytest_edgegate.backends.tflite_micro.importing import PACKAGE
from pytest_edgegate.backends.tflite_micro.interpreter import TITLE, check
from pytest_edgegate.backends.tflite_micro.sizes import largest_in_arena, largest_in_flash
from pytest_edgegate.core.errors import InferenceError, UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, FigureOrAbsent

_SOURCE = f"vendor:{PACKAGE}"


class MicroTool:
    """Compiles nothing: the interpreter reads the file as it is."""

    metrics = ("memory", "flash")
    formats = ("litert",)
    remedy = "pip install 'pytest-edgegate[micro]'"

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
        return {}

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        described = INSPECTOR.describe(path)
        try:
            check(path, described)
            arena = smallest_arena(path, self._program.command, self._program.time_limit)
        except (UnsupportedError, InferenceError) as error:
            return Compiled((), dict.fromkeys(self.metrics, Absent(error.message, error.remedy)))
        figures: dict[str, FigureOrAbsent] = {
            "memory": Figure(arena, _SOURCE, largest_in_arena(described), _OF_ARENA),
            "flash": Figure(path.stat().st_size, _SOURCE, largest_in_flash(described), _OF_FLASH),
        }
        return Compiled((), figures)


_OF_FLASH = f"the model's bytes; the code of {TITLE} and its operators comes on top"
_OF_ARENA = (
    "the smallest arena that runs, with the 64-bit pointers of this machine: a chip with 32 bits "
    "takes less"
)

TOOL = MicroTool()
