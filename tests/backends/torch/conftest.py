"""Small torch modules and archives of them, each made once."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
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


@pytest.fixture(scope="session")
def networks(torch: ModuleType) -> Any:
    """Small networks over images of 8x8 with ten classes, made by ``networks.Name(seed)``.

    Where a convolution reads a tensor they call ``at(name, tensor)``, which multiplies its
    channels by ``masks[name]`` where there is such a mask. Statistics of normalisations are random.
    """
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, seed: int = 0) -> None:
            super().__init__()
            self.masks: dict[str, Any] = {}
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                self.build()
                for part in self.modules():
                    if isinstance(part, nn.BatchNorm2d):
                        nn.init.normal_(part.weight)
                        nn.init.normal_(part.bias)
                        part.running_mean.normal_()
                        part.running_var.uniform_(0.5, 2)
            self.eval()

        def at(self, name: str, x: Any) -> Any:
            if name not in self.masks:
                return x
            return x * self.masks[name].reshape(1, -1, *[1] * (x.ndim - 2))

    class Chain(Network):
        def build(self) -> None:
            self.one = nn.Conv2d(1, 10, 3, padding=1)
            self.two = nn.Conv2d(10, 20, 3, stride=2)
            self.head = nn.Linear(20 * 9, 10)

        def forward(self, x: Any) -> Any:
            x = self.two(self.at("one", self.one(x).relu())).relu()
            return self.head(self.at("two", x).flatten(1))

    class Residual(Network):
        """Two layers that are added, and a depthwise one between two pointwise ones."""

        def build(self) -> None:
            self.one = nn.Conv2d(1, 10, 3, padding=1, bias=False)
            self.norm_one = nn.BatchNorm2d(10)
            self.two = nn.Conv2d(10, 10, 3, padding=1, bias=False)
            self.norm_two = nn.BatchNorm2d(10)
            self.wide = nn.Conv2d(10, 20, 1)
            self.depth = nn.Conv2d(20, 20, 3, padding=1, groups=20)
            self.norm_depth = nn.BatchNorm2d(20)
            self.narrow = nn.Conv2d(20, 10, 1)
            self.head = nn.Linear(10, 10)

        def forward(self, x: Any) -> Any:
            x = self.norm_one(self.one(x)).relu()
            x = x + self.norm_two(self.two(self.at("one", x)))
            y = self.norm_depth(self.depth(self.wide(self.at("one", x)).relu())).relu()
            return self.head(self.at("one", (x + self.narrow(self.at("wide", y))).mean((2, 3))))

    class Concatenated(Network):
        """Two layers side by side under one normalisation, and a grouped layer after another."""

        def build(self) -> None:
            self.left = nn.Conv2d(1, 10, 3, padding=1)
            self.right = nn.Conv2d(10, 20, 3, padding=1)
            self.norm = nn.BatchNorm2d(30)
            self.both = nn.Conv2d(30, 20, 1)
            self.grouped = nn.Conv2d(20, 40, 3, groups=2)
            self.hidden = nn.Linear(40, 30)
            self.head = nn.Linear(30, 10)

        def forward(self, x: Any) -> Any:
            left = self.left(x)
            right = self.right(self.at("left", left.relu()))
            x = self.norm(torch.cat([left, right], 1)).relu()
            x = self.grouped(self.at("both", self.both(self.at("sides", x)).relu())).relu()
            x = self.hidden(self.at("grouped", x.mean((2, 3)))).relu()
            return self.head(self.at("hidden", x))

    class Normalised(Network):
        """Normalised over channels: by groups of four, and all of them."""

        def build(self) -> None:
            self.one = nn.Conv2d(1, 20, 3)
            self.groups = nn.GroupNorm(5, 20)
            self.two = nn.Conv2d(20, 10, 3)
            self.layer = nn.LayerNorm(10)
            self.drop = nn.Dropout(0.25)
            self.head = nn.Linear(10, 10)

        def forward(self, x: Any) -> Any:
            x = self.two(self.groups(self.one(x)).relu()).mean((2, 3))
            return self.head(self.drop(self.layer(x)))

    return SimpleNamespace(
        Network=Network,
        Chain=Chain,
        Residual=Residual,
        Concatenated=Concatenated,
        Normalised=Normalised,
    )


@pytest.fixture(scope="session")
def digits() -> EdgeData:
    """900 real digits of 8x8 pixels to train on and 200 to look at, with their labels."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = (x / 16).reshape(-1, 1, 8, 8).astype(np.float32)
    return EdgeData(train=(images[:900], y[:900]), evaluation=(images[900:1100], y[900:1100]))
