"""The .npz file of --edge-data."""

from __future__ import annotations

import zipfile
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
    missing = [key for key in ("x", "y") if key not in arrays]
    if missing:
        raise ConfigurationError(
            f"{path.name} has no array {missing[0]!r}; it has {', '.join(arrays) or 'none'}",
            "save it with numpy.savez(file, x=x_test, y=y_test, x_calibration=x_train[:200])",
        )
    x, y = arrays["x"], arrays["y"]
    train = (arrays["x_train"], arrays["y_train"]) if "y_train" in arrays else arrays.get("x_train")
    if "x_calibration" in arrays or "x_train" in arrays:
        return EdgeData(train=train, calibration=arrays.get("x_calibration"), evaluation=(x, y))
    if len(x) != len(y) or len(x) < 2:
        raise ConfigurationError(
            f"{path.name}: {len(x)} samples and {len(y)} labels can't be split into calibration "
            "and evaluation",
            "give as many labels as samples, at least 2",
        )
    order = np.random.default_rng(SEED).permutation(len(x))
    cut = max(1, round(len(x) * CALIBRATION_SHARE))
    return EdgeData(calibration=x[order[:cut]], evaluation=(x[order[cut:]], y[order[cut:]]))


def _read(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as opened:
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array, not named ones")
            return {name: opened[name] for name in opened.files if name in KEYS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigurationError(
            f"{path.name} can't be read as an .npz file: {error}",
            "save it with numpy.savez(file, x=x_test, y=y_test)",
        ) from error
