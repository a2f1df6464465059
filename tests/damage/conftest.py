"""The models of the example, and a session that files are judged in."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
CORPUS = runpy.run_path(str(Path(__file__).parent / "corpus.py"))
SAMPLES = 60


class Gate:
    """One session over a few digits; what it is given, it judges or refuses."""

    def __init__(self, folder: Path) -> None:
        digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
        self._train, self._x = digits.x_train[:50], digits.x_evaluate[:SAMPLES]
        self._y = digits.y_evaluate[:SAMPLES]
        settings = Settings(
            cache=folder / "cache", reference_check=False, root=folder, runtime_timeout=30.0
        )
        self.session = EdgeSession(settings, Registry())
        self.target = self.session.target("host")
        self.folder = folder

    def data(self, *, channels_first: bool) -> EdgeData:
        train, x = self._train, self._x
        if channels_first:
            train, x = train.transpose(0, 3, 1, 2), x.transpose(0, 3, 1, 2)
        return EdgeData(calibration=train, evaluation=(x, self._y))

    def healthy(self, name: str) -> Path:
        """A healthy file of each kind."""
        if name != "digits.onnx":
            return EXAMPLE / "models" / name
        subject = Given(EXAMPLE / "torch_model" / "digits.pt2", self.data(channels_first=True))
        case = self.session.case(subject, self.session.target("onnx-cpu"))
        return self.session.compress(case, (PTQ(),)).path

    def damaged(self, name: str, seed: int, of_bytes: int, edits: int) -> list[tuple[str, bytes]]:
        """Damaged copies of a healthy file, each with the name of what was done to it."""
        healthy = self.healthy(name)
        edit = CORPUS[f"{healthy.suffix[1:]}_edits"]
        return [
            *CORPUS["by_bytes"](name, healthy.read_bytes(), of_bytes, seed),
            *edit(healthy, edits, seed),
        ]

    @staticmethod
    def honest(found: list[Verdict] | EdgeGateError) -> None:
        """An error of ours, or verdicts of which each says what it measured."""
        if isinstance(found, EdgeGateError):
            lines = str(found).splitlines()
            assert lines[0].startswith("edgegate error: ")
            assert lines[-1] == found.remedy.splitlines()[-1]
            return
        assert [each.budget.metric for each in found] == [
            "contract",
            "accuracy_min",
            "parity_agreement",
        ]
        for each in found:
            if each.outcome is Outcome.NOT_MEASURED:
                assert each.reason
                assert each.remedy
            elif each.budget.metric != "contract":
                assert each.measured is not None
                assert each.measured.n == SAMPLES
                assert each.measured.nonfinite or 0 <= each.measured.value <= 1
                assert (each.outcome is Outcome.PASS) == (each.measured.value >= 0.9)

    def judged(self, path: Path) -> list[Verdict] | EdgeGateError:
        """The verdicts on a file, or the error of ours that refuses it."""
        data = self.data(channels_first=path.suffix == ".onnx")
        budgets = (Budget("accuracy_min", 0.9), Budget("parity_agreement", 0.9))
        try:
            artifact = self.session.adopt(path, self.target)
            case = self.session.case(Given(path, data), self.target)
            return self.session.judge(case, artifact, budgets, contract=True)
        except EdgeGateError as error:
            return error

    def scored(self, path: Path) -> float | EdgeGateError:
        """The accuracy of a model under test, or the error of ours that refuses it."""
        from pytest_edgegate.session.reference import Reference

        try:
            given = Given(path, self.data(channels_first=False))
            return Reference(self.session, self.session.case(given, self.target)).accuracy
        except EdgeGateError as error:
            return error


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Gate(tmp_path_factory.mktemp("damage"))
    yield made
    made.session.close()
