"""Checks a built wheel and sdist: metadata, contents, and the wheel in environments of its own.

    python tests/release/check_dist.py dist                    # metadata and contents
    python tests/release/check_dist.py dist --install ,litert  # the wheel alone, and with an extra
    python tests/release/check_dist.py dist --install all      # with each extra, one by one

An environment has the wheel, one extra and the versions of constraints.txt. A gate of what the
extra is for runs in it, from a folder outside of the repository. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import email
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from email.message import Message
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "pytest_edgegate"
NOT_IN_SDIST = (".ci/", ".gitignore")
OWN_OF_SDIST = ("PKG-INFO", "setup.cfg", f"{PACKAGE}.egg-info/")
"""What setuptools adds."""
DATA = (
    "py.typed",
    "targets/coral.toml",
    "backends/keras/vetting/keras.toml",
    "reports/report.schema.json",
    "reports/html/style.css",
    "reports/html/script.js",
)
KERAS, TORCH, TFLITE, ONNX = (
    ROOT / "example_project" / "models" / "digits.keras",
    ROOT / "example_project" / "torch_model" / "digits.pt2",
    ROOT / "example_project" / "models" / "digits_uint8.tflite",
    ROOT / "tests" / "fuzz" / "seeds" / "onnx" / "small.onnx",
)
GATES = {
    "litert": ("coral", TFLITE),
    "coral": ("coral", TFLITE),
    "raspberry-pi": ("raspberry-pi", TFLITE),
    "onnx": ("onnx-cpu", ONNX),
    "jetson": ("jetson-orin-nano", ONNX),
    "micro": ("cortex-m", TFLITE),
    "vela": ("ethos-u55-128", TFLITE),
    "openvino": ("openvino-cpu", ONNX),
    "keras": ("coral", KERAS),
    "torch": ("onnx-cpu", TORCH),
}
"""The target and the model that an extra has to be enough for."""
GIVEN = """
def test_given(edge_gate):
    edge_gate.check({path!r}, size="1 MB")
"""
BUILT = """
import numpy as np
import pytest
from pytest_edgegate import EdgeData

@pytest.fixture
def edge_model():
    return {path!r}

@pytest.fixture
def edge_data():
    x = np.random.default_rng(0).random({shape}, np.float32)
    return EdgeData(calibration=x, evaluation=x)

@pytest.mark.edge_budget(size="1 MB")
def test_built(edge_ptq): ...
"""
SHAPES = {KERAS: (20, 28, 28, 1), TORCH: (20, 1, 28, 28), ONNX: (20, 2, 6, 6)}


class FaultError(Exception):
    """What is wrong with what was built."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--install", default=None, metavar="EXTRA,...")
    given = parser.parse_args()
    [wheel], [sdist] = given.folder.glob("*.whl"), given.folder.glob("*.tar.gz")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    try:
        check_wheel(wheel, project)
        check_sdist(sdist, project)
        for extra in _extras(given.install, project):
            check_installed(wheel, extra)
    except FaultError as fault:
        sys.exit(f"{given.folder}: {fault}")


def check_wheel(wheel: Path, project: Mapping[str, Any]) -> None:
    """Raises FaultError unless it holds the package, all of it, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {each for each in archive.namelist() if not each.endswith("/")}
        info = f"{PACKAGE}-{project['version']}.dist-info/"
        metadata = email.message_from_bytes(archive.read(f"{info}METADATA"))
        entries = archive.read(f"{info}entry_points.txt").decode()
    _same("the wheel", {each for each in inside if not each.startswith(info)}, tracked(PACKAGE))
    for name in DATA:
        if f"{PACKAGE}/{name}" not in inside:
            raise FaultError(f"{name} is missing in the wheel")
    check_metadata(metadata, project)
    check_entry_points(entries, project)
    print(f"{wheel.name}: {len(inside)} files, metadata and entry points as in pyproject.toml")


def check_sdist(sdist: Path, project: Mapping[str, Any]) -> None:
    """Raises FaultError unless it holds what is tracked, but for the CI's own files."""
    with tarfile.open(sdist) as archive:
        top = f"{PACKAGE}-{project['version']}/"
        inside = {each.name.removeprefix(top) for each in archive.getmembers() if each.isfile()}
    own = {each for each in inside if each.startswith(OWN_OF_SDIST)}
    expected = {each for each in tracked() if not each.startswith(NOT_IN_SDIST)}
    _same("the sdist", inside - own, expected)
    print(f"{sdist.name}: {len(inside)} files, all that git tracks")


def check_metadata(metadata: Message, project: Mapping[str, Any]) -> None:
    """Raises FaultError unless it says what pyproject.toml says."""
    single = {
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
        "License-Expression": project["license"],
        "Description-Content-Type": "text/markdown",
        "Keywords": ",".join(project["keywords"]),
        "Author": ", ".join(each["name"] for each in project["authors"]),
    }
    for key, value in single.items():
        if metadata[key] != value:
            raise FaultError(f"{key} is {metadata[key]!r}, not {value!r}")
    several = {
        "Classifier": project["classifiers"],
        "Provides-Extra": project["optional-dependencies"],
        "License-File": project["license-files"],
    }
    for key, values in several.items():
        _same(key, set(metadata.get_all(key) or ()), set(values))
    if "# pytest-edgegate" not in str(metadata.get_payload()):
        raise FaultError("the README is not in the metadata")


def check_entry_points(text: str, project: Mapping[str, Any]) -> None:
    """Raises FaultError unless all of them are there."""
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    found = {name: dict(parser[name]) for name in parser.sections()}
    if found != project["entry-points"]:
        raise FaultError(f"the entry points are {found}")


def check_installed(wheel: Path, extra: str) -> None:
    """Raises FaultError unless a gate runs where only the wheel with *extra* is installed."""
    with tempfile.TemporaryDirectory(prefix="edgegate-dist-") as made:
        folder = Path(made)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
        python = str(folder / "env" / "bin" / "python")
        wanted = f"pytest-edgegate[{extra}] @ {wheel.resolve().as_uri()}"
        constraints = str(ROOT / "constraints.txt")
        _run(folder, python, "-m", "pip", "install", "-q", "-c", constraints, wanted)
        _run(folder, python, "-m", "pip", "check")
        (folder / "project").mkdir()
        for command in _commands(extra, folder / "project"):
            _run(folder / "project", python, *command)
    print(f"installed with {extra or 'no extra'}: works")


def _commands(extra: str, project: Path) -> Iterator[tuple[str, ...]]:
    where = f"import {PACKAGE} as e, sys; sys.exit('env' not in e.__file__)"
    yield "-P", "-c", where
    yield "-m", "pytest", "--edge-list-targets"
    yield "-m", PACKAGE, "cache", "--help"
    if extra == "report":
        yield "-c", f"import {PACKAGE}.reports.drawing, matplotlib"
    if extra in GATES:
        target, model = GATES[extra]
        shutil.copy(model, project)
        test = BUILT if model in SHAPES else GIVEN
        shape = SHAPES.get(model)
        (project / "test_it.py").write_text(test.format(path=model.name, shape=shape))
        yield "-m", "pytest", f"--edge-target={target}"


def tracked(under: str = ".") -> set[str]:
    """The files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", under], cwd=ROOT, capture_output=True, check=True
    )
    return set(listed.stdout.decode().rstrip("\0").split("\0"))


def _extras(asked: str | None, project: Mapping[str, Any]) -> list[str]:
    if asked == "all":
        return ["", *(each for each in project["optional-dependencies"] if each != "all")]
    return [] if asked is None else asked.split(",")


def _same(what: str, found: set[str], expected: set[str]) -> None:
    if found != expected:
        missing, strange = sorted(expected - found), sorted(found - expected)
        raise FaultError(f"{what}: missing {missing[:10]}, not expected {strange[:10]}")


def _run(folder: Path, *command: str) -> None:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise FaultError(f"{' '.join(command[1:])} exits with {ran.returncode}:\n{ran.stdout}")


if __name__ == "__main__":
    main()
