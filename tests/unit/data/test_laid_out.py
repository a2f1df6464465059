"""Data as the model takes it, for files whose axes lie otherwise."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.layout import (
    AS_THE_MODEL,
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Layout,
    inverse,
)
from pytest_edgegate.core.ports import Example
from pytest_edgegate.data.dataset import Dataset
from pytest_edgegate.data.laid_out import FedSamples, LaidOutRunner, layout_by_samples

Array = npt.NDArray[Any]
IMAGE = np.arange(4 * 3 * 5 * 6, dtype=np.float64).reshape(4, 3, 5, 6)
ROW = np.arange(8).reshape(4, 2)
LAST = Layout((CHANNELS_LAST, None), (None,))


@given(st.permutations(range(4)))
def test_the_inverse_puts_a_tensor_back(axes: list[int]) -> None:
    array = np.zeros((2, 3, 4, 5))
    assert np.transpose(np.transpose(array, axes), inverse(axes)).shape == array.shape


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_a_layout_after_a_layout_is_one_transposition(first: list[int], second: list[int]) -> None:
    array = np.zeros((2, 3, 4, 5))
    both = Layout((tuple(first),)).then(Layout((tuple(second),))).inputs[0]
    assert both is not None
    twice = np.transpose(np.transpose(array, first), second)
    assert np.transpose(array, both).shape == twice.shape


def test_a_layout_goes_through_json() -> None:
    assert Layout.from_lists(LAST.as_lists()) == LAST
    assert LAST.then(AS_THE_MODEL) == AS_THE_MODEL.then(LAST) == LAST
    assert LAST
    assert not AS_THE_MODEL
    assert not Layout((None,), (None,))


class Echo:
    """A runner over a channels-last image and a row that gives the image and a sum back."""

    inputs = (TensorInfo("image", (-1, 5, 6, 3), "float32"), TensorInfo("row", (-1, 2), "int64"))
    outputs = (TensorInfo("same", (-1, 5, 6, 3), "float32"), TensorInfo("sum", (-1, 2), "float32"))

    def __enter__(self) -> Echo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        image, row = batch
        assert image.shape[1:] == (5, 6, 3)
        return image, row.astype(np.float32)

    infer_raw = infer


@pytest.mark.parametrize("raw", [False, True])
def test_a_runner_takes_and_gives_what_the_model_does(raw: bool) -> None:
    with LaidOutRunner(Echo(), Layout((CHANNELS_LAST, None), (CHANNELS_LAST, None))) as runner:
        assert [each.shape for each in runner.inputs] == [(-1, 3, 5, 6), (-1, 2)]
        assert [each.shape for each in runner.outputs] == [(-1, 3, 5, 6), (-1, 2)]
        same, total = (runner.infer_raw if raw else runner.infer)((IMAGE, ROW))
    np.testing.assert_array_equal(same, IMAGE)
    np.testing.assert_array_equal(total, ROW)


@pytest.mark.parametrize("x", [((IMAGE, ROW), ROW), {"row": ROW, "image": IMAGE}])
def test_calibration_samples_in_the_order_dtypes_and_axes_of_the_file(x: Any) -> None:
    samples = Dataset(EdgeData(calibration=x)).calibration(3)
    fed = list(FedSamples(samples, Echo.inputs, LAST))
    assert len(fed) == 3
    for at, (image, row) in enumerate(fed):
        assert (image.shape, image.dtype, row.dtype) == ((1, 5, 6, 3), np.float32, np.int64)
        np.testing.assert_array_equal(image[0], IMAGE[at].transpose(1, 2, 0))
        np.testing.assert_array_equal(row[0], ROW[at])


def test_samples_that_do_not_fit_are_told_in_the_axes_of_the_model() -> None:
    samples = Dataset(EdgeData(calibration=((IMAGE[:, :2], ROW), ROW))).calibration(3)
    with pytest.raises(ConfigurationError, match=r"\(2, 5, 6\) do not fit .* \(3, 5, 6\)"):
        next(iter(FedSamples(samples, Echo.inputs, LAST)))


IMAGES = TensorInfo("image", (-1, 5, 6, 3), "float32")


@pytest.mark.parametrize(
    ("shape", "wanted", "axes"),
    [
        ((1, 5, 6, 3), (-1, 5, 6, 3), None),
        ((1, 3, 5, 6), (-1, 5, 6, 3), CHANNELS_LAST),
        ((1, 5, 6, 3), (-1, 3, 5, 6), CHANNELS_FIRST),
        ((1, 5, 6, 3), (1, -1, -1, -1), None),
        ((1, 5, 6, 3), (-1, 3, -1, -1), CHANNELS_FIRST),
        ((1, 5, 6, 3), (-1, 7, 8, 9), None),
        ((1, 5, 6), (-1, 6, 5), None),
        ((1, 4, 4, 4), (-1, 4, 4, 4), None),
    ],
)
def test_channels_are_moved_where_samples_fit_in_no_other_way(
    shape: tuple[int, ...], wanted: tuple[int, ...], axes: Any
) -> None:
    example = Example((np.zeros(shape, np.float32),))
    assert layout_by_samples(example, [TensorInfo("x", wanted, "float32")]).inputs == (axes,)


def test_samples_go_to_inputs_by_name_and_by_place() -> None:
    row = TensorInfo("serving_default_row:0", (-1, 2), "float32")
    arrays = (np.zeros((1, 2)), np.zeros((1, 3, 5, 6)))
    named = Example(arrays, ("row", "image"))
    assert layout_by_samples(named, [IMAGES, row]).inputs == (CHANNELS_LAST, None)
    assert layout_by_samples(Example(arrays), [row, IMAGES]).inputs == (None, CHANNELS_LAST)
    assert layout_by_samples(Example(arrays), [IMAGES]) == AS_THE_MODEL
