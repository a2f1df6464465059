"""The fake tool passes the suite that every tool passes, and tools with a fault do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure
from pytest_edgegate.testing.fake_tool import FakeTool
from pytest_edgegate.testing.fakes import FAKE_CHIP, fake_model
from pytest_edgegate.testing.tool_contract import ToolCase, ToolContract

TOLD = {"memory": 43_000, "latency_p95": 0.004, "flash": "there is no flash"}


class TestFakeTool(ToolContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> ToolCase:
        return ToolCase(FakeTool(), fake_model(tmp_path / "m.fake", figures=TOLD), FAKE_CHIP)


class TestOneThatOnlyTells(ToolContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> ToolCase:
        tool = FakeTool(compiles=False)
        return ToolCase(tool, fake_model(tmp_path / "m.fake", figures=TOLD), FAKE_CHIP)


class Faulty(FakeTool):
    """Does *after* to every answer."""

    def __init__(self, after: Callable[[Compiled, Path, Path], Compiled], **what: Any) -> None:
        super().__init__(**what)
        self._after = after

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        return self._after(super().compile(path, target, out), path, out)


class Drawing(FakeTool):
    """Has other options each time."""

    _count = count()

    def options(self, target: Target) -> Mapping[str, object]:
        return {"drawn": next(self._count)}


_drawn = count()


def changed(compiled: Compiled, path: Path, out: Path) -> Compiled:
    path.write_text(path.read_text() + " ")
    return compiled


def drawn(compiled: Compiled, path: Path, out: Path) -> Compiled:
    return Compiled(compiled.files, {"memory": Figure(next(_drawn), "vendor:x")})


def elsewhere(compiled: Compiled, path: Path, out: Path) -> Compiled:
    return Compiled((path,), compiled.figures)


def without_a_reason(compiled: Compiled, path: Path, out: Path) -> Compiled:
    return Compiled(compiled.files, {"memory": Absent(" ", "do it")})


class Guessing(FakeTool):
    """Tells figures of whatever it is given."""

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        return Compiled((), {"memory": Figure(1, "vendor:x")})


SUITE = sorted(name for name in vars(ToolContract) if name.startswith("test_"))
FAULTS = {
    "test_it_is_installed_and_says_how_it_is_installed": FakeTool(installed=None),
    "test_it_tells_budgets_of_one_file": FakeTool(metrics=("latency_ratio",)),
    "test_its_options_can_be_part_of_a_key": Drawing(),
    "test_it_answers_as_a_tool_may": Faulty(elsewhere),
    "test_what_is_absent_has_a_reason_and_a_remedy": Faulty(without_a_reason),
    "test_the_file_that_it_reads_stays_as_it_was": Faulty(changed),
    "test_the_same_file_gives_the_same_answer": Faulty(drawn),
    "test_a_damaged_file_gives_no_figures": Guessing(),
}


def test_each_part_of_the_suite_has_its_fault() -> None:
    assert sorted(FAULTS) == SUITE


@pytest.mark.parametrize("name", FAULTS)
def test_the_suite_sees_the_fault(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tool, path = FAULTS[name], fake_model(tmp_path / "m.fake", figures=TOLD)
    out, before = tmp_path_factory.mktemp("out"), path.read_bytes()
    given = {
        "case": ToolCase(tool, path, FAKE_CHIP),
        "compiled": tool.compile(path, FAKE_CHIP, out),
        "out": out,
        "tmp_path_factory": tmp_path_factory,
        "damage": "empty",
    }
    path.write_bytes(before)
    check = getattr(ToolContract(), name)
    asked = {each: given[each] for each in signature(check).parameters}
    with pytest.raises((AssertionError, CompressionError)):
        check(**asked)


def test_an_answer_of_nothing_at_all_is_none(tmp_path: Path) -> None:
    case = ToolCase(FakeTool(), fake_model(tmp_path / "m.fake"), FAKE_CHIP)
    with pytest.raises(AssertionError):
        ToolContract().test_it_answers_as_a_tool_may(case, Compiled((), {}), tmp_path)
