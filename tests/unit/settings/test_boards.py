"""Targets of the user's own, in pyproject.toml."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.emulation.runtimes import ONNX_A76
from pytest_edgegate.registry import Registry
from pytest_edgegate.settings.boards import find_target, known_targets

Writer = Callable[[str], Path]


@pytest.fixture
def root(tmp_path: Path) -> Writer:
    def write(text: str) -> Path:
        (tmp_path / "pyproject.toml").write_text(text, "utf-8")
        return tmp_path

    return write


def test_no_file_and_a_file_without_targets(tmp_path: Path, root: Writer) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    assert known_targets(bare, Registry()) == Registry().names("target")
    folder = root("[project]\nname = 'x'\n")
    assert known_targets(folder, Registry()) == Registry().names("target")
    assert find_target("coral", folder, Registry()).name == "coral"


def test_one_that_starts_from_a_built_in(root: Writer) -> None:
    folder = root('[tool.edgegate.targets.camera]\nfrom = "coral"\nio_dtypes = ["int8"]\n')
    found, coral = (find_target(name, folder, Registry()) for name in ("camera", "coral"))
    assert "camera" in known_targets(folder, Registry())
    assert (found.name, found.io_dtypes, found.origin) == ("camera", ("int8",), "pyproject.toml")
    assert (found.operators, found.formats) == (coral.operators, coral.formats)
    assert coral.io_dtypes == ("uint8", "int8")


def test_a_chain_of_them(root: Writer) -> None:
    folder = root("""
[tool.edgegate.targets.b]
from = "a"
default_io = "int8"
[tool.edgegate.targets.a]
from = "coral"
title = "A"
""")
    found = find_target("b", folder, Registry())
    assert (found.title, found.default_io, found.machine) == ("A", "int8", "edgetpu")


def test_a_built_in_is_overridden_from_itself(root: Writer) -> None:
    folder = root('[tool.edgegate.targets.coral]\nfrom = "coral"\nio_dtypes = ["uint8"]\n')
    found = find_target("coral", folder, Registry())
    assert (found.io_dtypes, found.machine, found.origin) == (
        ("uint8",),
        "edgetpu",
        "pyproject.toml",
    )
    assert known_targets(folder, Registry()).count("coral") == 1


def test_others_start_from_the_overridden_one(root: Writer) -> None:
    folder = root("""
[tool.edgegate.targets.coral]
from = "coral"
title = "ours"
[tool.edgegate.targets.camera]
from = "coral"
""")
    assert find_target("camera", folder, Registry()).title == "ours"


def test_one_from_scratch_hides_a_built_in(root: Writer) -> None:
    folder = root("""
[tool.edgegate.targets.coral]
formats = ["litert"]
dtypes = ["int8"]
runtimes = {litert = ["litert-xnnpack"]}
""")
    assert find_target("coral", folder, Registry()).operators == {}


@pytest.mark.parametrize(
    ("names", "circle"),
    [({"a": "b", "b": "a"}, "a -> b -> a"), ({"a": "b", "b": "c", "c": "b"}, "b -> c -> b")],
)
def test_circles(root: Writer, names: dict[str, str], circle: str) -> None:
    folder = root("".join(f'[tool.edgegate.targets.{k}]\nfrom = "{v}"\n' for k, v in names.items()))
    with pytest.raises(ConfigurationError) as raised:
        find_target("a", folder, Registry())
    assert "targets start from each other: " in raised.value.message
    assert circle in raised.value.message
    assert raised.value.remedy.endswith('from = "coral"')


def test_one_that_starts_from_itself_and_is_not_built_in(root: Writer) -> None:
    folder = root('[tool.edgegate.targets.mine]\nfrom = "mine"\n')
    with pytest.raises(ConfigurationError, match="dtypes, formats, runtimes missing"):
        find_target("mine", folder, Registry())


def test_unknown_names(root: Writer) -> None:
    folder = root('[tool.edgegate.targets.camera]\nfrom = "corral"\n')
    with pytest.raises(UnknownNameError, match="unknown target 'corral', did you mean 'coral'"):
        find_target("camera", folder, Registry())
    with pytest.raises(UnknownNameError, match="unknown target 'camra', did you mean 'camera'"):
        find_target("camra", folder, Registry())


def test_the_key_from_is_among_those_that_an_error_lists(root: Writer) -> None:
    folder = root('[tool.edgegate.targets.camera]\nfrm = "coral"\n')
    with pytest.raises(ConfigurationError) as raised:
        find_target("camera", folder, Registry())
    assert "unknown key 'frm', did you mean 'from'?" in raised.value.message
    assert "formats, from, io_dtypes" in raised.value.remedy


def test_a_start_that_is_no_text(root: Writer) -> None:
    folder = root("[tool.edgegate.targets.camera]\nfrom = 3\n")
    with pytest.raises(ConfigurationError, match=r"'camera' \(pyproject.toml\): from = 3 is not"):
        find_target("camera", folder, Registry())


def test_a_file_that_is_no_toml(root: Writer) -> None:
    folder = root("[tool.edgegate.targets.camera\n")
    with pytest.raises(ConfigurationError) as raised:
        find_target("camera", folder, Registry())
    assert "pyproject.toml can't be read" in raised.value.message
    assert raised.value.remedy.startswith("fix the file")


@pytest.mark.parametrize(
    "text",
    [
        "[tool.edgegate]\ntargets = 5\n",
        "[tool.edgegate.targets]\ncamera = 'coral'\n",
        "[tool]\nedgegate = 'coral'\n",
    ],
)
def test_a_table_that_is_none(root: Writer, text: str) -> None:
    folder = root(text)
    with pytest.raises(ConfigurationError) as raised:
        known_targets(folder, Registry())
    assert raised.value.remedy.startswith("write [tool.edgegate.targets.my-board]")


ODD_FILES: dict[str, bytes] = {
    "deep": b"a = " + b"[" * 5_000 + b"]" * 5_000,
    "a number of 6,000 digits": b"a = " + b"9" * 6_000,
    "no text": b"a = '\xff'",
    "large": b"#" * 10_000_001,
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_files_that_toml_readers_choke_on(tmp_path: Path, kind: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(ODD_FILES[kind])
    with pytest.raises(ConfigurationError) as raised:
        known_targets(tmp_path, Registry())
    assert "pyproject.toml can't be read" in raised.value.message
    assert raised.value.remedy


def test_a_pipe_in_its_place(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(ConfigurationError, match="it is a named pipe"):
        known_targets(tmp_path, Registry())


@pytest.mark.parametrize("table", ["", '[tool.edgegate.targets.mine]\nfrom = "mine"\n'])
def test_what_a_conftest_registers_has_to_be_a_target(root: Writer, table: str) -> None:
    registry = Registry()
    registry.add("target", "mine", "coral")
    with pytest.raises(ConfigurationError, match="the target 'mine' is a str, not a Target"):
        find_target("mine", root(table), registry)


OWN_TOOL = """
[tool.edgegate.targets.camera]
from = "coral"
tools = {{ memory = "{tool}" }}
[tool.edgegate.targets.camera.tool.{tool}]
{option}
"""


@pytest.mark.parametrize(
    ("tool", "option", "said"),
    [
        ("bench", 'comand = ["bench"]', "no command, did you mean 'command'?"),
        ("bench", "seconds = 30", "tool.bench has 'seconds' and no command"),
        ("bench", 'version = ["bench", "-V"]', "tool.bench has 'version' and no command"),
        ("vel", "secnds = 5", "brings a tool of that name, did you mean 'vela'?"),
    ],
)
def test_a_table_that_is_meant_as_a_commands_has_one(
    root: Writer, tool: str, option: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_target("camera", root(OWN_TOOL.format(tool=tool, option=option)), Registry())
    assert said in raised.value.message
    assert f'command = ["python3", "tools/{tool}.py", "{{model}}"]' in raised.value.remedy


@pytest.mark.parametrize(("tool", "option"), [("acme", 'chip = "x"'), ("vela", "seconds = 3")])
def test_a_table_may_have_the_options_of_a_tool_that_is_not_here(
    root: Writer, tool: str, option: str
) -> None:
    found = find_target("camera", root(OWN_TOOL.format(tool=tool, option=option)), Registry())
    assert list(found.tool_options) == [tool]


@pytest.mark.parametrize("runtime", ["onnxruntime-cortex-a76", "onnxruntime"])
def test_runtime_of_another_format(root: Writer, runtime: str) -> None:
    """It would call each file damaged; that of a package which is not installed is not known."""
    folder = root(f"""
[tool.edgegate.targets.camera]
from = "raspberry-pi-5"
runtimes = {{ litert = ["litert-xnnpack", "{runtime}", "unheard-of"], onnx = ["onnxruntime"] }}
""")
    registry = Registry()
    registry.add("runtime", "onnxruntime-cortex-a76", ONNX_A76)
    with pytest.raises(ConfigurationError) as error:
        find_target("camera", folder, registry)
    assert error.value.message == (
        f"target 'camera' (pyproject.toml): runtimes lists {runtime} for litert, and {runtime} "
        "runs onnx files only"
    )
    assert error.value.remedy == "list it for onnx, or take it out"
