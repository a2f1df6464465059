"""External programs: found by ini or PATH, told apart by what is installed beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import ExternalProgram
from pytest_edgegate.session.building.external_programs import Programs

CONVERT = ExternalProgram("convert-it", "making an X of a Y", "pip install convert-it")


def script(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_ini_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = script(tmp_path / "bin" / "convert-it")
    named = script(tmp_path / "own" / "convert-it")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert Programs({}, tmp_path).find(CONVERT) == on_path
    assert Programs({"convert-it": ""}, tmp_path).find(CONVERT) == on_path
    assert Programs({"convert-it": str(named)}, tmp_path).find(CONVERT) == named
    assert Programs({"convert-it": "own/convert-it"}, tmp_path).find(CONVERT) == named


def test_a_home_folder_is_known_by_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = script(tmp_path / "tools" / "convert-it")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Programs({"convert-it": "~/tools/convert-it"}, tmp_path / "x").find(CONVERT) == named


@pytest.mark.parametrize("named", ["", "nowhere/convert-it"])
def test_a_missing_program_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        Programs({"convert-it": named}, tmp_path).find(CONVERT)
    assert "making an X of a Y needs the program convert-it" in raised.value.message
    assert ("ini edge_convert-it: nowhere" if named else "on PATH") in raised.value.message
    assert raised.value.remedy == "pip install convert-it"


def test_what_can_not_be_run_is_no_program(tmp_path: Path) -> None:
    plain = tmp_path / "convert-it"
    plain.write_text("text")
    plain.chmod(0o644)
    with pytest.raises(ConfigurationError):
        Programs({"convert-it": str(plain)}, tmp_path).find(CONVERT)


def test_a_version_is_of_all_that_is_installed_beside_it(tmp_path: Path) -> None:
    program = script(tmp_path / "venv" / "bin" / "convert-it")
    programs = Programs({"convert-it": str(program)}, tmp_path)
    bare = programs.versions([CONVERT])
    installed = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    (installed / "convert-it-2.1.0.dist-info").mkdir(parents=True)
    own = programs.versions([CONVERT])
    (installed / "needed-1.0.dist-info").mkdir()
    grown = programs.versions([CONVERT])
    assert own["convert-it"].startswith("convert-it-2.1.0 ")
    assert len({*bare.values(), *own.values(), *grown.values()}) == 3


def test_a_script_of_ones_own_is_known_by_its_content(tmp_path: Path) -> None:
    program = script(tmp_path / "convert-it")
    programs = Programs({"convert-it": str(program)}, tmp_path)
    before = programs.versions([CONVERT])
    script(program, "#!/bin/sh\ntrue\n")
    assert programs.versions([CONVERT]) != before
