"""Properties of distances and orders, on arrays that hypothesis makes up."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pytest_edgegate.stats.bootstrap import paired_bootstrap
from pytest_edgegate.stats.distances import rank_of, steps, top1

Floats = NDArray[np.float32]
SHAPES = hnp.array_shapes(max_dims=3, max_side=6)
QUANTISED = st.sampled_from([np.int8, np.uint8, np.int16, np.uint16, np.int32])
FINITE = st.floats(-1e6, 1e6, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6)


@st.composite
def float_pair(draw: st.DrawFn) -> tuple[Floats, Floats]:
    shape = draw(SHAPES)
    one = draw(hnp.arrays(np.float32, shape, elements=FINITE))
    return one, draw(hnp.arrays(np.float32, shape, elements=FINITE))


@st.composite
def quantised_pair(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    dtype, shape = draw(QUANTISED), draw(SHAPES)
    return draw(hnp.arrays(dtype, shape)), draw(hnp.arrays(dtype, shape))


@given(quantised_pair())
def test_steps_are_exact(pair: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    a, b = pair
    expected = [abs(x - y) for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)]
    assert steps(a, b).ravel().tolist() == expected
    assert steps(a, b).shape == a.shape
    assert np.array_equal(steps(a, b), steps(b, a))


@settings(max_examples=200)
@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.uint8]),
        st.tuples(st.integers(1, 5), st.integers(1, 7)),
        elements=st.integers(0, 3),  # few values, so that ties are common
    ),
    st.data(),
)
def test_ranks_agree_with_sorting(scores: NDArray[np.int8], data: st.DataObject) -> None:
    n, classes = scores.shape
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    found = rank_of(scores, labels)
    for row, label, rank in zip(scores.tolist(), labels.tolist(), found.tolist(), strict=True):
        order = sorted(range(classes), key=lambda index: (-row[index], index))
        assert order.index(label) == rank
    assert np.array_equal(found == 0, top1(scores) == labels)


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1, 1)))
def test_a_bootstrap_lies_between_the_extremes(differences: NDArray[np.float64]) -> None:
    found = paired_bootstrap(differences, resamples=200)
    assert differences.min() - 1e-12 <= found.low <= found.high <= differences.max() + 1e-12
