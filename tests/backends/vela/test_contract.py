"""Vela keeps the contract of tools, with the real program."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.backends.vela.tool import TOOL
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.tool_contract import ToolCase, ToolContract

from .conftest import needs_vela


@needs_vela
class TestVela(ToolContract):
    @pytest.fixture
    def case(self, digits: Path, u55: Target) -> ToolCase:
        return ToolCase(TOOL, digits, u55)
