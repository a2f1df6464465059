"""The plugin's state of a run in one process."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.core.user_code import told
from pytest_edgegate.registry import Registry
from pytest_edgegate.settings.options import DEFAULT_TARGET, RUN, Settings

if TYPE_CHECKING:
    from collections import Counter

    from pytest_edgegate.attempts import Attempts
    from pytest_edgegate.core.record import ErrorRecord
    from pytest_edgegate.progress.line import ProgressLine
    from pytest_edgegate.progress.views import Views
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
        self._views: Views | None = None
        self._progress: ProgressLine | None = None
        self._has_view = False

    def _check_metric(self, name: str) -> None:
        """Raises UnknownNameError; here, as the settings do not know the metrics."""
        from pytest_edgegate.measures.metrics import as_scoring

        as_scoring(name, indexable=True)

    @property
    def edge_session(self) -> EdgeSession:
        if self._session is None:
            from pytest_edgegate.session.run import EdgeSession

            self._session = EdgeSession(self.settings, self.registry, self._line)
        return self._session

    @property
    def _shown(self) -> Views:
        if self._views is None:
            from pytest_edgegate.progress.views import Views

            self._views = Views(self._config)
        return self._views

    @property
    def _line(self) -> ProgressLine:
        if self._progress is None:
            from pytest_edgegate.progress.line import ProgressLine

            self._progress = ProgressLine()
        return self._progress

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Files of tests may import a framework; a run without edge tests shows nothing of it."""
        if self.settings.targets == (DEFAULT_TARGET,):
            return (yield)
        self._choose_view()
        self._line.begin("collecting")
        try:
            return (yield)
        finally:
            self._line.clear()

    def pytest_runtest_logstart(self) -> None:
        if self._session is not None:
            self._choose_view()

    def _choose_view(self) -> None:
        """Finds the terminal, while pytest captures nothing."""
        if not self._has_view:
            self._has_view = True
            self._line.view = self._shown.view()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Has the workers of pytest-xdist tell their progress."""
        self._shown.configure_worker(node.gateway.id, node.workerinput)
        node.workerinput[RUN] = self.settings.run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._begin(item, "setting up")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._begin(item, "running the test")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self._begin(item, "tearing down")

    def _begin(self, item: pytest.Item, what: str) -> None:
        if item.get_closest_marker("edge") is not None:
            self._line.begin(what)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        try:
            is_ours = fixturedef.func.__module__.startswith("pytest_edgegate.")
            if self._progress is None or is_ours:
                return (yield)
            with self._progress.fixture(fixturedef.argname):
                return (yield)
        except SystemExit as error:
            if not fixturedef.argname.lstrip("_").startswith("edge_"):
                raise
            raise _kept(fixturedef, request, error) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Clears the running clock at the end of each phase of a test."""
        if self._progress is not None:
            self._progress.clear()
        report = yield
        if self._progress is not None and (stages := self._progress.take()):
            report.edge_stages = stages  # type: ignore[attr-defined]
        return report

    def pytest_enter_pdb(self) -> None:
        """Leaves the terminal to the debugger."""
        if self._progress is not None:
            self._progress.clear()

    def pytest_unconfigure(self) -> None:
        self._end_progress()
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
        if stages := getattr(report, "edge_stages", []):
            self._shown.tell(stages)
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

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.close()
        if self._views is not None:
            self._views.close()

    def _report(self) -> None:
        from pytest_edgegate.reporting import write_reports

        self._line.begin("writing the reports")
        try:
            self._faults += write_reports(self._config, self.registry, self.attempts)
        finally:
            self._line.clear()

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
        return known is not None and bool(known.verdicts or known.lost or known.artifacts)


STATE_KEY = pytest.StashKey[RunState]()
FAULTS_KEY: pytest.StashKey[dict[str, ErrorRecord]] = pytest.StashKey()
"""The mistakes that were found while a file or a class was collected, by their places."""
LEFT_OUT_KEY: pytest.StashKey[set[str]] = pytest.StashKey()
"""The names of the tests that the gate has deselected."""
DESELECTED_KEY: pytest.StashKey[Counter[str]] = pytest.StashKey()
"""Why tests were deselected, with their number."""


def _kept(
    fixture: pytest.FixtureDef[object], request: pytest.FixtureRequest, raised: SystemExit
) -> ConfigurationError:
    """An error for an exit in a fixture, kept as its result: pytest does not take an exit for one,
    and would not tidy up the fixture, so that later tests could not set it up."""
    error = ConfigurationError(
        f"the fixture {fixture.argname} ended in {told(raised)}: code that it calls leaves the "
        "process",
        "raise an error that says what is wrong, or pytest.skip() in a fixture of yours; "
        "--tb=long shows where it leaves",
    )
    kept = (error, raised.__traceback__)
    fixture.cached_result = (None, fixture.cache_key(request), kept)  # type: ignore[arg-type]
    return error


def state_of(config: pytest.Config) -> RunState:
    """The state of this process, created when pytest was configured."""
    return config.stash[STATE_KEY]


def session_of(config: pytest.Config) -> EdgeSession:
    """The session of this process, created for the first edge test."""
    return state_of(config).edge_session
