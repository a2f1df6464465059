"""What the gate relies on, of Keras -> LiteRT: every kind of step, every kind of model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
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

pytestmark = pytest.mark.xdist_group("tensorflow")


class KerasToLiteRT(BackendContract):
    """``case`` of a step, a board and a model; a conversion a class, not one a test."""

    step: ClassVar[Step | None] = None
    board: ClassVar[str] = "host"

    @pytest.fixture(scope="class")
    def model(self, saved: dict[str, Path]) -> object:
        return saved["keras"]

    @pytest.fixture
    def case(self, model: object, data: EdgeData) -> BackendCase:
        target = Registry().get("target", self.board)
        return BackendCase(
            reader=READER, model=model, transform=TRANSFORM, step=self.step,
            target=target if self.step else float_target(target, "litert"), data=data,
            runtimes=(XNNPACK, REFERENCE), inspector=INSPECTOR,
        )  # fmt: skip

    @pytest.fixture(scope="class")
    def once(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        return {"folder": tmp_path_factory.mktemp("once")}

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
    @pytest.fixture(scope="class")
    def model(self, saved: dict[str, Path]) -> object:
        return saved["h5"]


class TestOfAnOldH5File(KerasToLiteRT):
    @pytest.fixture(scope="class")
    def model(self, saved: dict[str, Path]) -> object:
        return saved["old h5"]


class TestOfASavedModel(KerasToLiteRT):
    step = PTQ()
    board = "coral"

    @pytest.fixture(scope="class")
    def model(self, saved: dict[str, Path]) -> object:
        return saved["SavedModel"]


class TestOfALiveModel(KerasToLiteRT):
    step = PTQ()
    board = "coral"

    @pytest.fixture(scope="class")
    def model(self, small: Any) -> object:
        return small


class TestOfALiveModelOfTfKeras(KerasToLiteRT):
    step = PTQ()
    board = "coral"

    @pytest.fixture(scope="class")
    def model(self, small_tf_keras: Any) -> object:
        return small_tf_keras


class TestOfALiveSequential(KerasToLiteRT):
    @pytest.fixture(scope="class")
    def model(self, keras: ModuleType) -> object:
        layers = keras.layers
        return keras.Sequential(
            [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.GlobalAveragePooling2D()]
        )
