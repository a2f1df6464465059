"""The suite that every backend passes, on OpenVINO IR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.keras.reader import READER as KERAS
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.openvino.compress import TRANSFORM as COMPRESS
from pytest_edgegate.backends.openvino.from_keras import TRANSFORM as CONVERT_KERAS
from pytest_edgegate.backends.openvino.from_onnx import TRANSFORM as CONVERT
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.backends.openvino.runtime import RUNTIME
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import BackendCase, BackendContract


class TestFloatExport(BackendContract):
    @pytest.fixture
    def case(self, small: Path, data: EdgeData, board: Target) -> BackendCase:
        return BackendCase(
            reader=ONNX,
            model=small,
            transform=CONVERT,
            step=None,
            target=board,
            data=data,
            runtimes=(RUNTIME,),
            inspector=INSPECTOR,
        )


class TestFloatExportOfKeras(BackendContract):
    @pytest.fixture
    def case(
        self, keras: ModuleType, network: Callable[..., Any], digits: Any, board: Target
    ) -> BackendCase:
        images, labels = digits.x[:40], digits.y[:40]
        return BackendCase(
            reader=KERAS,
            model=network(keras),
            transform=CONVERT_KERAS,
            step=None,
            target=board,
            data=EdgeData(calibration=images, evaluation=(images, labels)),
            runtimes=(RUNTIME,),
            inspector=INSPECTOR,
        )


class TestPTQ(BackendContract):
    @pytest.fixture
    def case(self, floats: Produced, data: EdgeData, board: Target) -> BackendCase:
        return BackendCase(
            reader=READER,
            model=floats.main,
            transform=COMPRESS,
            step=PTQ(20),
            target=board,
            data=data,
            runtimes=(RUNTIME,),
            inspector=INSPECTOR,
        )


class TestFloat16(BackendContract):
    @pytest.fixture
    def case(self, floats: Produced, data: EdgeData, board: Target) -> BackendCase:
        return BackendCase(
            reader=READER,
            model=floats.main,
            transform=COMPRESS,
            step=Cast(),
            target=board,
            data=data,
            runtimes=(RUNTIME,),
            inspector=INSPECTOR,
        )
