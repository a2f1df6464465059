"""Paths that can't be read, whatever the reason: our own message, no traceback, and no waiting."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytest_edgegate.testing.fakes import fake_model

KINDS = {
    "long": "file name too long",
    "deep": "file name too long",
    "null": "does not exist",
    "no_text": "its name, or that of a folder on the way, is no text",
    "pipe": "it is a named pipe",
    "device": "it is a device",
    "loop": "does not exist",
    "dangling": "does not exist",
    "below_a_file": "does not exist",
    "empty_folder": "is no model that an installed backend knows",
}

MORE = """

import os


def odd(kind, folder):
    path = folder / "odd.fake"
    if kind == "long":
        return "a" * 300 + ".fake"
    if kind == "deep":
        return "/".join(["abc"] * 2000)
    if kind == "null":
        return "a\\0b.fake"
    if kind == "no_text":
        path = folder / "a\\udcffb.fake"
        path.touch()
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "device":
        return "/dev/zero"
    if kind == "loop":
        path.symlink_to(path)
    if kind == "dangling":
        path.symlink_to("nowhere")
    if kind == "empty_folder":
        path.mkdir()
    if kind == "below_a_file":
        path.touch()
        return path / "below" / "it"
    return path


@pytest.fixture
def given(request, tmp_path):
    return odd(request.node.name.split("_", 2)[2].split("[")[0], tmp_path)
"""

MODELS = """

@pytest.fixture
def edge_model(given):
    return given
"""


@pytest.fixture
def bad(play: Any, inner_conftest: str) -> Any:
    """One run with every odd path as the model of a fixture, and as a file to check."""
    fixtures = "".join(f"def test_model_{kind}(edge_ptq): ...\n" for kind in KINDS)
    checked = "".join(
        f"def test_check_{kind}(edge_gate, given):\n    edge_gate.check(given)\n" for kind in KINDS
    )
    gone = (
        "import os\n\ndef test_0(tmp_path):\n    os.chdir(tmp_path)\n    tmp_path.rmdir()\n\n"
        "def test_gone(edge_ptq): ...\n\n"
        "def test_nowhere(edge_gate):\n    edge_gate.check('nowhere.fake')\n"
    )
    return play(
        {
            "conftest.py": inner_conftest + MORE,
            "models/conftest.py": "import pytest\n" + MODELS,
            "models/test_model.py": fixtures,
            "test_check.py": checked,
            "test_gone.py": gone,
        },
        "--edge-target=fake-board",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_of_a_fixture(bad: Any, kind: str) -> None:
    assert bad.letter(f"test_model_{kind}") == "E"
    bad.assert_fault(bad.text(f"test_model_{kind}"), KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_is_checked(bad: Any, kind: str) -> None:
    assert bad.letter(f"test_check_{kind}") == "F"
    bad.assert_fault(bad.text(f"test_check_{kind}"), KINDS[kind])


def test_a_working_folder_that_was_deleted(bad: Any) -> None:
    assert bad.status == 1
    assert bad.letter("test_gone") == "."
    bad.assert_fault(bad.text("test_nowhere"), "nowhere.fake does not exist")


OPTIONS = {
    "--edge-model": ("long", "deep", "pipe", "device", "missing", "no_text"),
    "--edge-data": ("long", "deep", "pipe", "device", "missing", "folder"),
    "--edge-cache": ("long", "deep"),
    "--edge-report-json": ("long", "deep"),
}
SAID = {
    **KINDS,
    "missing": "does not exist",
    "folder": "it is a folder",
}


@pytest.mark.parametrize(
    ("option", "kind"), [(option, kind) for option, kinds in OPTIONS.items() for kind in kinds]
)
def test_a_path_of_an_option(pytester: pytest.Pytester, option: str, kind: str) -> None:
    fake_model(pytester.path / "m.fake")
    (pytester.path / "eval.npz").touch()
    (pytester.path / "folder").mkdir()
    os.mkfifo(pytester.path / "pipe")
    (pytester.path / "a\udcffb").touch()
    pytester.makeconftest('pytest_plugins = ["pytest_edgegate.testing.fakes"]')
    given = {
        "long": "a" * 300,
        "deep": "/".join(["abc"] * 2000),
        "device": "/dev/zero",
        "no_text": "a\udcffb",
    }.get(kind, kind)
    sound = {"--edge-model": "m.fake", "--edge-data": "eval.npz", "--edge-target": "fake-board"}
    written = [f"{name}={value}" for name, value in {**sound, option: given}.items()]
    result = pytester.runpytest_inprocess(*written, "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = str(result.stderr)
    assert f"edgegate error: {option}: " in text
    assert SAID[kind] in text
    assert "Traceback" not in text


def test_a_table_of_targets_that_is_none(pytester: pytest.Pytester) -> None:
    """A gate without a test file has no collector that could tell it."""
    fake_model(pytester.path / "m.fake")
    (pytester.path / "eval.npz").touch()
    pytester.makepyprojecttoml("[tool.edgegate]\ntargets = 3\n")
    result = pytester.runpytest_inprocess("--edge-model=m.fake", "--edge-data=eval.npz")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is not a table of tables*"])
