"""Runtimes whose processes run on an emulated processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_edgegate.core.defaults import RuntimeDefaults
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.emulation.emulator import Emulator
from pytest_edgegate.emulation.sysroot import RUNTIMES, Sysroot, found, wanted


class EmulatedRuntime(RuntimeDefaults):
    """``RunsElsewhere``: a runtime of this package in the emulated Python.

    Its kernels are those that the processor has: results and never times are the board's.
    """

    packages = ()
    opens_files = False

    def __init__(self, form: str, entry: str, package: str, processor: str) -> None:
        """*entry*: ``module:attribute`` of the runtime there; *package*: its distribution."""
        self.formats = (form,)
        self.entry = entry
        self._package = package
        self._processor = processor
        self.source = f"emulator:qemu-aarch64:{processor}"

    @property
    def options(self) -> Mapping[str, object]:  # type: ignore[override]
        return {"cpu": self._processor, **self._sysroot().identity}

    def versions(self) -> Mapping[str, str]:
        there = self._sysroot()
        return {"qemu-aarch64": there.emulator, self._package: there.packages[self._package]}

    def other_versions(self) -> str:
        """A version without a wheel for ARM has another one in its place."""
        here, there = wanted(), self._sysroot().packages
        said = [
            f"{name} {there[name]} in the emulator and {here[name]} here"
            for name in RUNTIMES[self._package]
            if name in here and here[name] != there[name]
        ]
        if not said:
            return ""
        return f"caution: {', '.join(said)}: what differs may be the versions, not the kernels"

    def check(self) -> None:
        self._sysroot()

    def launcher(self) -> Emulator:
        return Emulator(self._sysroot(), self._processor)

    def open(self, model: Path | SourceModel) -> Runner:
        raise InferenceError(
            f"{self.source} runs in a process of its own", "let a session open the file"
        )

    def _sysroot(self) -> Sysroot:
        return found(self._package, self._processor)


def _litert(processor: str) -> EmulatedRuntime:
    entry = "pytest_edgegate.backends.litert.runtime:XNNPACK"
    return EmulatedRuntime("litert", entry, "ai-edge-litert", processor)


def _onnx(processor: str) -> EmulatedRuntime:
    entry = "pytest_edgegate.backends.onnx.runtime:OPTIMISED"
    return EmulatedRuntime("onnx", entry, "onnxruntime", processor)


LITERT_A72, LITERT_A76 = _litert("cortex-a72"), _litert("cortex-a76")
ONNX_A72, ONNX_A76 = _onnx("cortex-a72"), _onnx("cortex-a76")
