"""The JSON report, schema 1: whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.core.ports import Reporter
from pytest_edgegate.core.record import RunRecord, VerdictRecord
from pytest_edgegate.reports.json import JsonReporter

Make = Callable[..., VerdictRecord]
REPORTER = JsonReporter()


def only(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def test_what_is_written(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "reports" / "edge.json"
    verdicts = make("size", 5, 9), make("macs", None, 1, "not_measured")
    run = RunRecord({"python": "3.11"}, verdicts)
    REPORTER.write(path, run)
    content = json.loads(path.read_text("utf-8"))
    assert list(content) == ["schema", "environment", "verdicts", "errors", "artifacts"]
    assert (content["schema"], content["environment"]) == (1, {"python": "3.11"})
    assert content["verdicts"] == [each.to_json() for each in verdicts]
    assert RunRecord.from_json(content) == run
    assert only(path.parent) == ["edge.json"]
    assert isinstance(REPORTER, Reporter)


def test_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "edge.json"
    path.write_text("old")
    REPORTER.write(path, RunRecord({}))
    assert json.loads(path.read_text())["verdicts"] == []


def test_nan_in_a_verdict_is_null(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "edge.json"
    nan = make("parity_abs", float("nan"), 1, "fail", low=float("-inf"), nonfinite="NaN")
    REPORTER.write(path, RunRecord({}, (nan,)))
    text = path.read_text()
    assert "NaN," not in text
    assert "Infinity" not in text
    assert json.loads(text)["verdicts"][0]["measured"]["value"] is None


def test_nothing_is_written_rather_than_nan(tmp_path: Path) -> None:
    path = tmp_path / "edge.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        REPORTER.write(path, RunRecord({"value": float("nan")}))
    assert path.read_text() == "old"
    assert only(tmp_path) == ["edge.json"]


def test_a_write_that_fails_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "edge.json"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError) as raised:
        REPORTER.write(path, RunRecord({}))
    assert f"the report {path} can't be written" in raised.value.message
    assert "--edge-report-json=FILE" in raised.value.remedy
    assert path.read_text() == "old"
    assert only(tmp_path) == ["edge.json"]


@pytest.mark.parametrize("where", ["folder", "folder/below/edge.json", "file/edge.json"])
def test_a_path_that_can_not_be_written(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "below").write_text("a file")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StorageError, match="can't be written"):
        REPORTER.write(tmp_path / where, RunRecord({}))
