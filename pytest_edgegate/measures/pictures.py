"""Samples as small pictures: PNG, written with zlib alone."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from pytest_edgegate.data.splits import Array

SIDE = 96
"""The most pixels of a side."""
_CHANNELS = (1, 3)
_GREY, _COLOUR = 0, 2
"""The colour types of PNG."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pictures_of(inputs: tuple[Array, ...]) -> tuple[str, ...]:
    """PNG files in base64 of the first input that looks like images; else empty texts.

    *inputs*: arrays of shape (n, ...).
    """
    images = next((found for each in inputs if (found := _as_images(each)) is not None), None)
    if images is None:
        return ("",) * len(inputs[0])
    return tuple(base64.b64encode(png_of(each)).decode("ascii") for each in images)


def _as_images(array: Array) -> Array | None:
    """Shape (n, height, width, 1 or 3), from images with channels last, first, or none."""
    if array.dtype.kind not in "biuf" or array.ndim not in (3, 4) or 0 in array.shape:
        return None
    if array.ndim == 3:
        return array[..., np.newaxis] if min(array.shape[1:]) > 1 else None
    if array.shape[-1] in _CHANNELS:
        return array
    return np.moveaxis(array, 1, -1) if array.shape[1] in _CHANNELS else None


def png_of(image: Array) -> bytes:
    """An image of shape (height, width, 1 or 3), scaled down to ``SIDE`` pixels a side."""
    pixels = _in_bytes(_smaller(image))
    height, width, channels = pixels.shape
    kind = _GREY if channels == 1 else _COLOUR
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(*each) for each in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _smaller(image: Array) -> Array:
    """Every k-th pixel, as many as fit."""
    step = -(-max(image.shape[:2]) // SIDE)
    return image[::step, ::step]


def _in_bytes(image: Array) -> Array:
    """0 to 255: bytes as they are, 0 to 1 as shares, and all else from its least to its largest."""
    if image.dtype == np.uint8:
        return image
    values = np.nan_to_num(image.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.dtype.kind == "f" and low >= 0 and 0 < high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and 1 < high <= 255:
        low, high = 0.0, 255.0
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.rint(scaled * 255).astype(np.uint8)
