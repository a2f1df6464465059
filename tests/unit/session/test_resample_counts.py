"""The number of resamples is kept, so that another run takes the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.session.measuring import resample_counts
from pytest_edgegate.session.measuring.resample_counts import ResampleCounts
from pytest_edgegate.storage.cache import Cache, Entry


def counts(folder: Path, limit: float = 20.0, data: str = "d", metric: str = "m") -> ResampleCounts:
    return ResampleCounts(Cache(folder), limit, data=lambda: data, metric=lambda: metric)


@pytest.mark.parametrize(
    ("first", "then", "taken"),
    [
        (0.1, 0.3, 2000),
        (0.1, 0.4, 2000),  # at 20 ms each they take 40 s, which is just endured
        (0.1, 0.41, 500),
        (0.3, 0.1, 1000),
        (0.7, 0.1, 500),
        (0.9, 0.1, 0),
        (0.1, 9.0, 0),
    ],
)
def test_the_number_of_an_earlier_run_holds(
    tmp_path: Path, first: float, then: float, taken: int
) -> None:
    counts(tmp_path)("drop", first)
    assert counts(tmp_path)("drop", then) == taken


def test_each_purpose_set_and_metric_has_its_own(tmp_path: Path) -> None:
    assert counts(tmp_path)("drop", 0.3) == 1000
    assert counts(tmp_path)("figure", 0.1) == 2000
    assert counts(tmp_path, data="other")("drop", 0.1) == 2000
    assert counts(tmp_path, metric="other")("drop", 0.1) == 2000
    assert counts(tmp_path, limit=30.0)("drop", 0.2) == 2000
    assert counts(tmp_path)("drop", 0.1) == 1000


def test_the_agreement_of_runtimes_does_not_ask_for_the_metric(tmp_path: Path) -> None:
    def metric() -> str:
        raise AssertionError("nothing is judged by it")

    asked = ResampleCounts(Cache(tmp_path), 20.0, data=lambda: "d", metric=metric)
    assert asked("agreement", 0.1) == 2000


@pytest.mark.parametrize("count", [20, 1999, -1, "500", None, 500.0, True])
def test_another_number_is_refused(tmp_path: Path, count: object) -> None:
    entry = Entry(tmp_path, {"count": count}, frozenset(), cached=True)
    with pytest.raises(ValueError, match="none that is taken"):
        resample_counts._read(entry)
