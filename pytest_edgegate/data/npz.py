"""The .npz file of --edge-data."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.dataset import SEED
from pytest_edgegate.data.splits import Array

KEYS = ("x", "y", "x_calibration", "x_train", "y_train")
CALIBRATION_SHARE = 0.2


def read_npz(path: Path) -> EdgeData:
    """``x`` and ``y`` evaluate; ``x_calibration`` or ``x_train`` calibrate.

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
    x, y = arrays["x"], arrays["y"]
    train = (arrays["x_train"], arrays["y_train"]) if "y_train" in arrays else arrays.get("x_train")
    if "x_calibration" in arrays or "x_train" in arrays:
        return EdgeData(train=train, calibration=arrays.get("x_calibration"), evaluation=(x, y))
    counts = [len(each) if each.ndim else 0 for each in (x, y)]
    if counts[0] != counts[1] or counts[0] < 2:
        raise ConfigurationError(
            f"{path.name}: {counts[0]} samples and {counts[1]} labels can't be split into "
            "calibration and evaluation",
            "give as many labels as samples, at least 2",
        )
    order = np.random.default_rng(SEED).permutation(len(x))
    cut = max(1, round(len(x) * CALIBRATION_SHARE))
    return EdgeData(calibration=x[order[:cut]], evaluation=(x[order[cut:]], y[order[cut:]]))


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as opened:  # numpy leaves a file open that it can't read
            loaded = np.load(opened, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise ValueError("it holds one array, not named ones")
            return {name: loaded[name] for name in loaded.files if name in KEYS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigurationError(
            f"{path.name} can't be read as an .npz file: {error}",
            "save it with numpy.savez(file, x=x_test, y=y_test)",
        ) from error
