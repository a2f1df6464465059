"""Results of passes in the cache, validated on reading because a cache may be tampered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence, Paired
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.storage.cache import Entry

_ARRAYS = "evidence.npz"
_CHANNELS = "channels.npz"
_OTHERS = "other-channels.npz"
_POSITIONS = "positions.npy"
_KINDS = {
    "n": int,
    "fingerprint": str,
    "source": str,
    "nonfinite": int,
    "first_nonfinite": int,
    "outputs": list,
    "inputs": list,
    "part": bool,
}
"""The fields of evidence in the cache besides its arrays."""

_FED = {"name": str, "low": float, "high": float, "values": int, "clipped": int}
"""The fields of an input's values."""

Fits = Callable[[Evidence], None]
"""Raises ValueError for cached evidence of another kind."""


def write(folder: Path, evidence: Evidence, prefix: str = "") -> dict[str, Any]:
    """Writes the arrays; returns the remaining fields as JSON values."""
    np.savez(folder / f"{prefix}{_ARRAYS}", **evidence.arrays)  # type: ignore[arg-type]
    np.savez(folder / f"{prefix}{_CHANNELS}", **evidence.channels)  # type: ignore[arg-type]
    np.savez(folder / f"{prefix}{_OTHERS}", **evidence.other_channels)  # type: ignore[arg-type]
    if evidence.positions is not None:
        np.save(folder / f"{prefix}{_POSITIONS}", evidence.positions)
    return {
        "n": evidence.n,
        "fingerprint": evidence.fingerprint,
        "source": evidence.source,
        "nonfinite": evidence.nonfinite,
        "first_nonfinite": evidence.first_nonfinite,
        "outputs": list(evidence.outputs),
        "inputs": [asdict(each) for each in evidence.inputs],
        "part": evidence.positions is not None,
    }


def read(entry: Entry, fits: Fits) -> Evidence:
    """Raises ValueError, KeyError, TypeError or an error of numpy for an invalid entry."""
    return _evidence(entry, "", entry.info, fits)


def write_paired(folder: Path, paired: Paired) -> dict[str, Any]:
    """Writes a pass that ended early: both results, and the decision on the whole set."""
    return {
        "reference": write(folder, paired.reference, "reference-"),
        "artifact": write(folder, paired.artifact, "artifact-"),
        "within": paired.within,
        "total": paired.total,
    }


def read_paired(entry: Entry, fits: Fits) -> Paired:
    """Raises ValueError, KeyError, TypeError or an error of numpy for an invalid entry."""
    info = entry.info
    within, total = info["within"], info["total"]
    reference, artifact = (
        _evidence(entry, f"{side}-", info[side], fits) for side in ("reference", "artifact")
    )
    if within not in (None, True, False) or type(total) is not int:
        raise ValueError("its fields about the whole set are malformed")
    positions, others = reference.positions, artifact.positions
    if positions is None or others is None or not np.array_equal(positions, others):
        raise ValueError("its samples do not match its figures")
    if positions.max() >= total:
        raise ValueError("its samples are not in the set")
    return Paired(reference, artifact, within, total)


def _evidence(entry: Entry, prefix: str, info: Mapping[str, Any], fits: Fits) -> Evidence:
    _check_kinds(info)
    fields = {name: value for name, value in info.items() if name != "part"}
    named = {
        **fields,
        "outputs": tuple(info["outputs"]),
        "inputs": tuple(map(_fed_input, info["inputs"])),
    }
    channels, others = (_ranges(entry, f"{prefix}{name}") for name in (_CHANNELS, _OTHERS))
    arrays = _arrays(entry, f"{prefix}{_ARRAYS}")
    positions = _positions(entry, f"{prefix}{_POSITIONS}", info["n"]) if info["part"] else None
    evidence = Evidence(
        arrays,
        **named,
        channels=channels,
        other_channels=others,
        positions=positions,
        cached=entry.cached,
    )
    fits(evidence)
    return evidence


def _positions(entry: Entry, name: str, n: int) -> Array:
    found: Array = np.load(entry.file(name), allow_pickle=False)
    if found.dtype.kind != "i" or found.shape != (n,) or found.min(initial=0) < 0:
        raise ValueError("its samples do not match its figures")
    return found


def _ranges(entry: Entry, name: str) -> dict[str, Array]:
    found = _arrays(entry, name)
    if any(each.dtype != np.float64 or each.shape[:-1] != (2,) for each in found.values()):
        raise ValueError("the ranges of its channels are malformed")
    return found


def _arrays(entry: Entry, name: str) -> dict[str, Array]:
    with np.load(entry.file(name), allow_pickle=False) as opened:
        return {each: opened[each] for each in opened.files}


def _check_kinds(info: Mapping[str, Any]) -> None:
    kinds = {name: type(value) for name, value in info.items()}
    if kinds != _KINDS or not all(isinstance(each, str) for each in info["outputs"]):
        raise ValueError("its fields about the pass are malformed")


def _fed_input(info: Any) -> FedInput:
    if not isinstance(info, dict) or {name: type(value) for name, value in info.items()} != _FED:
        raise ValueError("the values of its inputs are malformed")
    return FedInput(**info)
