"""Legs of plans in the cache, validated on reading because a cache may be tampered with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.layout import Layout
from pytest_edgegate.storage.cache import Entry

KEPT_VERSION = 3
"""Incremented whenever an entry holds something else about a leg."""
_KEPT = (
    "model",
    "model_digest",
    "tools",
    "notes",
    "calibration_ranges",
    "calibration_samples",
    "layout",
)


@dataclass(frozen=True)
class KeptLeg:
    """The output of a leg, with facts about how it was made."""

    key: str
    main: Path
    files: tuple[Path, ...]
    layout: Layout
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]
    cached: bool

    @classmethod
    def read(cls, entry: Entry) -> KeptLeg:
        """Raises ValueError, KeyError or TypeError for an invalid entry."""
        info = entry.info
        json.dumps(info, allow_nan=False)  # reports can't represent NaN
        _check_kinds(info)
        return cls(
            key=entry.folder.name,
            main=entry.file(info["main"]),
            files=tuple(entry.file(name) for name in info["files"]),
            layout=Layout.from_lists(info["layout"]),
            notes=tuple(info["notes"]),
            facts=info["facts"],
            provenance={name: info[name] for name in _KEPT},
            cached=entry.cached,
        )


def _check_kinds(info: Mapping[str, Any]) -> None:
    given, files = info["calibration_ranges"], info["files"]
    calibration = info["calibration_samples"]
    fits = {
        "main": isinstance(files, list) and info["main"] in files,
        "files": _are_texts(files),
        "model": isinstance(info["model"], str),
        "model_digest": isinstance(info["model_digest"], str),
        "tools": isinstance(info["tools"], dict) and _are_texts([*info["tools"].values()]),
        "notes": _are_texts(info["notes"]),
        "facts": isinstance(info["facts"], dict),
        "calibration_samples": isinstance(calibration, list)
        and all(type(each) is int for each in calibration),
        "calibration_ranges": given is None or _are_ranges(given),
    }
    if wrong := [name for name, held in fits.items() if not held]:
        raise ValueError(f"{', '.join(wrong)} out of range")


def _are_texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)


def _are_ranges(found: Any) -> bool:
    return isinstance(found, dict) and all(map(_is_range, found.values()))


def _is_range(found: Any) -> bool:
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(isinstance(each, float) for each in found)
    )
