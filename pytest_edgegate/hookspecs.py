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
    """Registers your own targets, runtimes, transforms or reports. Called once, at the start.

    ``registry.add(kind, name, thing)`` registers a part of a backend; ``registry.reporter(name,
    reporter, path)`` registers a reporter and the file that it writes: the value of an option that
    your plugin adds in ``pytest_addoption``, or None if the option is not given. An implementation
    declares only the arguments that it needs.
    """


@pytest.hookspec
def pytest_edgegate_verdict(item: pytest.Item, verdict: Verdict) -> None:
    """Called for every verdict as soon as it is reached, in the process that reached it."""


@pytest.hookspec
def pytest_edgegate_report(verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Called once at the end, in the controlling process only, with every verdict of the run.

    Each is formatted as in the JSON report, schema 1.
    """
