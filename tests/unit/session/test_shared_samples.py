"""Calibration samples among the evaluation samples are a caution of the verdict, in every run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateWarning
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.testing.fakes import fake_model, fake_samples

X, Y = fake_samples(200)
CAUTION = "20 calibration samples are evaluation samples too"


class Batches:
    """A stream, and how many of its batches were read."""

    def __init__(self, x: Any, y: Any) -> None:
        self.read = 0
        self._x, self._y = x, y

    def __iter__(self) -> Iterator[Any]:
        for at in range(0, len(self._x), 32):
            self.read += 1
            yield self._x[at : at + 32], self._y[at : at + 32]


def judged(
    start: Callable[[], EdgeSession], folder: Path, data: EdgeData, *budgets: Budget
) -> list[Verdict]:
    session = start()
    board = session.target("fake-board")
    given = Given(fake_model(folder / "m.fake"), data)
    case = session.case(given, board, budgets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgeGateWarning)
        return session.judge(case, session.compress(case, (PTQ(),)), budgets)


@pytest.mark.parametrize("streams", ["", "c", "e", "ce"])
def test_they_are_told_in_a_cold_and_in_a_warm_run(
    start: Callable[[], EdgeSession], tmp_path: Path, streams: str
) -> None:
    for _ in range(2):
        calibration = Batches(X[:20], Y[:20])
        evaluation = Batches(X, Y)
        data = EdgeData(
            calibration=calibration if "c" in streams else X[:20],
            evaluation=evaluation if "e" in streams else (X, Y),
            version="1",
        )
        [drop] = judged(start, tmp_path, data, Budget("accuracy_drop", 0.1))
        assert CAUTION in drop.note
        assert not drop.red
    assert evaluation.read <= 2  # in a warm run: first batches only, for samples of it


def test_a_stream_is_not_read_again_for_them(
    start: Callable[[], EdgeSession], tmp_path: Path
) -> None:
    evaluation = Batches(X, Y)
    data = EdgeData(calibration=X[:20], evaluation=evaluation, version="1")
    judged(start, tmp_path, data, Budget("accuracy_min", 0.1))
    assert evaluation.read <= 2 * 7 + 2  # the artifact, the reference, and a sample for each


def test_other_evaluation_samples_of_the_same_artifact_are_looked_at(
    start: Callable[[], EdgeSession], tmp_path: Path
) -> None:
    apart = EdgeData(calibration=X[:20], evaluation=(X[20:], Y[20:]))
    [drop] = judged(start, tmp_path, apart, Budget("accuracy_drop", 0.1))
    assert "calibration samples" not in drop.note
    among = EdgeData(calibration=X[:20], evaluation=(X, Y))
    [drop] = judged(start, tmp_path, among, Budget("accuracy_drop", 0.1))
    assert CAUTION in drop.note


def test_they_do_not_matter_to_what_no_sample_decides(
    start: Callable[[], EdgeSession], tmp_path: Path
) -> None:
    data = EdgeData(calibration=X[:20], evaluation=(X, Y))
    [size] = judged(start, tmp_path, data, Budget("size", 10_000))
    assert size.note == ""


def test_samples_that_differ_by_a_value_are_not_shared(
    start: Callable[[], EdgeSession], tmp_path: Path
) -> None:
    other = X[:20].copy()
    other[:, -1] += 0.001
    data = EdgeData(calibration=other, evaluation=(X, Y))
    [drop] = judged(start, tmp_path, data, Budget("accuracy_drop", 0.1))
    assert "calibration samples" not in drop.note
