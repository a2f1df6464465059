"""The folder of the emulated Python: where it is looked for, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emulated import RUNTIMES, beside

from pytest_edgegate.emulation.processors import PROCESSORS
from pytest_edgegate.emulation.sysroot import (
    EmulatorUnavailableError,
    Sysroot,
    fault_of,
    found,
    place,
    qemu_version,
)
from pytest_edgegate.systems.machine import read_cpuinfo

VERSIONS = {"numpy": "2.4.6", "ai-edge-litert": "2.3.0"}
PACKAGES = ("numpy", "ai_edge_litert")
NAME = "python3.11-numpy-2.4.6-ai-edge-litert-2.3.0"
COMMAND = "python -m pytest_edgegate sysroot"


@pytest.fixture
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place, of an environment with LiteRT alone."""
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path))
    monkeypatch.setattr("pytest_edgegate.emulation.sysroot.wanted", lambda: VERSIONS)
    return tmp_path


def whole(within: Path, **fields: object) -> Path:
    """A folder with every file that is looked for; nothing in it runs."""
    folder = within / NAME
    made = Sysroot(folder, "3.11.2", "host/qemu", VERSIONS, VERSIONS, {"libc6": "2.36"})
    files = [made.program, *(made.site / each / "__init__.py" for each in PACKAGES)]
    for each in PROCESSORS:
        files += [made.interpreter(each), made.root(each) / "proc" / "cpuinfo"]
    for each in files:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    made.write()
    manifest = folder / "sysroot.json"
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(said | fields))
    return folder


def refused(runtime: str = "ai-edge-litert") -> str:
    with pytest.raises(EmulatorUnavailableError) as error:
        found(runtime, "cortex-a76")
    assert error.value.remedy == COMMAND
    assert error.value.message.startswith(
        f"{runtime} on an emulated cortex-a76 needs an ARM Python"
    )
    return error.value.message


def test_place_is_one_for_all_projects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EDGEGATE_SYSROOT", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place() == tmp_path / ".cache/pytest-edgegate/sysroot"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert place() == tmp_path / ".cache/pytest-edgegate/sysroot"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert place() == tmp_path / "cache/pytest-edgegate/sysroot"
    monkeypatch.setenv("EDGEGATE_SYSROOT", "~/arm")
    assert place() == tmp_path / "arm"


def test_none_is_there(within: Path) -> None:
    assert refused().endswith(f", which is not made yet in {within / NAME}")


def test_one_of_other_versions(within: Path) -> None:
    other = "python3.11-numpy-2.4.6-ai-edge-litert-2.2.0"
    (within / other).mkdir()
    assert refused().endswith(f" (there are others: {other})")


def test_a_whole_one(within: Path) -> None:
    folder = whole(within)
    made = found("ai-edge-litert", "cortex-a76")
    assert (made.folder, made.wanted, made.packages) == (folder, VERSIONS, VERSIONS)
    assert made.interpreter("cortex-a72") == folder / "cpu/cortex-a72/usr/bin/python3.11"


@pytest.mark.parametrize(
    "missing",
    [
        "host/qemu",
        "cpu/cortex-a76/usr/bin/python3.11",
        "cpu/cortex-a76/proc/cpuinfo",
        "site/numpy/__init__.py",
        "site/ai_edge_litert/__init__.py",
    ],
)
def test_a_file_is_missing(within: Path, missing: str) -> None:
    folder = whole(within)
    (folder / missing).unlink()
    assert refused().endswith(f"; {folder} is not whole: there is no {folder / missing}")


def test_damaged_manifest(within: Path) -> None:
    manifest = whole(within) / "sysroot.json"
    text = manifest.read_text()
    for damaged in ("", text[:-20], "[]", text.replace("python", "pyth0n")):
        manifest.write_text(damaged)
        assert " is not whole: " in refused()
    manifest.unlink()
    assert " is not whole: [Errno 2] No such file" in refused()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("qemu", None),
        ("qemu", ""),
        ("python", 3.11),
        ("system", 3),
        ("system", {}),
        ("packages", []),
        ("packages", ["numpy", "ai-edge-litert"]),
        ("packages", {"numpy": None, "ai-edge-litert": "2.3.0"}),
        ("packages", {"ai-edge-litert": "2.3.0"}),
        ("wanted", "numpy"),
    ],
)
def test_manifest_with_a_value_of_another_type(within: Path, key: str, value: object) -> None:
    folder = whole(within, **{key: value})
    said = f"{folder} is not whole: sysroot.json is malformed: {key} is {json.dumps(value)}"
    assert refused().endswith(said)
    assert said.endswith(fault_of(folder, VERSIONS, PROCESSORS))


def test_made_by_another_version(within: Path) -> None:
    whole(within, layout=0)
    assert refused().endswith(" is not whole: it was made by another version of pytest-edgegate")


def test_runtime_is_not_in_it(within: Path) -> None:
    folder = whole(within)
    assert refused("onnxruntime").endswith(f"; {folder} has no onnxruntime and no onnx")


def test_package_of_the_environment_is_not_in_it(within: Path) -> None:
    """The command makes it anew then, as ``found`` says."""
    folder = whole(within)
    qemu = folder / "host/qemu"
    qemu.write_text("#!/bin/sh\necho qemu-aarch64 version 7.2.22\n")
    qemu.chmod(0o755)
    assert fault_of(folder, VERSIONS, PROCESSORS) == ""
    more = VERSIONS | {"onnxruntime": "1.32.0", "onnx": "1.23.2"}
    assert fault_of(folder, more, PROCESSORS) == "it has no onnxruntime and no onnx"


def test_qemu_of_another_system(
    within: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was made with an installed one is of use where that lies elsewhere."""
    whole(within, qemu="/nowhere/qemu-aarch64")
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert refused().endswith("no /nowhere/qemu-aarch64, nor a qemu-aarch64 on PATH")
    own = programs / "qemu-aarch64-static"
    own.touch(0o755)
    assert found("ai-edge-litert", "cortex-a76").program == own


def test_variable_that_names_the_folder_itself(
    within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = whole(within)
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(folder))
    assert found("ai-edge-litert", "cortex-a76").folder == folder
    (folder / "sysroot.json").unlink()
    assert place() == within


def test_cpuinfo_is_of_the_processor() -> None:
    for name, part, half in (("cortex-a72", "0xd08", False), ("cortex-a76", "0xd0b", True)):
        text = PROCESSORS[name].cpuinfo
        _, flags = read_cpuinfo(text, "")
        assert ("asimdhp" in flags) is half
        assert f"CPU part\t: {part}\n" in text


def test_versions_are_in_the_identity_of_a_runtime(
    sysroot: Sysroot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of qemu, the processor, the wheels and Debian's packages, so that no answer outlives them."""
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path))
    copy = beside(sysroot, tmp_path)
    runtime = RUNTIMES["litert-cortex-a76"]
    own = dict(runtime.options)
    assert own["cpu"] == "cortex-a76" != RUNTIMES["litert-cortex-a72"].options["cpu"]
    assert str(own["qemu"])[0].isdigit()
    assert runtime.versions() == {
        "qemu-aarch64": own["qemu"],
        "ai-edge-litert": sysroot.packages["ai-edge-litert"],
    }
    manifest = copy / "sysroot.json"
    said = json.loads(manifest.read_text())
    manifest.unlink()
    for key, value in (
        ("packages", said["packages"] | {"ai-edge-litert": "9.9"}),
        ("system", said["system"] | {"libc6": "9.9"}),
        ("python", "3.11.99"),
    ):
        manifest.write_text(json.dumps(said | {key: value}))
        other = dict(runtime.options)
        assert other.pop(key) == value
        assert other == {name: each for name, each in own.items() if name != key}


def test_qemu_that_does_not_run(tmp_path: Path) -> None:
    broken = tmp_path / "qemu-aarch64"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    silent = tmp_path / "qemu-silent"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o755)
    for program in (broken, silent, tmp_path / "none"):
        with pytest.raises(EmulatorUnavailableError, match="does not tell its version"):
            qemu_version(program)
