"""The options of accepting: what a run does once, which no ini key stands for."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.errors import ConfigurationError


def add_actions(group: pytest.OptionGroup) -> None:
    """Adds them to the plugin's options."""
    group.addoption(
        "--edge-accept",
        nargs="?",
        const="",
        metavar="PATTERN",
        help="accept what the last run has found, of the tests whose names hold PATTERN, and leave",
    )
    group.addoption(
        "--edge-candidates",
        metavar="DIR",
        help="with --edge-accept: what a run elsewhere has found (default: the cache's)",
    )
    group.addoption(
        "--edge-remove-unused",
        action="store_true",
        help="with --edge-accept: remove the entries that the last run named as unused",
    )
    group.addoption(
        "--edge-update-baseline",
        action="store_true",
        help="accept what this run finds: regressions pass, other budgets judge as ever",
    )


def check_actions(config: pytest.Config) -> None:
    """Raises ConfigurationError for options that only serve --edge-accept, without it."""
    given = {
        "--edge-candidates": config.getoption("edge_candidates") is not None,
        "--edge-remove-unused": config.getoption("edge_remove_unused"),
    }
    for name, is_given in given.items():
        if is_given and config.getoption("edge_accept") is None:
            raise ConfigurationError(
                f"{name} serves --edge-accept, which is not given", f"add --edge-accept: {name}"
            )
