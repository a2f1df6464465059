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

    def __init__(self) -> None:
        self.runners: list[Runner] = []
        self.closed_in_conversion = False

    def recognise(self, path: Path, around: object) -> object:
        return SimpleNamespace(kind="a model")

    def open(self, model: object) -> Runner:
        self.runners.append(Runner())
        return self.runners[-1]

    def apply(self, *given: object) -> dict[str, object]:
        self.closed_in_conversion = self.runners[-1].closed
        return {}


@pytest.fixture
def frameworks(monkeypatch: pytest.MonkeyPatch) -> Frameworks:
    made = Frameworks()
    monkeypatch.setattr(server, "imported", lambda name: made)
    return made


@pytest.fixture
def process(frameworks: Frameworks) -> FrameworkServer:
    return FrameworkServer(lambda what, **fields: None)  # type: ignore[arg-type, return-value]


def opened(process: FrameworkServer, digest: str = "1") -> dict[str, Any]:
    source = {"path": "m.keras", "digest": digest, "reader": "keras"}
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


def test_a_conversion_has_the_memory_of_idle_runners(
    process: FrameworkServer, frameworks: Frameworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.answer("close", opened(process), ())
    monkeypatch.setattr(FrameworkServer, "_given", lambda self, fields: ())
    process.answer("apply", {"transform": "t", "out": "m.tflite"}, ())
    assert frameworks.closed_in_conversion
