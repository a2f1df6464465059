"""Other ways to feed samples, by their shapes and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.data.encodings import Feed, fitting, other_feeds

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (20, 8, 8, 3)).astype(np.float32)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
BGR_MEAN = np.array([103.939, 116.779, 123.68])

FORMS = {
    "pixels": PIXELS,
    "unit": PIXELS / 255,
    "signed": PIXELS / 127.5 - 1,
    "half": PIXELS / 255 - 0.5,
    "int8": PIXELS - 128,
    "torch": ((PIXELS / 255 - MEAN) / STD).astype(np.float32),
    "caffe": (PIXELS[..., ::-1] - BGR_MEAN).astype(np.float32),
}


RECODED: tuple[Callable[[Array], Array], ...] = (
    lambda pixels: (pixels / 255).astype(np.float32),
    lambda pixels: (pixels / 127.5 - 1).astype(np.float32),
    lambda pixels: ((pixels / 255 - MEAN) / STD).astype(np.float32),
    lambda pixels: (pixels[..., ::-1] - BGR_MEAN).astype(np.float32),
)


def by_code(arrays: Array | tuple[Array, ...]) -> dict[str, Feed]:
    given = arrays if isinstance(arrays, tuple) else (arrays,)
    return {each.code: each for each in other_feeds(given)}


def reached(source: Array, wanted: Array) -> list[str]:
    """The codes of the ways that turn the one into the other."""
    return [
        code
        for code, each in by_code(source).items()
        if each.apply((source,))[0].shape == wanted.shape
        and np.allclose(each.apply((source,))[0], wanted, atol=1e-3)
    ]


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("wanted", FORMS)
def test_every_encoding_reaches_every_other(source: str, wanted: str) -> None:
    if source == wanted:
        assert not reached(FORMS[source], FORMS[wanted])
        return
    (code,) = reached(FORMS[source], FORMS[wanted])
    x = FORMS[source]
    names = {"x": x, "mean": MEAN, "std": STD, "bgr_mean": BGR_MEAN}
    assert np.allclose(eval(code, {}, names), FORMS[wanted], atol=1e-3), code


@pytest.mark.parametrize(
    ("source", "wanted", "code"),
    [
        ("pixels", "unit", "x / 255"),
        ("pixels", "signed", "x / 127.5 - 1"),
        ("pixels", "int8", "x - 128"),
        ("pixels", "torch", "(x / 255 - mean) / std"),
        ("pixels", "caffe", "x[..., ::-1] - bgr_mean"),
        ("unit", "pixels", "x * 255"),
        ("unit", "signed", "x * 2 - 1"),
        ("signed", "unit", "x / 2 + 0.5"),
        ("torch", "unit", "x * std + mean"),
        ("torch", "pixels", "(x * std + mean) * 255"),
    ],
)
def test_the_code_is_what_one_would_type(source: str, wanted: str, code: str) -> None:
    assert reached(FORMS[source], FORMS[wanted]) == [code]


def test_colours_in_reverse_order() -> None:
    x = FORMS["unit"]
    assert reached(x, x[..., ::-1]) == ["x[..., ::-1]"]
    assert by_code(x)["x[..., ::-1]"].name == "channels reversed"
    first = np.moveaxis(x, -1, 1)
    assert reached(first, first[:, ::-1]) == ["x[:, ::-1]"]
    assert reached(x, x[..., ::-1] * 2 - 1) == ["x[..., ::-1] * 2 - 1"]


def test_channels_first_have_means_of_their_axis() -> None:
    first = np.moveaxis(FORMS["pixels"], -1, 1)
    (code,) = reached(first, np.moveaxis(FORMS["torch"], -1, 1))
    assert code == "(x / 255 - mean[:, None, None]) / std[:, None, None]"


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("shape", [(8, 6, 3), (3, 8, 8, 3)], ids=["image", "video"])
def test_what_one_types_does_what_was_tried(shape: tuple[int, ...], axis: int) -> None:
    """With the samples as they are: raw pixels wrap below 0 where nothing makes them wider."""
    pixels = RANDOM.integers(0, 256, (9, *shape))
    forms = [pixels.astype(np.uint8), *(recoded(pixels) for recoded in RECODED)]
    for form in forms:
        x = np.ascontiguousarray(np.moveaxis(form, -1, axis))
        for code, feed in by_code(x).items():
            names = {"x": x, "mean": MEAN, "std": STD, "bgr_mean": BGR_MEAN}
            assert np.allclose(eval(code, {}, names), feed.apply((x,))[0], atol=1e-3), code


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_that_were_reshaped_in_place_of_transposed(channels: int) -> None:
    x = RANDOM.random((5, 8, 6, channels)).astype(np.float32)
    spoilt = x.reshape(5, channels, 8, 6)
    right = np.moveaxis(x, -1, 1)
    assert bool(reached(spoilt, right)) == (channels > 1)
    back = right.reshape(5, 8, 6, channels)
    assert bool(reached(back, x)) == (channels > 1)


def test_axes_that_fit_in_any_order() -> None:
    x = RANDOM.random((5, 3, 3, 3)).astype(np.float32)
    assert reached(np.moveaxis(x, -1, 1), x)
    assert reached(np.moveaxis(x, 1, -1), x)
    square = RANDOM.random((5, 8, 8, 1)).astype(np.float32)
    assert reached(square.swapaxes(1, 2), square) == ["x.swapaxes(1, 2)"]
    wide = RANDOM.random((5, 8, 6, 1)).astype(np.float32)
    assert "x.swapaxes(1, 2)" not in by_code(wide)


def test_grey_images_may_be_inverted() -> None:
    grey = RANDOM.random((5, 8, 8, 1)).astype(np.float32)
    assert reached(grey, 1 - grey) == ["1 - x"]
    assert reached(grey * 255, 255 - grey * 255) == ["255 - x"]
    assert not any("mean" in code or "::-1" in code for code in by_code(grey))


def test_flat_samples_and_sound() -> None:
    flat = RANDOM.random((5, 784)).astype(np.float32) * 255
    assert "x / 255" in by_code(flat)
    sound = RANDOM.integers(-20_000, 20_000, (5, 1600)).astype(np.float32)
    assert reached(sound, sound / 32768) == ["x / 32768"]
    assert reached(sound / 32768, sound) == ["x * 32768"]


def test_values_are_taken_for_the_narrowest_encoding_that_holds_them() -> None:
    assert "x / 255" in by_code(FORMS["pixels"])
    for each in ("unit", "signed"):
        assert "x / 255" not in by_code(FORMS[each])


def test_tables_of_a_few_numbers_and_token_ids_are_left_alone() -> None:
    assert not by_code(RANDOM.random((5, 4)).astype(np.float32))
    assert not by_code(RANDOM.integers(0, 200, (5, 40)))


def test_raw_pixels_in_integers_are_images() -> None:
    raw = PIXELS.astype(np.uint8)
    (made,) = by_code(raw)["x / 255"].apply((raw,))
    assert made.dtype == np.float32
    assert np.allclose(made, PIXELS / 255)


def test_only_the_images_among_several_inputs() -> None:
    ages = RANDOM.random((20, 2)).astype(np.float32)
    x = FORMS["unit"]
    images, same = by_code((x, ages))["x * 2 - 1"].apply((x, ages))
    assert np.allclose(images, x * 2 - 1, atol=1e-6)
    assert same is ages


@pytest.mark.parametrize(
    ("seen", "held", "code"),
    [
        ((0, 255), (-1, 0.992), "x / 127.5 - 1"),
        ((3, 251), (-1.004, 1.004), "x / 127.5 - 1"),
        ((0, 255), (0, 1), "x / 255"),
        ((0, 1), (0, 255), "x * 255"),
        ((0, 1), (-1, 1), "x * 2 - 1"),
        ((-1, 1), (0, 1), "x / 2 + 0.5"),
        ((0, 255), (-128, 127), "x - 128"),
        ((0, 255), (-0.5, 0.5), "x / 255 - 0.5"),
        ((0, 255), (0.1, 3.4), "x / 77.2727 + 0.1"),
        ((0, 255), (-2.1179, 2.64), "(x / 255 - mean) / std"),
        ((0, 12), (0, 40), ""),
        ((0, 1), (0, 1), ""),
    ],
)
def test_what_brings_samples_into_the_range_of_an_input(
    seen: tuple[float, float], held: tuple[float, float], code: str
) -> None:
    assert fitting(seen, held) == code
