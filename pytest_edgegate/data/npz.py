"""The .npz file of --edge-data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.dataset import SEED
from pytest_edgegate.data.npy import vetted
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.archives import Archive, Limits, opened
from pytest_edgegate.reading.memory import physical_memory
from pytest_edgegate.reading.regular import open_regular

KEYS = ("x", "y", "x_calibration", "x_train", "y_train", "groups")
CALIBRATION_SHARE = 0.2
_LIMITS = Limits(member_bytes=1 << 62, whole_bytes=1 << 62, inflation=1_100)
"""Constant arrays reach deflate's highest ratio, so the unpacked size is checked against memory."""


@dataclass(frozen=True)
class NpzContent:
    """``groups``: the group of each evaluation sample, or None."""

    data: EdgeData
    groups: Array | None = None


def read_npz(path: Path) -> NpzContent:
    """``x`` and ``y`` evaluate; ``x_calibration`` or ``x_train`` calibrate; ``groups`` is of ``x``.

    Without either, the first 20 % of a seeded shuffle of ``x`` calibrate and are left out of the
    evaluation. Raises ConfigurationError.
    """
    arrays = _read(path)
    wanted = ("x", "y", "x_train") if "y_train" in arrays else ("x", "y")
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise ConfigurationError(
            f"{path.name} has no array {missing[0]!r}; it has {', '.join(arrays) or 'none'}",
            "save it with numpy.savez(file, x=x_test, y=y_test, x_calibration=x_train[:200])",
        )
    x, y, groups = arrays["x"], arrays["y"], arrays.get("groups")
    if groups is not None and groups.shape != x.shape[:1]:
        raise ConfigurationError(
            f"{path.name}: groups has shape {groups.shape}, and x has shape {x.shape}",
            "give one group per sample of x, in its order",
        )
    train = (arrays["x_train"], arrays["y_train"]) if "y_train" in arrays else arrays.get("x_train")
    if "x_calibration" in arrays or "x_train" in arrays:
        calibration = arrays.get("x_calibration")
        data = EdgeData(train=train, calibration=calibration, evaluation=(x, y))
        return NpzContent(data, groups)
    counts = [len(each) if each.ndim else 0 for each in (x, y)]
    if counts[0] != counts[1] or counts[0] < 2:
        raise ConfigurationError(
            f"{path.name}: {counts[0]} samples and {counts[1]} labels can't be split into "
            "calibration and evaluation",
            "give as many labels as samples, at least 2",
        )
    order = np.random.default_rng(SEED).permutation(len(x))
    cut = max(1, round(len(x) * CALIBRATION_SHARE))
    left = order[cut:]
    data = EdgeData(calibration=x[order[:cut]], evaluation=(x[left], y[left]))
    return NpzContent(data, None if groups is None else groups[left])


def _read(path: Path) -> dict[str, Array]:
    with open_regular(path) as alone:
        if alone.read(6) == np.lib.format.MAGIC_PREFIX:
            raise _unread(path, "it holds one array, not named ones")
    with opened(path, lambda reason: _unread(path, reason), _LIMITS) as archive:
        members = {name: f"{name}.npy" for name in KEYS if f"{name}.npy" in archive.names}
        bare = [name for name in KEYS if name in archive.names]
        if bare:
            raise _unread(path, f"its member {bare[0]!r} is not an .npy array")
        needed, memory = sum(map(archive.size, members.values())), physical_memory()
        if needed > memory:
            raise _unread(path, f"it unpacks to {needed} bytes, and this machine has {memory}")
        return {name: _array(archive, member) for name, member in members.items()}


def _array(archive: Archive, member: str) -> Array:
    """One member. Raises ValueError unless it is a plain array."""
    try:
        with archive.open(member) as stream:
            vetted(stream, archive.size(member))
        with archive.open(member) as stream:
            found: Array = np.lib.format.read_array(stream, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"its member {member!r}: {error}") from error
    return found


def _unread(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} can't be read as an .npz file: {reason}",
        "save it with numpy.savez(file, x=x_test, y=y_test)",
    )
