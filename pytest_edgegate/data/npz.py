"""The .npz file of --edge-data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.dataset import SEED
from pytest_edgegate.data.npy import vetted
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.archives import Archive, Limits, opened
from pytest_edgegate.reading.memory import physical_memory
from pytest_edgegate.reading.pointers import refuse_pointer
from pytest_edgegate.reading.regular import open_regular

KEYS = ("x", "y", "x_test", "y_test", "x_calibration", "x_train", "y_train", "groups")
_OF_KERAS = ("x_test", "y_test")
_INPUTS = ("x.", "x_test.", "x_calibration.", "x_train.")
"""What stands before the name of one of several inputs."""
CALIBRATION_SHARE = 0.2
_MOST_LISTED = 12
_LIMITS = Limits(member_bytes=1 << 62, whole_bytes=1 << 62, inflation=1_100)
"""Constant arrays reach deflate's highest ratio, so the unpacked size is checked against memory."""


@dataclass(frozen=True)
class NpzContent:
    """What is in an .npz file; ``groups``: the group of each evaluation sample, or None."""

    data: EdgeData
    groups: Array | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    """The name of each split's samples in the file."""


def read_npz(path: str | Path) -> NpzContent:
    """The splits of an .npz file, as ``--edge-data`` reads it.

    ``x`` and ``y`` evaluate; ``x_calibration`` or ``x_train`` calibrate; ``groups`` is of ``x``.

    Without ``x`` and ``y``, ``x_test`` and ``y_test`` evaluate, as the files of
    ``keras.datasets`` name them. Several inputs are arrays ``x.NAME``, in each split alike.
    Without samples to calibrate on, the first 20 % of a seeded shuffle of ``x`` calibrate and are
    left out of the evaluation. Raises ConfigurationError.
    """
    path = Path(path)
    arrays, listed = _read(path)
    held = _Held(path, arrays, listed)
    x_key, y_key = held.evaluation
    wanted = [x_key, y_key, *(["x_train"] if "y_train" in held.arrays else [])]
    missing = next((key for key in wanted if not held.has(key)), None)
    if missing is not None:
        raise held.lacks(missing)
    held.check_finite()
    x, y, groups = held.inputs(x_key), held.arrays[y_key], held.arrays.get("groups")
    first = _first(x)
    if groups is not None and groups.shape != first.shape[:1]:
        raise ConfigurationError(
            f"{path.name}: groups has shape {groups.shape}, and {x_key} has shape {first.shape}",
            f"give one group per sample of {x_key}, in its order",
        )
    if held.has("x_calibration") or held.has("x_train"):
        train: Any = held.inputs("x_train") if held.has("x_train") else None
        if "y_train" in held.arrays:
            train = (train, held.arrays["y_train"])
        calibration = held.inputs("x_calibration") if held.has("x_calibration") else None
        data = EdgeData(train=train, calibration=calibration, evaluation=(x, y))
        keys = {"evaluation": x_key, "train": "x_train", "calibration": "x_calibration"}
        return NpzContent(data, groups, keys)
    counts = [len(each) if each.ndim else 0 for each in (first, y)]
    if counts[0] != counts[1] or counts[0] < 2:
        raise ConfigurationError(
            f"{path.name}: {counts[0]} samples and {counts[1]} labels can't be split into "
            "calibration and evaluation",
            "give as many labels as samples, at least 2",
        )
    order = np.random.default_rng(SEED).permutation(counts[0])
    cut = max(1, round(counts[0] * CALIBRATION_SHARE))
    left = order[cut:]
    data = EdgeData(calibration=_taken(x, order[:cut]), evaluation=(_taken(x, left), y[left]))
    groups = None if groups is None else groups[left]
    return NpzContent(data, groups, {"evaluation": x_key, "calibration": x_key})


Inputs = Array | dict[str, Array]
"""One input, or several by their names."""


@dataclass(frozen=True)
class _Held:
    """The arrays of a file by their names."""

    path: Path
    arrays: dict[str, Array]
    """Those that are read."""
    listed: tuple[str, ...] = ()
    """The names of all arrays in the file."""

    def has(self, key: str) -> bool:
        return key in self.arrays or bool(self._named(key))

    def _named(self, key: str) -> dict[str, Array]:
        start = f"{key}."
        return {
            name.removeprefix(start): each
            for name, each in self.arrays.items()
            if name.startswith(start)
        }

    @property
    def evaluation(self) -> tuple[str, str]:
        own = self.has("x") or self.has("y")
        return ("x", "y") if own or not (self.has("x_test") or self.has("y_test")) else _OF_KERAS

    def inputs(self, key: str) -> Inputs:
        """Raises ConfigurationError where the inputs of a split do not fit together."""
        named = self._named(key)
        if key in self.arrays:
            if named:
                raise ConfigurationError(
                    f"{self.path.name} has {key} and {key}.{next(iter(named))}: which are the "
                    "inputs?",
                    f"keep {key} for a model with one input, else {key}.NAME for each of them",
                )
            return self.arrays[key]
        if len({each.shape[:1] for each in named.values()}) > 1:
            shapes = ", ".join(f"{key}.{name} {each.shape}" for name, each in named.items())
            raise ConfigurationError(
                f"{self.path.name}: the inputs differ in their length: {shapes}",
                "give every sample all of its inputs",
            )
        return named

    def check_finite(self) -> None:
        """Raises ConfigurationError with the place in the file, which a draw from it loses."""
        for name, each in self.arrays.items():
            if each.dtype.kind != "f" or not each.ndim or np.isfinite(each.sum(dtype=np.float64)):
                continue
            whole = np.isfinite(each.reshape(len(each), -1)).all(axis=1)
            if not whole.all():
                raise ConfigurationError(
                    f"{name} in {self.path.name} holds NaN or Inf, first in sample "
                    f"#{int(whole.argmin())}",
                    "fix or drop those samples",
                )

    def lacks(self, key: str) -> ConfigurationError:
        more = ", ..." if len(self.listed) > _MOST_LISTED else ""
        found = (", ".join(self.listed[:_MOST_LISTED]) or "none") + more
        others = [each for each in self.listed if each not in KEYS and not each.startswith("x.")]
        if len(others) > 1:
            x, y = others[:2]
            return ConfigurationError(
                f"{self.path.name} has no array {key!r}; it has {found}",
                f"name the samples x and their labels y: d = numpy.load({self.path.name!r}); "
                f"numpy.savez('eval.npz', x=d[{x!r}], y=d[{y!r}]), if these are they",
            )
        return ConfigurationError(
            f"{self.path.name} has no array {key!r}; it has {found}",
            "save it with numpy.savez(file, x=x_test, y=y_test, x_calibration=x_train[:200])",
        )


def _first(x: Inputs) -> Array:
    return next(iter(x.values())) if isinstance(x, dict) else x


def _taken(x: Inputs, numbers: Array) -> Inputs:
    if isinstance(x, dict):
        return {name: each[numbers] for name, each in x.items()}
    return x[numbers]


def _is_read(name: str, *, own: bool) -> bool:
    """*own*: whether there is an ``x`` or a ``y``, which go before those of Keras."""
    if own and name.startswith(_OF_KERAS):
        return False
    return name in KEYS or name.startswith(_INPUTS)


def _read(path: Path) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The arrays that are read, and the names of all."""
    refuse_pointer(path)
    with open_regular(path) as alone:
        if alone.read(6) == np.lib.format.MAGIC_PREFIX:
            raise _unread(path, "it holds one array, not named ones")
    with opened(path, lambda reason: _unread(path, reason), _LIMITS) as archive:
        listed = tuple(name.removesuffix(".npy") for name in archive.names if name.endswith(".npy"))
        own = any(name in ("x", "y") or name.startswith("x.") for name in listed)
        members = {name: f"{name}.npy" for name in listed if _is_read(name, own=own)}
        bare = [name for name in KEYS if name in archive.names]
        if bare:
            raise _unread(path, f"its member {bare[0]!r} is not an .npy array")
        needed, memory = sum(map(archive.size, members.values())), physical_memory()
        if needed > memory:
            raise _unread(path, f"it unpacks to {needed} bytes, and this machine has {memory}")
        ordered = sorted(members, key=lambda name: KEYS.index(name) if name in KEYS else -1)
        return {name: read_array(archive, members[name]) for name in ordered}, listed


def read_array(archive: Archive, member: str) -> Array:
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
