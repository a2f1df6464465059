"""LiteRT-Micro keeps the contracts of runtimes and of tools, with the real interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import REFERENCE
from pytest_edgegate.backends.tflite_micro.runtime import RUNTIME
from pytest_edgegate.backends.tflite_micro.tool import TOOL
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.testing.contract import BackendCase, BackendContract
from pytest_edgegate.testing.tool_contract import ToolCase, ToolContract

from .conftest import needs_micro


@needs_micro
class TestRuntime(BackendContract):
    @pytest.fixture
    def case(self, small: Any, data: EdgeData) -> BackendCase:
        return BackendCase(
            reader=READER,
            model=small,
            transform=TRANSFORM,
            step=PTQ(),
            target=built_in()["cortex-m"],
            data=data,
            runtimes=(RUNTIME, REFERENCE),
            inspector=INSPECTOR,
        )


@needs_micro
class TestTool(ToolContract):
    @pytest.fixture
    def case(self, digits: Path) -> ToolCase:
        return ToolCase(TOOL, digits, built_in()["cortex-m"])
