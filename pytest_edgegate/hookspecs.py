"""Hooks for a conftest.py and for other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgegate.core.verdict import Verdict
    from pytest_edgegate.registry import Registry


@pytest.hookspec(historic=True)
def pytest_edgegate_register(registry: Registry, config: pytest.Config) -> None:
    """Adds targets, runtimes, transforms or reports of your own. Called once, at the start.

    ``registry.add(kind, name, thing)`` takes what a backend has; ``registry.reporter(name,
    reporter, path)`` takes what writes a report, and the file that it is asked to write: the value
    of an option of your plugin's, None where the option is not given. The plugin adds that option
    in ``pytest_addoption``. An implementation names only the arguments that it needs.
    """


@pytest.hookspec
def pytest_edgegate_verdict(item: pytest.Item, verdict: Verdict) -> None:
    """Called for every verdict, in the process that reached it, right after it was reached."""


@pytest.hookspec
def pytest_edgegate_report(verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Called once at the end, in the controlling process only, with every verdict of the run.

    Each is in the form of the JSON report, schema 1.
    """
