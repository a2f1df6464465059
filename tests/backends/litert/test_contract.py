"""What the gate relies on, of Keras -> LiteRT: every kind of step, every kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.planner import float_target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import BackendCase, BackendContract


@pytest.fixture(scope="class")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where a class keeps its one conversion."""
    return {"folder": tmp_path_factory.mktemp("once")}


class KerasToLiteRT(BackendContract):
    """``case`` of a step, a board and a model; a conversion a class, not one a test."""

    step: ClassVar[Step | None] = None
    board: ClassVar[str] = "host"
    source: ClassVar[str] = "keras"

    @pytest.fixture
    def case(self, models: dict[str, Any], data: EdgeData) -> BackendCase:
        target = Registry().get("target", self.board)
        return BackendCase(
            reader=READER,
            model=models[self.source],
            transform=TRANSFORM,
            step=self.step,
            target=target if self.step else float_target(target, "litert"),
            data=data,
            runtimes=(XNNPACK, REFERENCE),
            inspector=INSPECTOR,
        )

    @pytest.fixture
    def produced(self, case: BackendCase, tmp_path: Path, once: dict[str, Any]) -> Produced:
        if "made" not in once:
            once["made"] = self._make(case, once["folder"])
        made: Produced = once["made"]

        def moved(file: Path) -> Path:
            here = tmp_path / file.relative_to(once["folder"])  # or it was written elsewhere
            here.write_bytes(file.read_bytes())
            return here

        return Produced(moved(made.main), tuple(map(moved, made.files)), made.notes)


class TestPTQForCoral(KerasToLiteRT):
    step = PTQ()
    board = "coral"


class TestPTQForHost(KerasToLiteRT):
    step = PTQ(8, per_channel=False)


class TestFloatExport(KerasToLiteRT):
    pass


class TestCastToFloat16(KerasToLiteRT):
    step = Cast("float16")


class TestOfAnH5File(KerasToLiteRT):
    source = "h5"


class TestOfAnOldH5File(KerasToLiteRT):
    source = "old h5"


class TestOfASavedModel(KerasToLiteRT):
    step = PTQ()
    board = "coral"
    source = "SavedModel"


class TestOfALiveModel(KerasToLiteRT):
    step = PTQ()
    board = "coral"
    source = "live"


class TestOfALiveModelOfTfKeras(KerasToLiteRT):
    step = PTQ()
    board = "coral"
    source = "live tf-keras"


class TestOfALiveSequential(KerasToLiteRT):
    source = "live Sequential"
