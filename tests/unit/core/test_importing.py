"""Packages are named while they are imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from pytest_edgegate.core.importing import ImportsTold

PACKAGES = ("edge_slow", "edge_inner", "edge_other", "edge_broken")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    (tmp_path / "edge_slow").mkdir()
    (tmp_path / "edge_slow" / "__init__.py").write_text("import edge_inner\nfrom . import part")
    (tmp_path / "edge_slow" / "part.py").write_text("")
    (tmp_path / "edge_inner.py").write_text("")
    (tmp_path / "edge_other.py").write_text("import wave")
    (tmp_path / "edge_broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    heard: list[str] = []

    @contextmanager
    def around(name: str) -> Iterator[None]:
        heard.append(f"{name} begins")
        yield
        heard.append(f"{name} ends")

    imports = ImportsTold(around)
    imports.begin()
    yield heard
    imports.end()
    assert imports not in sys.meta_path
    for name in (*PACKAGES, "edge_slow.part"):
        sys.modules.pop(name, None)


def test_what_a_package_imports_itself_is_part_of_it(told: list[str]) -> None:
    import_module("edge_slow")
    assert told == ["edge_slow begins", "edge_slow ends"]
    assert "edge_inner" in sys.modules


def test_the_standard_library_and_what_is_imported_already_are_left_out(told: list[str]) -> None:
    import_module("edge_other")
    import_module("edge_other")
    assert told == ["edge_other begins", "edge_other ends"]


def test_what_fails_and_what_is_missing_do_not_stop_the_telling(told: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        import_module("edge_broken")
    with pytest.raises(ModuleNotFoundError):
        import_module("edge_missing")
    import_module("edge_other")
    assert told[-2:] == ["edge_other begins", "edge_other ends"]
