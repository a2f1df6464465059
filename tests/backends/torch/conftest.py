"""Small torch modules and archives of them, each made once."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.testing.contract import surroundings

Recognise = Callable[..., SourceModel]


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    return import_torch()


@pytest.fixture(scope="session")
def recognise() -> Recognise:
    """The model of an object or a path, with arrays (one, a tuple, a dict) as the user's data."""

    def of(candidate: object, x: Any = None) -> SourceModel:
        inputs = (x, np.zeros(len(x[0]))) if isinstance(x, tuple) else x
        data = None if x is None else EdgeData(evaluation=inputs)
        model = READER.recognise(candidate, surroundings(data))
        assert model is not None
        return model

    return of


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 2, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def healthy(torch: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .pt2 archive of a small convolution with a free batch."""

    class Small(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 3, 3)
            self.norm = torch.nn.BatchNorm2d(3)
            self.register_buffer("scale", torch.full((3,), 1.5))
            self.head = torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            features = self.norm(self.conv(x)).relu().mean((2, 3)) * self.scale
            return self.head(features).reshape(x.shape[0] * 2).reshape(x.shape[0], 2)

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("healthy") / "small.pt2"
    batch = torch.export.Dim("batch")
    with held_native_output():
        program = torch.export.export(
            Small().eval(), (torch.randn(2, 2, 8, 8),), dynamic_shapes=({0: batch},)
        )
        torch.export.save(program, path)
    return path


class Archive:
    """A copy of a .pt2 archive to put something else in."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = folder / "hostile.pt2"
        with zipfile.ZipFile(source) as opened:
            self.members = {name: opened.read(name) for name in opened.namelist()}
        self.root = next(iter(self.members)).split("/")[0]

    def json(self, name: str) -> Any:
        return json.loads(self.members[f"{self.root}/{name}"])

    def put(self, name: str, content: Any) -> None:
        plain = isinstance(content, bytes)
        self.members[f"{self.root}/{name}"] = content if plain else json.dumps(content).encode()

    def write(self, compression: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(self.path, "w", compression) as out:
            for name, content in self.members.items():
                out.writestr(name, content)
        return self.path


@pytest.fixture
def archive(healthy: Path, tmp_path: Path) -> Archive:
    return Archive(healthy, tmp_path)
