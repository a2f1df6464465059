"""The plugin's state of a run in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgegate.core.errors import EdgeGateWarning
from pytest_edgegate.registry import Registry
from pytest_edgegate.settings.options import Settings

if TYPE_CHECKING:
    from pytest_edgegate.attempts import Attempts
    from pytest_edgegate.progress_line import ProgressLine
    from pytest_edgegate.session.run import EdgeSession


class RunState:
    """Settings and registry from the start; the session once an edge test needs it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.registry = Registry()
        config.hook.pytest_edgegate_register.call_historic(
            kwargs={"registry": self.registry, "config": config}
        )
        self.settings = Settings.from_config(config, self.registry)
        if self.settings.metric:
            self._check_metric(self.settings.metric)
        self._attempts: Attempts | None = None
        self.plans: list[tuple[str, list[str]]] = []
        self._faults: list[str] = []
        self._warned_of_cache = False
        self._session: EdgeSession | None = None
        self._progress: ProgressLine | None = None

    def _check_metric(self, name: str) -> None:
        """Raises UnknownNameError; here, as the settings do not know the metrics."""
        from pytest_edgegate.measures.metrics import as_scoring

        as_scoring(name, indexable=True)

    @property
    def edge_session(self) -> EdgeSession:
        if self._session is None:
            from pytest_edgegate.progress_line import ProgressLine
            from pytest_edgegate.session.run import EdgeSession

            self._progress = ProgressLine(self._config)
            self._session = EdgeSession(self.settings, self.registry, self._progress)
        return self._session

    def pytest_runtest_makereport(self) -> None:
        """Clears the progress line at the end of each phase of a test."""
        if self._progress is not None:
            self._progress.clear()

    def pytest_unconfigure(self) -> None:
        if self._session is not None:
            self._session.close()

    @property
    def attempts(self) -> Attempts:
        """What the tests came to, each time they were run."""
        if self._attempts is None:
            from pytest_edgegate.attempts import Attempts

            self._attempts = Attempts()
        return self._attempts

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Collects errors of files that could not be collected, also from xdist workers."""
        if getattr(report, "edge_errors", []):
            from pytest_edgegate.reporting import uncollected

            self.attempts.collected(uncollected(report))

    @pytest.hookimpl(tryfirst=True)  # before JUnit
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collects the records attached to reports, including those of xdist workers."""
        if brought := getattr(report, "edge_attempt", None):
            if brought["records"]:
                self._look_at_cache()
            self.attempts.take(report)
        if str(report.when) == "???":  # pytest-xdist writes it for a worker that has died
            from pytest_edgegate.reporting import lost

            if error := lost(report, self.settings.targets):
                self.attempts.lose(report, error)
        if plan := getattr(report, "edge_plan", []):
            self.plans.append((report.nodeid, plan))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the reports, in the controller only; a failed one does not affect the others."""
        if hasattr(self._config, "workerinput"):
            return
        if self._asked_to_report():
            self._report()
        if self._faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _report(self) -> None:
        from pytest_edgegate.reporting import write_reports

        self._faults += write_reports(self._config, self.registry, self.attempts)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._has_verdicts or self.plans:
            from pytest_edgegate.reporting import print_summary

            print_summary(terminalreporter, self.attempts, self.plans)
        if self._faults:
            terminalreporter.section("edge gate", red=True)
            for fault in self._faults:
                terminalreporter.line(fault)

    def _look_at_cache(self) -> None:
        """Warns about the cache once per run: only the controller checks it."""
        if self._warned_of_cache or hasattr(self._config, "workerinput"):
            return
        from pytest_edgegate.storage.ownership import doubt

        warning = doubt(self.settings.cache)
        if warning is None:
            return
        self._warned_of_cache = True
        try:
            self._config.issue_config_time_warning(warning, stacklevel=2)
        except EdgeGateWarning as error:  # warnings are errors in this run
            self._faults.append(f"edgegate error: {error}")

    def _asked_to_report(self) -> bool:
        return self._has_verdicts or bool(self.registry.wanted_reports)

    @property
    def _has_verdicts(self) -> bool:
        """Whether there is a table to print; errors alone are all in pytest's own output."""
        known = self._attempts
        return known is not None and bool(known.verdicts or known.lost)


STATE_KEY = pytest.StashKey[RunState]()


def state_of(config: pytest.Config) -> RunState:
    """The state of this process, created when pytest was configured."""
    return config.stash[STATE_KEY]


def session_of(config: pytest.Config) -> EdgeSession:
    """The session of this process, created for the first edge test."""
    return state_of(config).edge_session
