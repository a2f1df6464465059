"""Fits batches of the user's data to the inputs of an opened model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.encodings import fitting
from pytest_edgegate.data.splits import Array

Number = Callable[[int], int | None]
"""The position in its split of a sample of a batch; None if it is not known."""


def _unknown(at: int) -> int | None:
    return None


def arrange(
    arrays: tuple[Array, ...],
    names: Sequence[str] | None,
    inputs: Sequence[TensorInfo],
    where: str,
    number: Number = _unknown,
) -> tuple[Array, ...]:
    """The arrays in the order of the model's inputs, each checked against its shape and dtype.

    Arrays have shape (n, ...). They are matched by name if *names* are given, else by position.
    *number* gives the position of a sample in its split, if errors can number it.
    Raises ConfigurationError before anything runs.
    """
    if len(arrays) != len(inputs):
        raise ConfigurationError(
            f"edge_data.{where} gives {len(arrays)} inputs, the model takes {len(inputs)} "
            f"({', '.join(each.name for each in inputs)})",
            _several_inputs(where, len(arrays), len(inputs)),
        )
    if names is not None and len(inputs) > 1:
        arrays = _by_name(arrays, names, inputs, where)
    for array, each in zip(arrays, inputs, strict=True):
        _check_shape(array, each, where, number)
        _check_values(array, each, where, number)
    return arrays


def _several_inputs(where: str, given: int, wanted: int) -> str:
    told = "give x as a tuple in that order, or as a dict with those names"
    if given == 3 and wanted == 1:
        return f"{told}; of (x, y, sample weights) give (x, y) only"
    if given != 1 or wanted != 2:
        return told
    return f"{told}: a pair is read as (x, labels), so write {where}=((x1, x2), labels or None)"


def _by_name(
    arrays: tuple[Array, ...], names: Sequence[str], inputs: Sequence[TensorInfo], where: str
) -> tuple[Array, ...]:
    given = dict(zip(names, arrays, strict=True))
    wanted = input_names(inputs, names)
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ConfigurationError(
            f"edge_data.{where} has no input {missing[0]!r}: its keys are {', '.join(given)}",
            f"name the inputs as the model does: {', '.join(wanted)}",
        )
    return tuple(given[name] for name in wanted)


def input_names(inputs: Sequence[TensorInfo], known: Sequence[str]) -> list[str]:
    """The names of a file's inputs: of its tensors, or, if those are *known*, of its signature or
    of its tensors with what a converter has added."""
    bare = bare_names(inputs)
    others = ([each.argument for each in inputs], [each.name for each in inputs])
    return next((each for each in (bare, *others) if set(each) <= set(known)), bare)


def bare_name(name: str) -> str:
    """A tensor's name without converters' affixes (``serving_default_x:0`` -> ``x``)."""
    return name.split(":", maxsplit=1)[0].removeprefix("serving_default_")


def bare_names(tensors: Sequence[TensorInfo]) -> list[str]:
    """Bare names, or the names as they are where two would be alike."""
    found = [bare_name(each.name) for each in tensors]
    return found if len(set(found)) == len(found) else [each.name for each in tensors]


def _check_shape(array: Array, tensor: TensorInfo, where: str, number: Number) -> None:
    sample, wanted = array.shape[1:], tensor.shape[1:]
    if _fits(sample, wanted) or _is_without_batch(sample, tensor.shape):
        return
    hint = f"the model takes samples of shape {wanted}"
    if _fits(sample, tensor.shape):
        hint += f": the first axis, of {tensor.shape[0]}, is its batch"
    if wanted and wanted[-1] == 1 and sample == wanted[:-1]:
        hint += ": add the channel with x[..., None]"
    elif len(sample) == 3 and _fits((*sample[1:], sample[0]), wanted):
        hint += ": move the channels to the end with x.transpose(0, 2, 3, 1)"
    elif len(sample) == 3 and _fits((sample[-1], *sample[:-1]), wanted):
        hint += ": move the channels to the front with x.transpose(0, 3, 1, 2)"
    raise ConfigurationError(
        f"edge_data.{where}: samples of shape {sample}{_since(len(array), number)} "
        f"do not fit the input {tensor.name!r} of shape {wanted}",
        hint,
    )


def _since(count: int, number: Number) -> str:
    """Where a stream begins to have such samples; those drawn from an array are all alike."""
    first, last = number(0), number(count - 1)
    unbroken = first is not None and last == first + count - 1
    return f" (from #{first} on)" if first and unbroken else ""


def _is_without_batch(sample: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an input takes samples as they are. A first axis of 1, or a free one before others,
    is a batch: samples with an axis too many would fit it too."""
    bare = len(shape) == 1 or shape[:1] > (1,)
    return bare and _fits(sample, shape)


def _fits(sample: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(sample) == len(wanted) and all(
        size in (want, -1) or want == -1 for size, want in zip(sample, wanted, strict=True)
    )


def _check_values(array: Array, tensor: TensorInfo, where: str, number: Number) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        first = number(int(bad.argmax()))
        raise ConfigurationError(
            f"edge_data.{where} holds NaN or Inf for the input {tensor.name!r}"
            f"{'' if first is None else f', first in sample #{first}'}",
            "fix or drop those samples",
        )
    if tensor.dtype.startswith(("int", "uint")) and not tensor.scales:
        limits = np.iinfo(tensor.dtype)
        if (
            (array.dtype.kind == "f" and (array != np.rint(array)).any())
            or array.min() < limits.min
            or array.max() > limits.max
        ):
            raise ConfigurationError(
                f"edge_data.{where} does not fit the input {tensor.name!r}, which takes "
                f"{tensor.dtype} ({limits.min} to {limits.max}): it goes "
                f"from {array.min()} to {array.max()}{looked_at(len(array))}",
                f"give whole numbers in that range, for example x.astype('{tensor.dtype}')",
            )
    if array.dtype.kind in "iu" and tensor.scales:
        low, high = real_range(tensor)
        outside = float(((array < low) | (array > high)).mean())
        if outside > 0.5:
            raise ConfigurationError(
                f"edge_data.{where} is {array.dtype} from {array.min()} to {array.max()}, but the "
                f"input {tensor.name!r} holds real values from {low:.4g} to {high:.4g}"
                f"{looked_at(len(array))}",
                _remedy_for_raw(array, tensor),
            )


def looked_at(count: int) -> str:
    """Ends a message about the values of a batch, which are not those of all samples."""
    return f"; {count:,} sample{'s were' if count > 1 else ' was'} looked at"


def _remedy_for_raw(array: Array, tensor: TensorInfo) -> str:
    """The remedy for raw integers where real values are wanted."""
    pixels = array.dtype == np.uint8
    seen = (0.0, 255.0) if pixels else (float(array.min()), float(array.max()))
    code = fitting(seen, real_range(tensor))
    if array.dtype == tensor.dtype and not code:  # quantised already, as the file does it
        zero = tensor.zero_points[0]
        shifted = f"(x {'-' if zero > 0 else '+'} {abs(zero)})" if zero else "x"
        code = f"{shifted} * {tensor.scales[0]:.6g}"
    feed = f"feed {code}" if code else "feed real values, preprocessed as in training"
    return f"{feed}: the gate quantises them itself"


def noise(tensor: TensorInfo) -> Array:
    """A sample of seeded noise for an input, in real values: float32 or the input's own dtype."""
    shape = (1, *(max(size, 1) for size in tensor.shape[1:]))
    drawn = np.random.default_rng(0).random(shape, np.float32)
    if tensor.scales:
        low, high = real_range(tensor)
        return np.asarray(low + drawn * (high - low), np.float32)
    return fed(drawn, tensor)


def fed(array: Array, tensor: TensorInfo) -> Array:
    """The array, contiguous and in the dtype of an input; float32 for bfloat16, which numpy does
    not have by itself."""
    dtype = "float32" if tensor.dtype == "bfloat16" else tensor.dtype
    return np.ascontiguousarray(array, dtype=dtype)


def zeros(tensor: TensorInfo) -> Array:
    """A sample of zeros for an input, in real values: float32 or the input's own dtype."""
    shape = (1, *(max(size, 1) for size in tensor.shape[1:]))
    return np.zeros(shape, np.float32 if tensor.scales else tensor.dtype)


def real_range(tensor: TensorInfo) -> tuple[float, float]:
    """The range of real values of a per-tensor quantised tensor."""
    limits = np.iinfo(tensor.dtype)
    scale, zero = tensor.scales[0], tensor.zero_points[0]
    return (limits.min - zero) * scale, (limits.max - zero) * scale


def quantised(array: Array, tensor: TensorInfo) -> Array:
    """Real values in the dtype of an input: round(x * (1 / scale)) + zero point, saturated.

    It is what LiteRT's QUANTIZE computes in float32, to the bit, halves to even; its reference
    kernels round a half away from zero, the only difference.
    """
    if not tensor.scales:
        return fed(array, tensor)
    limits = np.iinfo(tensor.dtype)
    steps = np.asarray(array, np.float32) * (np.float32(1) / np.float32(tensor.scales[0]))
    np.rint(steps, out=steps)
    steps += tensor.zero_points[0]
    np.clip(steps, limits.min, limits.max, out=steps)
    return steps.astype(tensor.dtype)


def dequantised(array: Array, tensor: TensorInfo) -> Array:
    """Real values of an output: (q - zero point) * scale, as float32."""
    if not tensor.scales:
        return array.astype(np.float32, copy=False)
    return (array.astype(np.float32) - tensor.zero_points[0]) * np.float32(tensor.scales[0])
