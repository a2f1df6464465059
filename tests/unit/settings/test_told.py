"""What pytest's own options tell of the plugin."""

from __future__ import annotations

import typing
from typing import Any

import pytest_edgegate
from pytest_edgegate import fixtures
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.settings.options import GROUP, MARKERS, add_options, marker_lines
from pytest_edgegate.targets.folder import built_in


class Parser:
    """What the plugin gives to pytest's parser."""

    def __init__(self) -> None:
        self.title = ""
        self.help: dict[str, str] = {}

    def getgroup(self, name: str, description: str) -> Parser:
        assert name == GROUP
        self.title = description
        return self

    def addoption(self, name: str, **what: str) -> None:
        self.help[name] = what["help"]

    def addini(self, *args: object, **what: object) -> None: ...


def test_the_help_names_the_plugin_and_lists_the_built_in_targets() -> None:
    parser: Any = Parser()
    add_options(parser)
    assert parser.title.startswith("edgegate: ")
    assert "docs/" in parser.title
    assert ", ".join(sorted(built_in())) in parser.help["--edge-target"]


def test_the_markers_list_every_budget_with_its_unit() -> None:
    (line,) = (each for each in marker_lines(in_full=True) if each.startswith("edge_budget"))
    for name in BUDGETS:
        assert f"{name} (at " in line
    assert 'size (at most, "120 kB")' in line
    assert 'latency_p95 (at most, "6 ms")' in line
    assert "compression (at least, factor)" in line
    assert marker_lines(in_full=False) == list(MARKERS.values())


def test_what_fixtures_give_can_be_imported_for_type_hints() -> None:
    names = {
        "edge_ptq": "Artifact",
        "edge_gate": "EdgeGate",
        "edge_compress": "EdgeCompress",
        "edge_reference": "Reference",
        "edge_target": "Target",
    }
    for fixture, name in names.items():
        function = vars(fixtures)[fixture]._get_wrapped_function()
        assert function.__annotations__["return"] == name
        assert name in pytest_edgegate.__all__
        assert isinstance(getattr(pytest_edgegate, name), type)
    assert typing.get_type_hints(pytest_edgegate.EdgeGate.size)["return"]
