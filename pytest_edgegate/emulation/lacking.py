"""What this system lacks for making an emulated ARM Python."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.emulation.packages import DEBIAN
from pytest_edgegate.emulation.sysroot import RUNTIMES
from pytest_edgegate.systems import name as system

ELSEWHERE = (
    "make it in Debian 12 (in a container: python:3.11-bookworm) with the same versions installed, "
    "by --folder in a place that both see, or use the target raspberry-pi, which needs no emulator"
)
"""The remedy for another system."""
_OS_RELEASE = Path("/etc/os-release")


def check_system(versions: Mapping[str, str], release: Path = _OS_RELEASE) -> None:
    """Raises ConfigurationError with what this system lacks for a folder, and what to do."""
    if not system.is_linux():
        raise ConfigurationError(
            f"qemu-aarch64 emulates Linux programs on Linux only, and this is {system.NAME}",
            ELSEWHERE,
        )
    name, is_debian = _system(release)
    if not is_debian:
        raise ConfigurationError(
            f"the ARM packages are taken from Debian {DEBIAN} by their names there, and "
            f"this is {name}",
            ELSEWHERE,
        )
    programs = [each for each in ("apt-get", "dpkg-deb", "dpkg", "tar") if not shutil.which(each)]
    if programs:
        raise ConfigurationError(
            f"the ARM packages are taken by {' and '.join(programs)}, which is not here",
            ELSEWHERE,
        )
    if not _has_pip():
        raise ConfigurationError(
            "the wheels are taken by pip, which this Python does not have",
            f"{sys.executable} -m ensurepip (or: uv pip install pip)",
        )
    if not any(each in versions for each in RUNTIMES):
        raise ConfigurationError(
            f"this environment has neither {' nor '.join(RUNTIMES)}, whose versions are taken",
            "pip install 'pytest-edgegate[raspberry-pi]', or [onnx]",
        )


def _has_pip() -> bool:
    # find_spec would have setuptools warn of distutils where that is imported
    from importlib.metadata import PackageNotFoundError, version

    try:
        version("pip")
    except PackageNotFoundError:
        return False
    return True


def _system(release: Path) -> tuple[str, bool]:
    """The name of this system, and whether it is the Debian that is meant."""
    try:
        lines = release.read_text("utf-8", "replace").splitlines()
    except OSError:
        return f"a Linux without {release}", False
    said = {key: value.strip().strip("\"'") for key, _, value in (x.partition("=") for x in lines)}
    is_debian = said.get("ID") == "debian" and said.get("VERSION_ID") == DEBIAN
    return said.get("PRETTY_NAME") or said.get("ID") or "another Linux", is_debian
