"""What a pass leaves of each sample."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import Batch
from pytest_edgegate.measures.evidence import (
    ANY,
    Collector,
    Evidence,
    check_figures,
    nonfinite_samples,
    same_samples,
)


def evidence(*parts: tuple[list[float], list[int]], bad: int = -1) -> Evidence:
    collector = Collector()
    for x, y in parts:
        output = np.zeros((len(x), 2))
        output[[each == bad for each in x]] = np.nan
        batch = Batch((np.array(x),), np.array(y))
        collector.add(batch, (output,), {"label": np.array(y)})
    return collector.evidence("host:fake")


def test_figures_of_all_batches_in_order() -> None:
    found = evidence(([1, 2], [5, 6]), ([3], [7]))
    assert found.arrays["label"].tolist() == [5, 6, 7]
    assert (found.n, found.source, found.nonfinite, found.cached) == (3, "host:fake", 0, False)


def test_nan_is_counted_with_where_it_began() -> None:
    found = evidence(([1, 2], [0, 0]), ([3, 9, 9], [0, 0, 0]), bad=9)
    assert (found.nonfinite, found.first_nonfinite) == (2, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_any_output_may_be_the_bad_one(bad: float) -> None:
    fine, spoilt = np.zeros((3, 2)), np.zeros((3, 2, 2))
    spoilt[1, 0, 1] = bad
    integers = np.zeros((3, 1), np.int8)
    assert nonfinite_samples((integers, fine, spoilt)).tolist() == [False, True, False]


def test_two_passes_have_to_see_the_same_samples() -> None:
    one = evidence(([1, 2], [5, 6]))
    same_samples(one, evidence(([1, 2], [5, 6])), "evaluation")
    for other in (evidence(([2, 1], [6, 5])), evidence(([1, 2], [5, 7])), evidence(([1], [5]))):
        with pytest.raises(ConfigurationError) as raised:
            same_samples(one, other, "evaluation")
        assert (
            "gave different samples, or a different order, on its second pass"
            in raised.value.message
        )
        assert "version=" in raised.value.remedy


def test_arrays_that_differ_in_their_shape_are_no_error_of_numpys() -> None:
    collector = Collector()
    for size in (3, 4):
        labels = np.zeros((2, size))
        collector.add(Batch((np.zeros(2),), labels), (labels,), {"output": labels})
    with pytest.raises(ConfigurationError) as raised:
        collector.evidence("host:fake")
    assert "different shapes (output: (3,), (4,))" in raised.value.message
    assert "stream" in raised.value.remedy


def test_outputs_that_are_named_have_to_be_there() -> None:
    columns = {"output": ANY, "label": ANY}
    arrays = {name: np.zeros(2) for name in ("output", "output.1", "label")}
    check_figures(Evidence(arrays, 2, "", "", outputs=("a", "b")), columns)
    with pytest.raises(ValueError, match=r"it has no output\.2"):
        check_figures(Evidence(arrays, 2, "", "", outputs=("a", "b", "c")), columns)
