"""The scripts of the documentation, which lie in no package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def script(name: str) -> Iterator[ModuleType]:
    spec = spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="session")
def reference() -> Iterator[ModuleType]:
    yield from script("make_reference")


@pytest.fixture(scope="session")
def make_site() -> Iterator[ModuleType]:
    yield from script("make_site")


@pytest.fixture(scope="session")
def check_site() -> Iterator[ModuleType]:
    yield from script("check_site")
