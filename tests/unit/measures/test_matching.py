"""Outputs of a file and of its model: by name if that is possible, else by position."""

from __future__ import annotations

import pytest

from pytest_edgegate.measures.matching import OutputsDifferError, matched


@pytest.mark.parametrize(
    ("wanted", "given", "order"),
    [
        (("a", "b", "c"), ("c", "a", "b"), [1, 2, 0]),
        (("a", "b"), ("x", "y"), [0, 1]),
        (("a", "b"), ("b", "x"), [0, 1]),
        (("y", "y"), ("y", "y"), [0, 1]),
        ((), (), []),
    ],
)
def test_the_order_of_a_file_s_outputs(
    wanted: tuple[str, ...], given: tuple[str, ...], order: list[int]
) -> None:
    assert matched(wanted, given) == order


def test_another_number_of_outputs() -> None:
    with pytest.raises(OutputsDifferError, match=r"has 1 outputs \(a\), the file has 2 \(a, b\)"):
        matched(["a"], ["a", "b"])
