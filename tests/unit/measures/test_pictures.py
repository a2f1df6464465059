"""Samples as small PNG files, read back by matplotlib."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.pictures import SIDE, pictures_of, png_of

RANDOM = np.random.default_rng(3)


def read(picture: bytes) -> Array:
    """Bytes of shape (height, width) or (height, width, 3)."""
    image = pytest.importorskip("matplotlib.image")
    found: Any = image.imread(BytesIO(picture), format="png")
    return np.asarray(np.rint(found * 255).astype(np.uint8))


def test_bytes_are_kept_as_they_are() -> None:
    grey = RANDOM.integers(0, 256, (5, 7, 1), np.uint8)
    colour = RANDOM.integers(0, 256, (7, 5, 3), np.uint8)
    assert (read(png_of(grey)) == grey[..., 0]).all()
    assert (read(png_of(colour)) == colour).all()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.0, 0.25, 0.5], [0, 64, 128]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 51.0, 200.0], [0, 51, 200]),
        ([0.0, 500.0, 1000.0], [0, 128, 255]),
        ([7.5, 7.5, 7.5], [8, 8, 8]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([float("inf"), 0.0, 1.0], [0, 0, 255]),
    ],
)
def test_values_become_grey(values: list[float], shown: list[int]) -> None:
    image = np.array(values, np.float32).reshape(1, 3, 1)
    assert read(png_of(image)).reshape(-1).tolist() == shown


def test_no_side_has_more_pixels_than_are_kept() -> None:
    for shape in ((224, 224, 3), (97, 20, 1), (3, 1_000, 1)):
        height, width = read(png_of(np.zeros(shape, np.uint8))).shape[:2]
        assert max(height, width) <= SIDE
        assert height <= shape[0]


@pytest.mark.parametrize(
    "shape", [(2, 8, 8), (2, 8, 8, 1), (2, 8, 8, 3), (2, 3, 8, 8), (2, 1, 8, 8)]
)
def test_images_are_recognised_with_channels_last_and_first(shape: tuple[int, ...]) -> None:
    batch = RANDOM.random(shape, np.float32)
    found = [read(base64.b64decode(each)) for each in pictures_of((batch,))]
    wanted = batch if shape[1] > 3 else np.moveaxis(batch, 1, -1)
    for picture, sample in zip(found, wanted, strict=True):
        assert abs(picture.reshape(-1) - sample.reshape(-1) * 255).max() <= 1


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1), (2, 4, 4, 4), (2, 3, 3, 3, 3), (2,)])
def test_what_is_no_image_has_no_picture(shape: tuple[int, ...]) -> None:
    assert pictures_of((np.zeros(shape, np.float32),)) == ("", "")
    assert pictures_of((np.zeros((2, 4, 4), "U1"),)) == ("", "")


def test_of_several_inputs_the_image_is_drawn() -> None:
    found = pictures_of((np.zeros((2, 5)), np.zeros((2, 8, 8, 3))))
    assert all(base64.b64decode(each).startswith(b"\x89PNG") for each in found)
