"""Runners that the framework process keeps between the passes of a session."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_edgegate.session.frameworks import server
from pytest_edgegate.session.frameworks.server import FrameworkServer


class Runner:
    inputs = outputs = ()

    def __init__(self) -> None:
        self.closed = False

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *gone: object) -> None:
        self.closed = True


class Frameworks:
    """What the process imports: a reader, a transform and a runtime, which counts its runners."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.runners: list[Runner] = []
        self.closed_in_conversion = False

    def recognise(self, path: Path, around: object) -> object:
        return SimpleNamespace(files=(self.file,))

    def open(self, model: object) -> Runner:
        self.runners.append(Runner())
        return self.runners[-1]

    def apply(self, *given: object) -> dict[str, object]:
        self.closed_in_conversion = self.runners[-1].closed
        return {}


@pytest.fixture
def frameworks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Frameworks:
    made = Frameworks(tmp_path / "m.keras")
    monkeypatch.setattr(server, "imported", lambda name: made)
    return made


@pytest.fixture
def process(frameworks: Frameworks) -> FrameworkServer:
    return FrameworkServer(lambda what, **fields: None)  # type: ignore[arg-type, return-value]


SOURCE = {"path": "m.keras", "digest": "1", "reader": "keras"}


def opened(process: FrameworkServer, digest: str = "1") -> dict[str, Any]:
    source = {**SOURCE, "digest": digest}
    fields, _ = process.answer("open", {"runtime": "keras", "source": source}, ())
    return {"held": fields["held"]}


def test_a_closed_runner_is_open_for_the_next_pass(
    process: FrameworkServer, frameworks: Frameworks
) -> None:
    first = opened(process)
    process.answer("close", first, ())
    second = opened(process)
    assert first != second
    assert [each.closed for each in frameworks.runners] == [False]


def test_a_runner_in_use_is_nobody_elses(process: FrameworkServer, frameworks: Frameworks) -> None:
    one, other = opened(process), opened(process)
    assert len(frameworks.runners) == 2
    process.answer("close", one, ())
    process.answer("close", other, ())  # of two, one is kept
    assert [each.closed for each in frameworks.runners] == [True, False]


def test_another_model_has_its_own_and_closes_what_nobody_uses(
    process: FrameworkServer, frameworks: Frameworks
) -> None:
    process.answer("close", opened(process), ())
    opened(process, "2")
    assert [each.closed for each in frameworks.runners] == [True, False]


@pytest.mark.parametrize(("size", "collections"), [(20_000_000, 0), (20_000_001, 2)])
def test_a_conversion_has_the_memory_of_idle_runners(
    process: FrameworkServer,
    frameworks: Frameworks,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    collections: int,
) -> None:
    """What only the collector frees is freed around the conversion of a large model."""
    collected: list[bool] = []
    monkeypatch.setattr("gc.collect", lambda: collected.append(frameworks.runners[-1].closed))
    with frameworks.file.open("wb") as written:
        written.truncate(size)
    process.answer("close", opened(process), ())
    monkeypatch.setattr(FrameworkServer, "_given", lambda self, fields: ())
    process.answer("apply", {"source": SOURCE, "transform": "t", "out": "m.tflite"}, ())
    assert frameworks.closed_in_conversion
    assert collected == [True] * collections


def test_a_model_whose_file_is_gone_is_left_to_the_conversion(
    process: FrameworkServer, frameworks: Frameworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.answer("close", opened(process), ())
    monkeypatch.setattr(FrameworkServer, "_given", lambda self, fields: ())
    process.answer("apply", {"source": SOURCE, "transform": "t", "out": "m.tflite"}, ())
    assert frameworks.closed_in_conversion
