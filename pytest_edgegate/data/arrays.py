"""Takes the user's arrays and tensors as plain numpy arrays of native numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.reading.foreign import foreign

Array = NDArray[Any]

FORMS = (
    "a split is an array x of shape (n, ...), a pair (x, y), or a re-iterable of batches; "
    "x is an array, or a tuple or dict of arrays for several inputs"
)
_LABELS = "labels as class indices (np.unique(names, return_inverse=True)[1])"
_OTHER_KINDS = {
    "c": "give real and imaginary part as channels: np.stack([x.real, x.imag], -1)",
    "M": "give numbers: x.astype('int64')",
    "m": "give numbers: x.astype('int64')",
    "O": f"give integers or floats: x.astype('float32'), and {_LABELS}",
    "S": f"give integers or floats: x.astype('float32'), and {_LABELS}",
    "U": f"give integers or floats: x.astype('float32'), and {_LABELS}",
}
"""Remedies by the kinds of dtypes that no model takes."""


def as_array(where: str, value: Any) -> Array:
    """The value as an array of bool, integers or floats in the machine's byte order.

    bfloat16 becomes float32, and floats wider than float64 become float64; everything else keeps
    its dtype. No framework is imported. *where* names the value in errors. Raises
    ConfigurationError.
    """
    array = _converted(where, value)
    if array.ndim == 0:
        raise ConfigurationError(
            f"{where} has a single number where an array of samples is wanted",
            f"{FORMS}; single samples are stacked by np.stack(x), a Dataset's by .batch(64), a "
            "DataLoader's by batch_size=64",
        )
    return _native(where, array)


def is_tensor(value: Any) -> bool:
    """Whether ``as_array`` may take the value as one array."""
    if isinstance(value, np.ndarray | np.generic):
        return True
    if not hasattr(value, "shape"):
        return False
    return hasattr(value, "to_numpy") or (
        hasattr(value, "dtype") and (hasattr(value, "numpy") or hasattr(value, "__array__"))
    )


def kind_of(value: Any) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _converted(where: str, value: Any) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        return _unmasked(where, value)
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if is_tensor(value):
        wanted = "give arrays of numpy, or tensors of float32: x.float() in torch"
        with foreign(f"{where} has {kind_of(value)} that numpy can't take", wanted):
            return np.asarray(_detached(value))
    raise ConfigurationError(f"{where} has {kind_of(value)} where an array is wanted", FORMS)


def _detached(value: Any) -> Any:
    if hasattr(value, "to_numpy"):  # a data frame's columns are attributes, of any name
        return value.to_numpy()
    for method in ("detach", "cpu", "numpy"):  # torch wants all three, others only the last
        if hasattr(value, method):
            value = getattr(value, method)()
    if isinstance(value, np.ndarray | np.generic):
        return value
    return value.__array__()


def _unmasked(where: str, value: np.ma.MaskedArray[Any, Any]) -> Array:
    if value.ndim == 0:
        return np.asarray(value)
    masked = np.flatnonzero(np.ma.getmaskarray(value).reshape(len(value), -1).any(axis=1))
    if len(masked):
        raise ConfigurationError(
            f"{where} has a masked array with values missing in {len(masked)} of {len(value)} "
            f"samples (the first is #{masked[0]})",
            "give the value that the model knows for a missing one: x.filled(0)",
        )
    return np.asarray(value)


def _native(where: str, array: Array) -> Array:
    dtype = array.dtype
    if dtype.name == "bfloat16":
        return array.astype(np.float32)
    if dtype.kind not in "biuf":
        raise _not_numbers(where, array)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _not_numbers(where: str, array: Array) -> ConfigurationError:
    dtype = array.dtype
    held = array if dtype.kind == "O" and array.ndim == 1 else ()
    shapes = [each.shape for each in held if hasattr(each, "shape")]
    are_arrays = bool(shapes) and len(shapes) == len(held)
    other = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
    if are_arrays and other is not None:
        return unlike_shapes(where, shapes[0], other, shapes[other])
    if are_arrays:
        remedy = "make one array of them: np.stack(x)"
    elif dtype.names:
        remedy = (
            "give one array for each field, as a dict: {name: x[name] for name in x.dtype.names}"
        )
    else:
        remedy = _OTHER_KINDS.get(dtype.kind, "give integers or floats: x.astype('float32')")
    return ConfigurationError(
        f"{where} has an array of dtype {dtype}, which is not a number that models take", remedy
    )


def unlike_shapes(
    where: str, first: Sequence[int], number: int, shape: Sequence[int]
) -> ConfigurationError:
    """The error for samples that can't be held in one array; the first one has shape *first*."""
    return ConfigurationError(
        f"{where} has samples of different shapes: #0 has {tuple(first)}, #{number} has "
        f"{tuple(shape)}",
        "give samples of one shape: pad, crop or resize them",
    )
