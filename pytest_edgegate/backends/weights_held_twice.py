"""Finds weights that a file holds more than once: layers that share them in the model."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_edgegate.core.description import HeldTwice

_LEAST = 1_024
"""Smaller arrays may be equal by chance, as biases of zeros are, and weigh nothing."""

Array = npt.NDArray[Any]


def held_twice(arrays: Iterable[tuple[str, Array]]) -> HeldTwice:
    """Those of the *arrays*, by name, that have the values of an earlier one.

    A converter may have transposed one of them: the sorted values are compared. Arrays of one
    value are not, and only those of a common size are sorted.
    """
    alike: dict[tuple[str, int], list[tuple[str, Array]]] = defaultdict(list)
    for name, array in arrays:
        if array.size >= _LEAST:
            alike[array.dtype.str, array.size].append((name, array))
    names, size = [], 0
    for group in (each for each in alike.values() if len(each) > 1):
        known: set[bytes] = set()
        for name, array in group:
            values = np.sort(array, axis=None)
            if values[0] == values[-1]:
                continue
            digest = hashlib.sha256(values.tobytes()).digest()
            if digest in known:
                names.append(name)
                size += array.nbytes
            known.add(digest)
    return HeldTwice(tuple(names), size)
