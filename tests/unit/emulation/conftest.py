"""The emulated ARM Python, where it is made."""

from __future__ import annotations

import pytest
from emulated import needs_sysroot, registry_with_emulators

from pytest_edgegate.emulation.sysroot import Sysroot
from pytest_edgegate.registry import Registry


@pytest.fixture
def sysroot() -> Sysroot:
    return needs_sysroot()


@pytest.fixture
def registry() -> Registry:
    return registry_with_emulators()
