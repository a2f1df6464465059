"""Tool answers in the cache, validated on reading because a cache may be tampered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.tools import (
    Absent,
    Compiled,
    Figure,
    FigureOrAbsent,
    LeftOut,
    Placed,
)
from pytest_edgegate.storage.cache import Entry

_Kinds = Mapping[str, type | tuple[type, ...]]
_FIGURE: _Kinds = {
    "value": (int, float),
    "source": str,
    "details": list,
    "remark": str,
    "remedy": str,
}
_ABSENT: _Kinds = {"reason": str, "remedy": str}
_PLACED: _Kinds = {"by": str, "left": list, "refusal": str}
_LEFT: _Kinds = {"kind": str, "output": str, "reason": str}


@dataclass(frozen=True)
class KeptAnswer:
    """A tool's answer about one file."""

    files: tuple[Path, ...]
    figures: Mapping[str, FigureOrAbsent]
    cached: bool
    placed: Placed | None = None
    remark: str = ""

    @classmethod
    def read(cls, entry: Entry) -> KeptAnswer:
        """Raises ValueError, KeyError, TypeError or AttributeError for an invalid entry."""
        files, figures = entry.info["files"], entry.info["figures"]
        placed, remark = entry.info["placed"], entry.info["remark"]
        if not isinstance(remark, str):
            raise ValueError("its remark is no text")
        if not isinstance(files, list) or not figures.keys() <= BUDGETS.keys():
            raise ValueError("it is not an answer of a tool")
        return cls(
            files=tuple(entry.file(name) for name in files),
            figures={metric: _figure(figure) for metric, figure in figures.items()},
            cached=entry.cached,
            placed=None if placed is None else _placed(placed),
            remark=remark,
        )


def passing(compiled: Compiled) -> KeptAnswer:
    """An answer that is not settled, and so is in no cache."""
    return KeptAnswer((), compiled.figures, False, compiled.placed, compiled.remark)


def kept(compiled: Compiled, folder: Path) -> dict[str, Any]:
    """The info of the cache entry beside the files of *compiled* in *folder*."""
    return {
        "files": [each.relative_to(folder).as_posix() for each in compiled.files],
        "figures": {metric: asdict(figure) for metric, figure in compiled.figures.items()},
        "placed": None if compiled.placed is None else asdict(compiled.placed),
        "remark": compiled.remark,
    }


def _figure(found: Mapping[str, Any]) -> FigureOrAbsent:
    if "reason" in found:
        _check(found, _ABSENT)
        return Absent(**found)
    _check(found, _FIGURE)
    if not all(isinstance(each, str) for each in found["details"]):
        raise ValueError("its details are not texts")
    return Figure(**{**found, "details": tuple(found["details"])})


def _placed(found: Mapping[str, Any]) -> Placed:
    _check(found, _PLACED)
    for each in found["left"]:
        _check(each, _LEFT)
    return Placed(**{**found, "left": tuple(LeftOut(**each) for each in found["left"])})


def _check(found: Mapping[str, Any], kinds: _Kinds) -> None:
    fits = found.keys() == kinds.keys()
    if not fits or not all(isinstance(found[name], kind) for name, kind in kinds.items()):
        raise ValueError("one of its figures is malformed")
