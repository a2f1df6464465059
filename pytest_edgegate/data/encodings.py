"""How samples are encoded as numbers, and other ways to feed them.

Pixels from 0 to 255 reach models in a few encodings. The mean and the standard deviation of
ImageNet are those of torchvision's models (of RGB from 0 to 1) and of Caffe's (of BGR from 0 to
255, without a standard deviation).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pytest_edgegate.data.splits import Array

Range = tuple[float, float]
_FEWEST_VALUES = 16
"""A sample with fewer values is a row of a table, neither an image nor a sound."""
_COLOURS = 3
_MOST_CHANNELS = 4
_NESTED = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
_OPERATION = re.compile(r" [-+*/] |^-")
_REVERSED = "channels reversed"
_SLACK = 0.02
"""By how much of its width a range may miss the round one that it stands for."""


@dataclass(frozen=True)
class Encoding:
    """``(pixel - mean) / std``: numbers, or one for each of three channels in their order."""

    range: Range
    mean: tuple[float, ...]
    std: tuple[float, ...]
    of_channels: str = ""
    """The words for it, if each channel has numbers of its own."""
    bgr: bool = False
    whole: bool = False
    """Whether its values are whole numbers, so that others of this range are not in it."""


PIXELS = Encoding((0, 255), (0,), (1,))
UNIT = Encoding((0, 1), (0,), (255,))
SIGNED = Encoding((-1, 1), (127.5,), (127.5,))
HALF = Encoding((-0.5, 0.5), (127.5,), (255,))
INT8 = Encoding((-128, 127), (128,), (1,), whole=True)
TORCH = Encoding(
    (-2.118, 2.64),
    (123.675, 116.28, 103.53),
    (58.395, 57.12, 57.375),
    of_channels="mean and standard deviation of ImageNet",
)
CAFFE = Encoding(
    (-123.68, 151.061),
    (103.939, 116.779, 123.68),
    (1, 1, 1),
    of_channels="the mean of ImageNet subtracted, in BGR",
    bgr=True,
)
_SOUND = Encoding((-32_768, 32_767), (0,), (1,), whole=True)
_SOUND_UNIT = Encoding((-1, 1), (0,), (32_768,))

_IMAGES = (UNIT, PIXELS, SIGNED, TORCH, CAFFE, HALF, INT8)
"""By how often they are met."""


@dataclass(frozen=True)
class Feed:
    """Another way to feed samples. ``name`` follows "with", ``code`` is what one would type.

    ``apply`` takes and returns one array of shape (n, ...) for each input; those that it does not
    concern are returned as they are.
    """

    name: str
    code: str
    apply: Callable[[tuple[Array, ...]], tuple[Array, ...]]
    parts: frozenset[str] = frozenset()
    """What it changes: of two ways, one with some of the other's parts only is the simpler."""


def other_feeds(arrays: tuple[Array, ...]) -> tuple[Feed, ...]:
    """The ways to feed samples of these shapes and ranges otherwise, the commonest first.

    *arrays*: some samples, one array of shape (n, ...) for each input. Inputs that are neither
    images nor sounds are left as they are; there is no other way if all are.
    """
    first = next((each for each in arrays if _is_dense(each)), None)
    if first is None:
        return ()
    found = (*_in_colours(first), *_in_encodings(first), *_in_axes(first))
    return tuple(_for_all(each, first) for each in found)


def fitting(seen: Range, held: Range) -> str:
    """What brings values of the range *seen* into the range that an input can hold, as code.

    Empty if nothing does by rule: for values that are not of 0 to 255, 0 to 1 or -1 to 1, and if
    both ranges are the same.
    """
    source = _nominal(seen)
    if source is None or _is_near(source.range, held):
        return ""
    wanted = next((each for each in _IMAGES if _is_near(each.range, held)), None)
    if wanted is not None:
        return _code("x", source, wanted)
    low, high = source.range
    by = (held[1] - held[0]) / (high - low)
    return _affine("x", by, held[0] - low * by)


def _nominal(seen: Range) -> Encoding | None:
    """The encoding of values that nearly reach both of its ends."""
    return next((each for each in (PIXELS, UNIT, SIGNED) if _fills(each.range, seen)), None)


def _fills(wanted: Range, seen: Range) -> bool:
    """Whether the range lies in another one, and has most of its width."""
    slack = _SLACK * (wanted[1] - wanted[0])
    inside = seen[0] >= wanted[0] - slack and seen[1] <= wanted[1] + slack
    return inside and seen[1] - seen[0] >= (wanted[1] - wanted[0]) / 2


def _is_near(wanted: Range, held: Range) -> bool:
    slack = _SLACK * (wanted[1] - wanted[0])
    return all(abs(one - other) <= slack for one, other in zip(wanted, held, strict=True))


@dataclass(frozen=True)
class _Change:
    """A feed of a single array."""

    name: str
    code: str
    apply: Callable[[Array], Array]
    parts: frozenset[str]


def _for_all(change: _Change, first: Array) -> Feed:
    """The change for every input that is like the first one: as many axes, as many channels."""

    def apply(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(
            change.apply(each) if each.shape[1:] == first.shape[1:] and _is_dense(each) else each
            for each in arrays
        )

    return Feed(change.name, change.code, apply, change.parts)


def _is_dense(array: Array) -> bool:
    """Whether its samples are images, sounds or the like: raw pixels, or floats, and many."""
    numbers = array.dtype.kind == "f" or array.dtype in (np.uint8, np.int16)
    return bool(numbers and array.ndim >= 2 and array[0].size >= _FEWEST_VALUES)


def _colour_axes(array: Array) -> list[int]:
    """The axes that may hold red, green and blue."""
    if array.ndim < 3:
        return []
    return [at for at in (array.ndim - 1, 1) if array.shape[at] == _COLOURS]


def _in_colours(array: Array) -> Iterator[_Change]:
    for axis in _colour_axes(array):
        code = _reversed("x", axis, array)
        yield _Change("channels reversed", code, partial(_flip, axis), frozenset({_REVERSED}))


def _flip(axis: int, array: Array) -> Array:
    return np.flip(array, axis)


def _reversed(x: str, axis: int | None, array: Array) -> str:
    """The code that reverses an axis of *x*, if one is given."""
    if axis is None:
        return x
    return f"{grouped(x)}{'[..., ::-1]' if axis == array.ndim - 1 else '[:, ::-1]'}"


def _in_encodings(array: Array) -> Iterator[_Change]:
    """Other encodings, also with another order of colours, and the values inverted."""
    axis = next(iter(_colour_axes(array)), None)
    for source in _encodings_of(array):
        for wanted in _others(source, coloured=axis is not None):
            yield from _encoded(array, source, wanted, axis)
        if axis is None and source is SIGNED:
            yield from _encoded(array, _SOUND_UNIT, _SOUND, None)
        if axis is None and source in (UNIT, PIXELS, SIGNED):
            yield _inverted(source)


def _others(source: Encoding, *, coloured: bool) -> tuple[Encoding, ...]:
    if source is _SOUND:
        return (_SOUND_UNIT,)
    return tuple(
        each for each in _IMAGES if each is not source and (coloured or not each.of_channels)
    )


def _encodings_of(array: Array) -> tuple[Encoding, ...]:
    """The encodings that values of this range can be in; the narrowest one, and its like."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all() or low == high:
        return ()
    whole = bool((array == np.rint(array)).all())
    images = [each for each in _IMAGES if _holds(each, low, high, whole)]
    coloured = bool(_colour_axes(array))
    images = [each for each in images if coloured or not each.of_channels]
    if images:
        width = min(each.range[1] - each.range[0] for each in images)
        return tuple(each for each in images if each.range[1] - each.range[0] <= width * 1.1)
    return (_SOUND,) if _holds(_SOUND, low, high, whole) else ()


def _holds(encoding: Encoding, low: float, high: float, whole: bool) -> bool:
    least, most = encoding.range
    slack = _SLACK * (most - least) / 10
    inside = low >= least - slack and high <= most + slack
    return inside and (whole or not encoding.whole)


def _encoded(
    array: Array, source: Encoding, wanted: Encoding, axis: int | None
) -> Iterator[_Change]:
    """In the order of colours that goes with that encoding, and in the other one."""
    swaps = source.bgr != wanted.bgr
    for swap in (False,) if axis is None else (swaps, not swaps):
        swapped = partial(_reversed, axis=axis if swap else None, array=array)
        code = _code(_in_float(array, wanted), source, wanted, swapped, _spread_code(array, axis))
        name = f"{code} in place of x"
        if wanted.of_channels:
            name = f"{wanted.of_channels} ({code})"
        parts = {_code("x", source, wanted), *((_REVERSED,) if swap else ())}
        yield _Change(name, code, partial(_recoded, source, wanted, axis, swap), frozenset(parts))


def _recoded(
    source: Encoding, wanted: Encoding, axis: int | None, swap: bool, array: Array
) -> Array:
    pixels = array.astype(np.float32) * _spread(source.std, axis, array)
    pixels += _spread(source.mean, axis, array)
    if swap and axis is not None:
        pixels = np.flip(pixels, axis)
    made = (pixels - _spread(wanted.mean, axis, array)) / _spread(wanted.std, axis, array)
    return np.asarray(made, np.float32)


def _spread(values: tuple[float, ...], axis: int | None, array: Array) -> Array:
    """Numbers by channel, in a shape that broadcasts along their axis."""
    if axis is None or len(values) == 1:
        return np.float32(values[0]) * np.ones((), np.float32)
    shape = [1] * array.ndim
    shape[axis] = len(values)
    return np.array(values, np.float32).reshape(shape)


def _inverted(encoding: Encoding) -> _Change:
    total = sum(encoding.range)
    code = f"{total:g} - x" if total else "-x"

    def apply(array: Array) -> Array:
        return np.asarray(np.float32(total) - array.astype(np.float32))

    return _Change(f"{code} in place of x", code, apply, frozenset({code}))


def _in_float(array: Array, wanted: Encoding) -> str:
    """The samples in a type that can hold the result: whole numbers below 0 wrap in unsigned ones,
    and what is divided is float anyway."""
    return 'x.astype("float32")' if array.dtype.kind in "iu" and wanted.whole else "x"


def _spread_code(array: Array, axis: int | None) -> str:
    """What numbers by channel need behind their name, so that they broadcast along their axis."""
    behind = 0 if axis is None else array.ndim - 1 - axis
    return f"[:{', None' * behind}]" if behind else ""


def _code(
    x: str,
    source: Encoding,
    wanted: Encoding,
    swapped: Callable[[str], str] = lambda code: code,
    over: str = "",
) -> str:
    """The change as an expression of *x*; *swapped* adds the reversal of channels, *over* stands
    behind numbers by channel."""
    code, simple = x, source
    if source is TORCH:
        code, simple = f"{x} * std{over} + mean{over}", UNIT
    elif source is CAFFE:
        code, simple = f"{x} + bgr_mean{over}", PIXELS
    code = swapped(code)
    aim = {TORCH: UNIT, CAFFE: PIXELS}.get(wanted, wanted)
    by = simple.std[0] / aim.std[0]
    code = _affine(code, by, (simple.mean[0] - aim.mean[0]) / aim.std[0])
    if wanted is TORCH:
        return f"({code} - mean{over}) / std{over}"
    return f"{code} - bgr_mean{over}" if wanted is CAFFE else code


def grouped(code: str) -> str:
    """The expression in parentheses, if something may not just be appended to it."""
    left, outside = "", code
    while left != outside:
        left, outside = outside, _NESTED.sub("", outside)
    return f"({code})" if _OPERATION.search(outside) else code


def _affine(x: str, by: float, plus: float) -> str:
    """``x * by + plus``, with a division where that has the shorter number."""
    made = x
    if abs(by - 1) > 1e-9:
        times, over = f"{by:.6g}", f"{1 / by:.6g}"
        whole = grouped(x)
        made = f"{whole} / {over}" if len(over) < len(times) else f"{whole} * {times}"
    if abs(plus) <= 1e-9:
        return made
    return f"{made} {'-' if plus < 0 else '+'} {abs(plus):.6g}"


def _in_axes(array: Array) -> Iterator[_Change]:
    """Images whose values or axes are in another order than their shape says."""
    if array.ndim != 4:
        return
    _, one, two, three = array.shape
    for channels, shape, back in (
        (three, (three, one, two), (0, 2, 3, 1)),
        (one, (two, three, one), (0, 3, 1, 2)),
    ):
        if 1 < channels <= _MOST_CHANNELS:
            sizes = ", ".join(map(str, shape))
            code = f"x.reshape(-1, {sizes}).transpose{back}"
            apply = partial(_reordered, shape, back)
            name = f"its values read in another order of axes ({code})"
            yield _Change(name, code, apply, frozenset({code}))
    if one == two == three:
        for axes in ((0, 2, 3, 1), (0, 3, 1, 2)):
            code = f"x.transpose{axes}"
            apply = partial(_moved, axes)
            yield _Change(f"axes moved ({code})", code, apply, frozenset({code}))
    yield from _transposed_images(array)


def _transposed_images(array: Array) -> Iterator[_Change]:
    _, one, two, three = array.shape
    for axes, sizes, channels in (((1, 2), (one, two), three), ((2, 3), (two, three), one)):
        if sizes[0] == sizes[1] and channels <= _MOST_CHANNELS and sizes[0] > 1:
            code = f"x.swapaxes({axes[0]}, {axes[1]})"
            apply = partial(_swapped, axes)
            yield _Change(f"rows and columns swapped ({code})", code, apply, frozenset({code}))


def _reordered(shape: tuple[int, ...], axes: tuple[int, ...], array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1, *shape).transpose(axes)


def _moved(axes: tuple[int, ...], array: Array) -> Array:
    return array.transpose(axes)


def _swapped(axes: tuple[int, int], array: Array) -> Array:
    return array.swapaxes(*axes)
