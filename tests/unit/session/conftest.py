"""A session over the fakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.testing.fakes import fake_data, fake_model, pytest_edgegate_register

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]


@pytest.fixture
def start(tmp_path: Path) -> Starter:
    """A new session on the same folder and cache, as another run would be."""

    def session(**changes: Any) -> EdgeSession:
        registry = Registry()
        pytest_edgegate_register(registry)
        given: dict[str, Any] = {"root": tmp_path, "cache": tmp_path / "cache"}
        return EdgeSession(Settings(**(given | changes)), registry)

    return session


@pytest.fixture
def subject(tmp_path: Path) -> Maker:
    """A subject of a fake model, with fake data unless others are given."""

    def make(data: Any = None, metric: Any = "top1", **what: Any) -> Given:
        path = fake_model(tmp_path / "m.fake", **what)
        return Given(path, fake_data() if data is None else data, metric)

    return make
