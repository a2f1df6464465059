"""Targets are found by listing folders: the built-in one, and those of packages."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import targets
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import KINDS, Registry
from pytest_edgegate.targets.folder import TargetFolder, built_in

FOLDER = Path(targets.__file__).parent
BUILT_IN = sorted(path.stem for path in FOLDER.glob("*.toml"))
BOARD = 'formats = ["litert"]\ndtypes = ["int8"]\nruntimes = {litert = ["litert-xnnpack"]}\n'
Packer = Callable[..., str]
numbers = iter(range(1_000))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packer:
    """A package of target files, of a name that no other test has."""

    def pack(*, archived: bool = False, **files: str) -> str:
        name = f"boards_of_a_test_{next(numbers)}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        for file, text in files.items():
            (tmp_path / name / f"{file}.toml").write_text(text)
        if archived:
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                for path in sorted((tmp_path / name).iterdir()):
                    archive.write(path, f"{name}/{path.name}")
                    path.unlink()
            (tmp_path / name).rmdir()
        monkeypatch.syspath_prepend(tmp_path / f"{name}.zip" if archived else tmp_path)
        return name

    return pack


def registry_of(monkeypatch: pytest.MonkeyPatch, **entries: str) -> Registry:
    """A registry for which only these entry points of targets are installed."""
    points = {name: EntryPoint(name, value, KINDS["target"]) for name, value in entries.items()}
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    registry = Registry()
    monkeypatch.setattr(registry, "_entries", found | {"target": points})
    return registry


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_targets_can_be_read(name: str) -> None:
    found = built_in()[name]
    assert (found.name, found.origin) == (name, f"{name}.toml")
    assert found.sources
    assert set(found.runtimes) == set(found.formats)


def test_a_file_is_all_that_a_built_in_target_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of(monkeypatch)
    assert registry.names("target") == sorted(built_in()) == BUILT_IN
    assert {"coral", "host"} <= set(BUILT_IN)
    assert registry.get("target", "coral") == built_in()["coral"]
    assert registry.get("target", "coral") is registry.get("target", "coral")
    assert not any(hasattr(targets, name.replace("-", "_")) for name in BUILT_IN)


@pytest.mark.parametrize("archived", [False, True])
def test_a_package_brings_a_folder(
    package: Packer, monkeypatch: pytest.MonkeyPatch, archived: bool
) -> None:
    name = package(archived=archived, camera=BOARD, drone=BOARD)
    registry = registry_of(monkeypatch, acme=name)
    assert {"camera", "drone"} <= set(registry.names("target"))
    assert "acme" not in registry.names("target")
    found: Target = registry.get("target", "drone")
    assert (found.name, found.origin, found.dtypes) == ("drone", "drone.toml", ("int8",))


def test_a_package_brings_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of(monkeypatch, chip="pytest_edgegate.testing.fakes:FAKE_CHIP")
    assert registry.get("target", "chip").name == "fake-chip"


def test_a_built_in_name_is_nobody_elses(package: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of(
        monkeypatch, acme=package(coral=BOARD), host="pytest_edgegate.testing.fakes:FAKE_CHIP"
    )
    assert registry.get("target", "coral") == built_in()["coral"]
    assert registry.get("target", "host") == built_in()["host"]
    registry.add("target", "coral", "of a conftest.py")
    assert registry.get("target", "coral") == "of a conftest.py"


def test_listing_opens_no_file(package: Packer) -> None:
    folder = TargetFolder(package(broken="formats = ["))
    assert (list(folder), len(folder)) == (["broken"], 1)
    with pytest.raises(ConfigurationError, match=r"the target file broken\.toml can't be read"):
        _ = folder["broken"]
    with pytest.raises(KeyError):
        _ = folder["another"]


@pytest.mark.parametrize("name", ["no_such_package_of_targets", "pytest_edgegate.registry"])
def test_what_is_no_folder_is_told(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        TargetFolder(name)
    assert raised.value.message.startswith(f"the targets in {name} can't be listed: ")
    assert raised.value.remedy
