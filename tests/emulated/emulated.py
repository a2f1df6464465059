"""The emulated ARM Python, for the tests that run files in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.emulation import runtimes
from pytest_edgegate.emulation.sysroot import COMMAND, Sysroot, found
from pytest_edgegate.registry import Registry

RUNTIMES = {
    "litert-cortex-a72": runtimes.LITERT_A72,
    "litert-cortex-a76": runtimes.LITERT_A76,
    "onnxruntime-cortex-a72": runtimes.ONNX_A72,
    "onnxruntime-cortex-a76": runtimes.ONNX_A76,
}


def needs_sysroot() -> Sysroot:
    """The folder of this environment; skips the test where there is none."""
    try:
        whole = [found(each, "cortex-a76") for each in ("ai-edge-litert", "onnxruntime")]
    except EdgeGateError:
        pytest.skip(f"runs ARM kernels in an emulator: {COMMAND}")
    return whole[0]


def registry_with_emulators() -> Registry:
    registry = Registry()
    for name, runtime in RUNTIMES.items():
        registry.add("runtime", name, runtime)
    return registry


def beside(sysroot: Sysroot, within: Path) -> Path:
    """A folder of the same name in another place, of links to the parts of a whole one."""
    copy = within / sysroot.folder.name
    copy.mkdir(parents=True)
    for each in sysroot.folder.iterdir():
        (copy / each.name).symlink_to(each)
    return copy


def removed_in(copy: Path, name: str) -> None:
    """Removes a file or folder of such a copy, and nothing of the whole one: the folders above it
    become folders of links."""
    *above, last = Path(name).parts
    at = copy
    for each in above:
        at /= each
        real = at.resolve()
        if at.is_symlink():
            at.unlink()
            at.mkdir()
            for part in real.iterdir():
                (at / part.name).symlink_to(part)
    (at / last).unlink()
