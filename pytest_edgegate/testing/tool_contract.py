"""The test suite for tools: subclass it and define a case.

::

    class TestMyTool(ToolContract):
        @pytest.fixture
        def case(self, tmp_path):
            return ToolCase(tool=MyTool(), path=..., target=...)
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import CompressionError, InferenceError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Tool, check_compiled, may_report


@dataclass(frozen=True)
class ToolCase:
    """An installed tool, with a file that it can read."""

    tool: Tool
    path: Path
    """The path of a file in one of its formats, beside all files that belong to it."""
    target: Target


class ToolContract:
    """The guarantees that the gate relies on."""

    @pytest.fixture
    def case(self) -> ToolCase:
        raise NotImplementedError("override the fixture 'case'")

    @pytest.fixture
    def out(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The empty folder that the tool may write into, as from the cache."""
        return tmp_path_factory.mktemp("out")

    @pytest.fixture
    def compiled(self, case: ToolCase, out: Path) -> Compiled:
        return case.tool.compile(case.path, case.target, out)

    def test_it_is_installed_and_says_how_it_is_installed(self, case: ToolCase) -> None:
        assert case.tool.version(), "the case needs the tool: skip it where that is missing"
        assert case.tool.version() == case.tool.version()
        assert case.tool.remedy.strip()

    def test_it_tells_budgets_of_one_file(self, case: ToolCase) -> None:
        assert case.tool.formats
        assert case.tool.metrics
        for metric in case.tool.metrics:
            assert metric in BUDGETS
            assert may_report(BUDGETS[metric])

    def test_its_options_can_be_part_of_a_key(self, case: ToolCase) -> None:
        one, other = (json.dumps(dict(case.tool.options(case.target))) for _ in range(2))
        assert one == other

    def test_it_answers_as_a_tool_may(self, case: ToolCase, compiled: Compiled, out: Path) -> None:
        check_compiled("of the case", case.tool, compiled, out)
        assert compiled.files or compiled.figures

    def test_what_is_absent_has_a_reason_and_a_remedy(self, compiled: Compiled) -> None:
        for figure in compiled.figures.values():
            if isinstance(figure, Absent):
                assert figure.reason.strip()
                assert figure.remedy.strip()

    def test_the_file_that_it_reads_stays_as_it_was(self, case: ToolCase, out: Path) -> None:
        before = _contents(case.path.parent)
        case.tool.compile(case.path, case.target, out)
        assert _contents(case.path.parent) == before

    def test_the_same_file_gives_the_same_answer(
        self,
        case: ToolCase,
        compiled: Compiled,
        out: Path,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        folder = tmp_path_factory.mktemp("out-again")
        again = case.tool.compile(case.path, case.target, folder)
        assert again.figures == compiled.figures
        assert _contents(folder) == _contents(out)

    @pytest.mark.parametrize("damage", ["empty", "cut short"])
    def test_a_damaged_file_gives_no_figures(
        self, case: ToolCase, out: Path, tmp_path_factory: pytest.TempPathFactory, damage: str
    ) -> None:
        damaged = _copied(case.path, tmp_path_factory.mktemp("damaged"))
        content = damaged.read_bytes()
        damaged.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
        answer = Compiled((), {})
        with suppress(CompressionError, InferenceError):
            answer = case.tool.compile(damaged, case.target, out)
        assert not answer.files
        assert all(isinstance(figure, Absent) for figure in answer.figures.values())


def _copied(path: Path, folder: Path) -> Path:
    """A copy of the file in another folder, with the files beside it."""
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    return folder / path.name


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }
