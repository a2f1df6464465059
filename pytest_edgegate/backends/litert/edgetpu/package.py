"""What Coral's compiler has put into a compiled file: the package in its operator of the chip.

The schema is ``executable/executable.fbs`` of google-coral/libedgetpu, whose fields have the
numbers below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.litert.edgetpu.flatbuffer import Bytes, OutOfBoundsError, Table
from pytest_edgegate.backends.litert.schema import unpack

OPERATOR = b"edgetpu-custom-op"
IDENTIFIER = b"DWN1"
_MOST_EXECUTABLES = 256
"""Of a file: the compiler writes two for each operator of the chip."""
_STAND_ALONE, _CACHING, _EXECUTION = 0, 1, 2


@dataclass(frozen=True)
class Executable:
    """One program for the chip."""

    kind: int
    parameters: int
    """Bytes."""
    instructions: int
    """Bytes."""
    chip: str


@dataclass(frozen=True)
class Package:
    """The programs of one operator of the chip."""

    runtime: int
    """The oldest version of the runtime that runs it."""
    executables: tuple[Executable, ...]

    @property
    def cached(self) -> int:
        """Bytes of parameters that are kept on the chip between inferences."""
        return sum(each.parameters for each in self.executables if each.kind == _CACHING)

    @property
    def streamed(self) -> int:
        """Bytes of parameters that every inference reads anew.

        A stand-alone program holds all that an inference needs, and is run where there is no
        program that caches parameters.
        """
        kinds = {each.kind for each in self.executables}
        used = (_EXECUTION,) if kinds & {_CACHING, _EXECUTION} else (_STAND_ALONE,)
        return sum(each.parameters for each in self.executables if each.kind in used)

    @property
    def instructions(self) -> int:
        return sum(each.instructions for each in self.executables)


@dataclass(frozen=True)
class CompiledFile:
    """The packages of all operators of the chip in a file."""

    packages: tuple[Package, ...] = ()

    @property
    def cached(self) -> int:
        return sum(each.cached for each in self.packages)

    @property
    def streamed(self) -> int:
        return sum(each.streamed for each in self.packages)

    @property
    def instructions(self) -> int:
        return sum(each.instructions for each in self.packages)

    @property
    def runtime(self) -> int:
        """The oldest version of the runtime that runs all of them."""
        return max((each.runtime for each in self.packages), default=0)

    @property
    def spelt(self) -> str:
        return (
            f"{self.cached:,} bytes of parameters cached on the chip, {self.streamed:,} streamed, "
            f"{self.instructions:,} of instructions; needs version {self.runtime} of the runtime "
            "or a newer one"
        )


def read_compiled(path: Path) -> CompiledFile:
    """The packages of a compiled file; none of a file without an operator of the chip.

    Raises InferenceError for a file whose package is not whole.
    """
    return packages_of(path, unpack(path))


def packages_of(path: Path, model: Any) -> CompiledFile:
    """As ``read_compiled``, of a file whose flatbuffer is read already."""
    try:
        return CompiledFile(tuple(_packages(model)))
    except (OutOfBoundsError, IndexError, TypeError) as error:
        raise damaged(path, f"the Edge TPU's package in it is not whole: {error}") from error


def _packages(model: Any) -> Iterator[Package]:
    left = _MOST_EXECUTABLES
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if code.customCode == OPERATOR:
                found = package_of(operator.customOptions, left)
                left -= len(found.executables)
                yield found


def package_of(options: Any, most: int = _MOST_EXECUTABLES) -> Package:
    """The package in the options of an operator of the chip. Raises OutOfBoundsError."""
    content = memoryview(b"" if options is None else bytes(options))
    # the root's offset stands before the identifier, and a header of another format before both
    start = bytes(content).find(IDENTIFIER) - 4
    if start < 0:
        raise OutOfBoundsError(f"its operator holds no {IDENTIFIER.decode()}")
    package = Bytes(content[start:]).root()
    programs = Bytes(package.raw(1)).root()
    executables = tuple(_executables(programs, most))
    if not executables:
        raise OutOfBoundsError("it has no program")
    return Package(package.number(0), executables)


def _executables(programs: Table, most: int) -> Iterator[Executable]:
    for at, content in enumerate(programs.raws(0)):
        if at >= most:
            raise OutOfBoundsError(f"it has more than {_MOST_EXECUTABLES} programs")
        yield _executable(Bytes(content).root())


def _executable(program: Table) -> Executable:
    return Executable(
        kind=program.number(13, "<h"),
        parameters=len(program.raw(6)),
        instructions=sum(len(each.raw(0)) for each in program.tables(5)),
        chip=program.text(10),
    )
