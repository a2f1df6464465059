"""Lines for a terminal."""

from __future__ import annotations

import pytest

from pytest_edgegate.reports.wrapping import joined, wrapped

TEXT = (
    "coral: PTQ(samples=200): 56.4 kB (3.3x), top1 0.941 -> 0.939, within [-0.0017, 0.0045], 6 ms "
    "over, <= 60.0 kB, 94 % of 1,000 samples"
)
FIGURES = (
    "0.941 -> 0.939",
    "56.4 kB",
    "[-0.0017, 0.0045]",
    "6 ms",
    "<= 60.0 kB",
    "94 %",
    "1,000 samples",
)


@pytest.mark.parametrize("width", range(24, 130, 3))
def test_no_figure_is_broken(width: int) -> None:
    lines = wrapped(TEXT, width)
    assert max(map(len, lines)) <= max(width, len("PTQ(samples=200):") + 4)
    assert " ".join(each.strip() for each in lines) == TEXT
    for figure in FIGURES:
        assert any(figure in line for line in lines), figure


def test_lines_after_the_first_hang() -> None:
    assert wrapped("a word and another word here", 20, "  ", "  ") == [
        "  a word and another",
        "    word here",
    ]
    assert wrapped("", 80) == []


def test_cells_stay_whole() -> None:
    assert joined(["a b", "", "c d"], 80, "  ") == ["  a b  c d"]
    assert joined(["a b", "c d"], 7, "") == ["a b", "    c d"]
