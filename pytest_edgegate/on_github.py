"""On GitHub: annotations at the lines of red tests, and the report in the summary of the job."""

from __future__ import annotations

import os

import pytest

from pytest_edgegate.state import state_of


class OnGithub:
    """A plugin of the controlling process. A job without edge tests gets nothing of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from pytest_edgegate.reporting import record_of
        from pytest_edgegate.reports.github import Github

        state, job = state_of(self._config), Github.of(os.environ)
        found = state.attempts
        if job is None or not (found.verdicts or found.errors or found.artifacts):
            return
        run = record_of(found, state.registry, self._config.rootpath)
        fault = job.write_summary(run)
        terminalreporter.ensure_newline()
        for line in (*job.annotations(run, self._config.rootpath), *([fault] if fault else [])):
            terminalreporter.line(line)
