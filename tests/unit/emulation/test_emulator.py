"""An int8 LiteRT file on an emulated Cortex-A76, and an emulator that dies or hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from emulated import RUNTIMES

import pytest_edgegate
from pytest_edgegate.core.errors import CrashedError, InferenceError
from pytest_edgegate.data.feeding import noise
from pytest_edgegate.emulation.emulator import Emulator
from pytest_edgegate.emulation.sysroot import Sysroot
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache
from pytest_edgegate.tidy.child import Child
from pytest_edgegate.workers.process import Workers

pytestmark = pytest.mark.slow

LITERT = Path(pytest_edgegate.__file__).parents[1] / "example_project/models/digits_uint8.tflite"
TOLD = "digits_uint8.tflite in litert-cortex-a76 (emulator:qemu-aarch64:cortex-a76)"


class Started(Emulator):
    """Keeps the processes that it starts."""

    def __init__(self, sysroot: Sysroot) -> None:
        super().__init__(sysroot, "cortex-a76")
        self.children: list[Child] = []

    def start(self) -> Child:
        self.children.append(super().start())
        return self.children[-1]


@pytest.fixture
def emulator(sysroot: Sysroot, monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started(sysroot)
    monkeypatch.setattr(RUNTIMES["litert-cortex-a76"], "launcher", lambda: started)
    return started


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(timeout=60.0)
    yield made
    made.close()


@pytest.fixture
def opener(registry: Registry, workers: Workers, tmp_path: Path) -> Opener:
    return Opener(registry, Cache(tmp_path / "cache"), workers, cast("Any", None))


def specimen(runtime: str) -> Specimen:
    return Specimen(LITERT, "digits", runtime, made=True)


def samples(inputs: Any, count: int) -> tuple[Any, ...]:
    return tuple(
        np.repeat(noise(each), count, axis=0)
        * np.linspace(0.5, 1, count, dtype=np.float32).reshape(-1, *(1,) * (len(each.shape) - 1))
        for each in inputs
    )


def test_int8_file_on_another_processor(emulator: Started, opener: Opener) -> None:
    """LiteRT's own ARM kernels give what those of this host give, to a step."""
    with opener.open(specimen("litert-xnnpack")) as here:
        batch = samples(here.inputs, 5)
        raw = tuple((each * 255).clip(0, 255).astype(np.uint8) for each in batch)
        expected, real = here.infer_raw(raw), here.infer(batch)
    with opener.open(specimen("litert-cortex-a76")) as there:
        assert there.inputs[0].dtype == "uint8"
        (made,) = there.infer_raw(raw)
        (made_real,) = there.infer(batch)
        assert there.once(tuple(each[:1] for each in batch))()
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - expected[0]).max() <= 1
    assert np.abs(made_real - real[0]).max() <= 1.01 * here.outputs[0].scales[0]
    assert len(emulator.children) == 1


def test_it_is_of_that_processor(sysroot: Sysroot, emulator: Started) -> None:
    """The kernel and the runtimes see an ARM core, and no package of this host."""
    code = (
        "import platform, sys; print(platform.machine(), 'site' in sys.modules, *sys.path); "
        "print(open('/proc/cpuinfo').read())"
    )
    said = subprocess.run(
        [*emulator.command(), "-P", "-c", code],
        env=emulator.environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, _, cpuinfo = said.partition("\n")
    machine, looks_for_packages, *path = first.split()
    assert machine == "aarch64"
    assert looks_for_packages == "False"  # which could lie in folders of this host
    assert "CPU part\t: 0xd0b" in cpuinfo
    assert path
    assert all(each.startswith(str(sysroot.folder)) for each in path)


def test_samples_answered_before_are_not_run_again(emulator: Started, opener: Opener) -> None:
    with opener.open(specimen("litert-cortex-a76")) as runner:
        batch = tuple(
            np.arange(2 * np.prod(each.shape[1:]), dtype=np.int64)
            .astype(np.uint8)
            .reshape(2, *each.shape[1:])
            for each in runner.inputs
        )
        (first,) = runner.infer_raw(batch)
        emulator.children[0].kill()
        (again,) = runner.infer_raw(batch)
        assert (again == first).all()
        with pytest.raises(CrashedError):
            runner.infer_raw(tuple(each[::-1] + np.uint8(1) for each in batch))


def test_emulator_that_dies(emulator: Started, opener: Opener) -> None:
    with opener.open(specimen("litert-cortex-a76")) as runner:
        emulator.children[0].kill()
        with pytest.raises(CrashedError) as error:
            runner.infer(tuple(map(noise, runner.inputs)))
    assert error.value.message.startswith(f"{TOLD} ended the process that ran it (SIGKILL)")
    assert error.value.remedy.endswith("python -m pytest_edgegate sysroot --again")


def test_emulator_that_hangs(
    sysroot: Sysroot, emulator: Started, registry: Registry, tmp_path: Path
) -> None:
    """It is ended after its time limit, which is longer than that of this host."""
    emulator.slower = 2.0
    workers = Workers(timeout=30.0)
    opener = Opener(registry, Cache(tmp_path / "cache"), workers, cast("Any", None))
    with opener.open(specimen("litert-cortex-a76")) as runner:
        os.kill(emulator.children[0].pid, signal.SIGSTOP)
        cast("Any", runner)._remote._worker._timeout = 1.5
        with pytest.raises(InferenceError) as error:
            runner.infer(tuple(map(noise, runner.inputs)))
    assert error.value.message == f"{TOLD} did not answer within 1.5 s, and was stopped"
    assert "edge_runtime_timeout" in error.value.remedy
    assert not emulator.children[0].alive
    workers.close()


def test_time_limit_of_an_emulator(emulator: Started, workers: Workers) -> None:
    elsewhere = workers.elsewhere("a76", lambda: emulator)
    assert elsewhere is workers.elsewhere("a76", lambda: emulator)
    worker = elsewhere.take()
    assert worker._timeout == 5 * 60.0
    elsewhere.give_back(worker)
    workers.close()
    assert not emulator.children[0].alive


def test_file_that_does_not_open(emulator: Started, opener: Opener, tmp_path: Path) -> None:
    """Our own error comes back from there."""
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(LITERT.read_bytes()[:5000])
    with pytest.raises(InferenceError, match=r"damaged\.tflite"):
        opener.open(Specimen(damaged, "damaged", "litert-cortex-a76", made=True))


KILLED = """
import os, signal
from pytest_edgegate.emulation.emulator import Emulator
from pytest_edgegate.emulation.sysroot import found
from pytest_edgegate.workers.process import Worker

worker = Worker(60.0, Emulator(found("ai-edge-litert", "cortex-a76"), "cortex-a76"))
worker.call("has", "nothing", sha256="0" * 64)
print(worker._process.pid, flush=True)
os.kill(worker._process.pid, signal.SIGSTOP)  # it does not see that its pipe is closed
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_emulator_ends_with_a_killed_session(sysroot: Sysroot) -> None:
    package = Path(pytest_edgegate.__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL
    status, end = Path(f"/proc/{int(ran.stdout)}/stat"), time.monotonic() + 10
    while status.exists() and ") Z " not in status.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
