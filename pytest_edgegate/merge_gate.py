"""The run's side of what was accepted: it accepts, counts what would change, and finds what is
unused. Registered only where something is accepted, or about to be."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.state import LEFT_OUT_KEY, RunState
from pytest_edgegate.unused import Collected, is_whole

_COLLECTED = "edge_collected"
"""The key of what a worker of pytest-xdist has collected."""


class MergeGate:
    """In each process of a run; the lines are printed by the one that the user started."""

    def __init__(self, config: pytest.Config, state: RunState) -> None:
        self._config = config
        self._state = state
        self._collected = Collected()
        self._lines: list[str] = []
        self._red = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._collected.report(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Notes what other plugins take out: a shard, or a choice by name, is no whole run."""
        every = {each.nodeid for each in items}
        result = yield
        kept = {each.nodeid for each in items}
        own: set[str] = config.stash.get(LEFT_OUT_KEY, set())
        self._collected.left_out |= bool(every - kept - own)
        self._collected.tests |= kept
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        told = getattr(node, "workeroutput", {}).get(_COLLECTED)
        if told is None:  # the worker has died
            self._collected.left_out = True
        else:
            self._collected.add(told)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        config = self._config
        if hasattr(config, "workerinput"):
            config.workeroutput[_COLLECTED] = self._collected.as_json()  # type: ignore[attr-defined]
            return
        if self._state.settings.explain or config.option.collectonly:
            return
        from pytest_edgegate.core.errors import EdgeGateError

        try:
            self._look(session)
        except EdgeGateError as error:
            self._lines += str(error).splitlines()
            self._red = True
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _look(self, session: pytest.Session) -> None:
        from pytest_edgegate import accepting

        settings, tests = self._state.settings, self._state.attempts.tests
        if settings.update_baseline:
            found = accepting.accept_run(settings, tests)
            self._lines += [*found.lines, f"{found.title or 'nothing accepted'}"]
            gated = {each.test for each in self._state.attempts.verdicts}
            missing = len(gated) - found.looked_at
            if missing > 0:
                self._lines.append(
                    f"{missing:,} tests have left nothing to accept: can {settings.candidates} be "
                    "written?"
                )
            if (missing > 0 or found.refused) and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
                self._red = True
        else:
            self._lines += self._told(accepting.would_change(settings, tests))
        self._name_unused(session)

    def _told(self, changing: list[str]) -> list[str]:
        """The line about entries that accepting would change."""
        if not changing:
            return []
        entries = "1 entry" if len(changing) == 1 else f"{len(changing):,} entries"
        lost = {each.test for each in self._state.attempts.verdicts if _is_worse(each)}
        worse = sum(each in lost for each in changing)
        worsening = f", {worse:,} for the worse" if worse else ""
        return [f"{entries} would change{worsening}: pytest --edge-accept"]

    def _name_unused(self, session: pytest.Session) -> None:
        from pytest_edgegate.storage.history import History
        from pytest_edgegate.storage.unused import Unused
        from pytest_edgegate.unused import forget_candidates, is_of_whole_files, told, unused

        settings = self._state.settings
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        whole = ended and settings.model is None and is_whole(self._config)
        found = unused(settings, self._collected) if whole else []
        if ended and is_of_whole_files(self._config) and not self._collected.left_out:
            forget_candidates(settings, self._collected)
        Unused(settings.candidates).keep(found, History(settings.root).head() if found else "")
        self._lines += told(found, settings.baseline) if found else []

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines and self._config.getoption("verbose") >= -1:
            terminalreporter.section("edge gate: what is accepted", red=self._red)
            for line in self._lines:
                terminalreporter.line(printable_line(line))


def _is_worse(verdict: VerdictRecord) -> bool:
    """Whether an artifact is worse than the accepted one, within its limit or not."""
    kind, measured = verdict.budget.kind, verdict.measured
    if not kind.of_accepted or measured is None:
        return False
    same = 0.0 if kind.unit == "points" else 1.0
    return verdict.red or (measured.value is not None and measured.value > same)
