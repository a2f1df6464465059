"""Models that are opened for a pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.session.reference import Reference
from pytest_edgegate.testing.fakes import FakeRunner, FakeRuntime


def _no_outputs(runner: FakeRunner) -> None:
    runner.outputs = ()


def _batches_of_none(runner: FakeRunner) -> None:
    (taken,) = runner.inputs
    runner.inputs = (replace(taken, shape=(0, *taken.shape[1:])),)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_no_outputs, "has no outputs"),
        (_batches_of_none, r"in shape \(0, 2\), which no sample has"),
    ],
)
def test_what_never_runs_is_refused(
    start: Any,
    subject: Any,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[FakeRunner], None],
    said: str,
) -> None:
    session, given, opening = start(), subject(), FakeRuntime.open

    def opened(self: FakeRuntime, model: Path | SourceModel) -> Runner:
        runner = opening(self, model)
        assert isinstance(runner, FakeRunner)
        change(runner)
        return runner

    monkeypatch.setattr(FakeRuntime, "open", opened)
    with pytest.raises(InferenceError, match=said):
        _ = Reference(session, session.case(given, session.target("fake-board"))).accuracy
