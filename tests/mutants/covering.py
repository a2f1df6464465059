"""A plugin of pytest that says which test runs, to coverage here and in the pytests it starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest


class Covering:
    """Contexts are node ids, and for runs that tests share, the name of the run.

    Which tests look at which run is written to a file in *folder*.
    """

    def __init__(self, folder: Path) -> None:
        self._runs = folder / f"runs-{os.getpid()}.jsonl"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        current = coverage.Coverage.current()
        if current is not None:
            current.switch_context(item.nodeid)
        os.environ["EDGEGATE_CONTEXT"] = item.nodeid
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        runs = [str(value) for name, value in report.user_properties if name == "run"]
        if report.when == "teardown" and runs:
            with self._runs.open("a") as opened:
                opened.write(json.dumps([report.nodeid, runs]) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    folder = os.environ.get("EDGEGATE_COVERING")
    if folder:
        config.pluginmanager.register(Covering(Path(folder)), "edgegate-covering")
