"""Names, entry points and what hides what."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnknownNameError,
)
from pytest_edgegate.registry import KINDS, Registry


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """A registry for which only the given entry points are installed."""

    def make(**entries: str) -> Registry:
        registry = Registry()
        points = {
            name: EntryPoint(name, value, KINDS["runtime"]) for name, value in entries.items()
        }
        found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        monkeypatch.setattr(registry, "_entries", found | {"runtime": points})
        return registry

    return make


def test_an_object_is_loaded_on_first_use(installed: Callable[..., Registry]) -> None:
    registry = installed(fraction="fractions:Fraction", broken="no_such_module:THING")
    assert registry.names("runtime") == ["broken", "fraction"]  # and nothing was imported
    from fractions import Fraction

    assert registry.get("runtime", "fraction") is Fraction
    assert registry.names("transform") == []


def test_a_name_is_offered_for_one_that_is_misspelt(installed: Callable[..., Registry]) -> None:
    registry = installed(litert="fractions:Fraction")
    with pytest.raises(UnknownNameError) as raised:
        registry.get("runtime", "litrt")
    assert str(raised.value) == (
        "edgegate error: unknown runtime 'litrt', did you mean 'litert'?\nknown runtimes: litert"
    )
    with pytest.raises(UnknownNameError, match="none installed"):
        registry.get("transform", "x")


def test_what_a_conftest_adds_hides_what_is_installed(installed: Callable[..., Registry]) -> None:
    registry = installed(fraction="fractions:Fraction")
    registry.add("runtime", "fraction", "mine")
    registry.add("runtime", "another", "mine too")
    assert registry.get("runtime", "fraction") == "mine"
    assert registry.all("runtime") == {"another": "mine too", "fraction": "mine"}


def test_what_is_hidden_is_not_even_loaded(installed: Callable[..., Registry]) -> None:
    registry = installed(broken="no_such_module:THING")
    registry.add("runtime", "broken", "mine")
    assert registry.all("runtime") == {"broken": "mine"}


def test_a_package_that_is_missing_is_told_with_its_pip_line(
    installed: Callable[..., Registry],
) -> None:
    registry = installed(jetson="no_such_package.runtime:RUNTIME")
    with pytest.raises(BackendUnavailableError) as raised:
        registry.get("runtime", "jetson")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("edgegate error: the runtime jetson needs the package no_such_pack")
    assert lines[-1] == "pip install 'pytest-edgegate[all]'"
    assert isinstance(raised.value.__cause__, ImportError)


def test_there_are_kinds_of_things(installed: Callable[..., Registry]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'runtime'"):
        installed().add("runtimes", "x", object())


def test_our_own_backends_register_by_the_same_entry_points() -> None:
    registry = Registry()
    assert {"coral", "host"} <= set(registry.names("target"))
    assert {"keras", "litert"} <= set(registry.names("model reader"))
    assert {"litert-xnnpack", "litert-reference"} <= set(registry.names("runtime"))


def test_two_reports_need_two_files(tmp_path: Path) -> None:
    registry = Registry()
    registry.reporter("one", Draws(), tmp_path / "x.md")
    with pytest.raises(ConfigurationError, match=r"'one' and 'two' are both to be written to"):
        registry.reporter("two", Draws(), tmp_path / "x.md")
    registry.reporter("three", Draws(), "/dev/null")
    registry.reporter("four", Draws(), "/dev/null")


class Draws:
    def write(self, path: Path, run: object) -> None:
        raise AssertionError("nothing is to be drawn")
