"""What the gate relies on, of everything that makes .onnx files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.keras.reader import READER as KERAS
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx import compress, from_keras, from_torch
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.onnx.runtime import OPTIMISED, UNOPTIMISED
from pytest_edgegate.backends.torch.reader import READER as TORCH
from pytest_edgegate.core.ports import ModelReader, Produced, Runtime, Transform
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import BackendCase, BackendContract


@pytest.fixture(scope="class")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where a class keeps its one conversion."""
    return {"folder": tmp_path_factory.mktemp("once")}


@pytest.fixture(scope="session")
def candidates(
    tiny: Path, models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    layers = torch.nn
    module = layers.Sequential(
        layers.Conv2d(3, 4, 3),
        layers.BatchNorm2d(4),
        layers.ReLU(),
        layers.Flatten(),
        layers.Linear(144, 5),
    ).eval()
    path = tmp_path_factory.mktemp("program") / "program.pt2"
    with held_native_output():
        batch = torch.export.Dim("batch")
        program = torch.export.export(
            module, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({0: batch},)
        )
        torch.export.save(program, path)
    return {"onnx": tiny, "module": module, "program": path, **models}


class MakesOnnx(BackendContract):
    """A conversion a class, not one a test."""

    reader: ClassVar[ModelReader] = ONNX
    transform: ClassVar[Transform] = compress.TRANSFORM
    source: ClassVar[str] = "onnx"
    step: ClassVar[Step | None] = None
    runtimes: ClassVar[Sequence[Runtime]] = (OPTIMISED, UNOPTIMISED)

    @pytest.fixture
    def case(
        self, candidates: dict[str, Any], photo_data: EdgeData, data: EdgeData, cpu: Target
    ) -> BackendCase:
        return BackendCase(
            reader=self.reader,
            model=candidates[self.source],
            transform=self.transform,
            step=self.step,
            target=cpu,
            data=data if self.reader is KERAS else photo_data,
            runtimes=self.runtimes,
            inspector=INSPECTOR,
        )

    @pytest.fixture
    def produced(self, case: BackendCase, tmp_path: Path, once: dict[str, Any]) -> Produced:
        if "made" not in once:
            once["made"] = self._make(case, once["folder"])
        made: Produced = once["made"]
        here = tmp_path / made.main.name
        here.write_bytes(made.main.read_bytes())
        return Produced(here, (here,), made.notes, made.layout)


class TestPTQ(MakesOnnx):
    step = PTQ()


class TestPTQPerTensor(MakesOnnx):
    step = PTQ(8, per_channel=False)


class TestCastToFloat16(MakesOnnx):
    step = Cast("float16")


class TestOfALiveModule(MakesOnnx):
    reader = TORCH
    transform = from_torch.TRANSFORM
    source = "module"


class TestOfAnExportedProgram(MakesOnnx):
    reader = TORCH
    transform = from_torch.TRANSFORM
    source = "program"


class OfKeras(MakesOnnx):
    reader = KERAS
    transform = from_keras.TRANSFORM


class TestOfALiveKerasModel(OfKeras):
    source = "live"


class TestOfAKerasFile(OfKeras):
    source = "keras"


class TestOfASavedModel(OfKeras):
    source = "SavedModel"


def test_the_case_says_something(photos: np.ndarray, tiny: Path) -> None:
    """Outputs that are all alike would compare nothing."""
    with OPTIMISED.open(tiny) as runner:
        [scores] = runner.infer((photos,))
    assert len(np.unique(scores.argmax(axis=1))) > 1
