"""A fake of a vendor's compiler, for fake files.

Its answers are defined in the fake file: ``fake_model(path, figures={"memory": 43_000})`` defines
figures by metric, in their units; a text in place of a number is the reason why there is none. A
file with ``refused`` is not compiled, and has no figures; ``left`` names operators that are left to
the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, FigureOrAbsent, LeftOut, Placed
from pytest_edgegate.testing.fake_files import FORMAT, read_fake

NAME = "fake-tool"
_MEND = "make the fake without it"


@dataclass
class FakeTool:
    """Compiles a fake file into a copy of it; ``runs`` counts its runs."""

    metrics: tuple[str, ...] = ("memory", "flash", "mapped_ops", "latency_p50", "latency_p95")
    formats: tuple[str, ...] = (FORMAT,)
    remedy: str = "pip install fake-tool"
    installed: str | None = "1.0"
    """Its version; None simulates a tool that is not installed."""
    source: str = f"vendor:{NAME}"
    """The source of its figures."""
    compiles: bool = True
    """Whether it writes a file: some tools only report figures."""
    runs: list[Path] = field(default_factory=list)

    def version(self) -> str | None:
        return self.installed

    def predicts(self) -> str:
        return self.source if self.source.startswith("predicted:") else ""

    def options(self, target: Target) -> Mapping[str, object]:
        return {"machine": target.machine}

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        """Raises CompressionError for a fake with ``broken``, like a killed program."""
        self.runs.append(path)
        content = read_fake(path)
        if "broken" in content:
            raise CompressionError(f"{NAME} was ended: {content['broken']}", _MEND)
        if "refused" in content:
            refusal = Absent(f"{NAME} refuses the file: {content['refused']}", _MEND)
            said = Placed(NAME, refusal=refusal.reason)
            return Compiled((), dict.fromkeys(self.metrics, refusal), placed=said)
        told = content.get("figures", {}).items()
        figures = {metric: _figure(figure, self.source) for metric, figure in told}
        left = tuple(LeftOut(kind, "y", "it is too new") for kind in content.get("left", ()))
        placed = Placed(NAME, left) if "left" in content else None
        files = _compiled(path, out) if self.compiles else ()
        return Compiled(files, figures, placed=placed, remark=content.get("remark", ""))


def _compiled(path: Path, out: Path) -> tuple[Path, ...]:
    made = out / f"{path.stem}-compiled{path.suffix}"
    made.write_bytes(path.read_bytes())
    return (made,)


def _figure(figure: float | str, source: str) -> FigureOrAbsent:
    if isinstance(figure, str):
        return Absent(figure, _MEND)
    return Figure(figure, source, details=("the first layer takes most",), remark="a guess")
