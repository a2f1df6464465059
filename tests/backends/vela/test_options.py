"""Which chip, clock and memories a target means, and variants of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgegate.backends.vela import known_names
from pytest_edgegate.backends.vela.tool import TOOL, Vela
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Figure
from pytest_edgegate.registry import Registry
from pytest_edgegate.settings.boards import find_target

from .conftest import needs_vela

SLOW = """
[System_Config.Slow]
core_clock=100e6
axi0_port=Sram
axi1_port=OffChipFlash
Sram_clock_scale=1.0
OffChipFlash_clock_scale=0.125

[Memory_Mode.Shared]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
"""
TABLE = """
[tool.edgegate.targets.ours]
from = "ethos-u55-128"
tool.vela = {system_config = "Slow", memory_mode = "Shared", config = "boards/ours.ini"}
"""


@pytest.fixture
def ours(tmp_path: Path) -> Target:
    """A target in the user's pyproject.toml, with a configuration file beside it."""
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "ours.ini").write_text(SLOW)
    (tmp_path / "pyproject.toml").write_text(TABLE)
    return find_target("ours", tmp_path, Registry())


def with_options(target: Target, **given: object) -> Target:
    return replace(target, tool_options={"vela": {**target.tool_options["vela"], **given}})


def test_a_built_in_target_names_all_of_them(u55: Target) -> None:
    found = dict(TOOL.options(u55))
    assert found.pop("reading")
    assert found == {
        "accelerator": "ethos-u55-128",
        "system_config": "Ethos_U55_High_End_Embedded",
        "memory_mode": "Shared_Sram",
        "config": "Arm/vela.ini",
    }


@needs_vela
def test_a_board_of_the_users_own(ours: Target, u55: Target, digits: Path, out: Path) -> None:
    found = TOOL.compile(digits, ours, out).figures["latency_p50"]
    usual = TOOL.compile(digits, u55, out).figures["latency_p50"]
    assert isinstance(found, Figure)
    assert isinstance(usual, Figure)
    assert "(Slow, Shared)" in found.remark
    assert "cycles at 100 MHz" in found.details[0]
    assert found.value > 4 * usual.value


def test_the_content_of_a_configuration_file_is_in_the_key(ours: Target, tmp_path: Path) -> None:
    before = dict(TOOL.options(ours))
    assert before["accelerator"] == "ethos-u55-128"
    (tmp_path / "boards" / "ours.ini").write_text(SLOW.replace("100e6", "200e6"))
    changed = dict(TOOL.options(ours))
    assert changed.pop("config") != before.pop("config")
    assert changed == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"memory_mod": "x"}, "memory_mod is no option of vela, did you mean 'memory_mode'?"),
        ({"sytem_config": "x"}, "sytem_config is no option of vela, did you mean 'system_config'?"),
        ({"memory_mode": 7}, "memory_mode = 7 is not a name"),
        ({"memory_mode": ""}, "memory_mode = '' is not a name"),
        ({"memory_mode": "--output-dir"}, "memory_mode = '--output-dir' is not a name"),
        ({"config": "none.ini"}, "config = 'none.ini' is no file"),
    ],
)
def test_a_mistake_in_the_table(u55: Target, given: Mapping[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        TOOL.options(with_options(u55, **given))
    assert raised.value.message.startswith(
        "target 'ethos-u55-128' (ethos-u55-128.toml): tool.vela: "
    )
    assert said in raised.value.message
    assert 'accelerator = "ethos-u55-128"' in raised.value.remedy


def test_a_target_that_says_nothing(u55: Target) -> None:
    with pytest.raises(ConfigurationError, match="accelerator, system_config, memory_mode missing"):
        TOOL.options(replace(u55, tool_options={}))


@needs_vela
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"system_config": "Ethos_U55_Deep"},
            "system_config = 'Ethos_U55_Deep', did you mean 'Ethos_U55_Deep_Embedded'? vela knows "
            "Ethos_U55_Deep_Embedded, Ethos_U55_High_End_Embedded, ",
        ),
        ({"memory_mode": "Shared"}, "memory_mode = 'Shared', did you mean 'Shared_Sram'? vela"),
        (
            {"accelerator": "ethos-u55-127"},
            "accelerator = 'ethos-u55-127', did you mean 'ethos-u55-128'? vela knows ethos-u55-32",
        ),
    ],
)
def test_a_name_that_vela_does_not_know_is_told_before_it_runs(
    u55: Target, given: Mapping[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        TOOL.options(with_options(u55, **given))
    assert said in raised.value.message
    assert "tool.vela" in raised.value.message


@needs_vela
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SLOW.replace("System_Config.Slow", "System_Config.Quick"), "'Slow' vela knows Quick"),
        (SLOW.replace("Memory_Mode.Shared", "Other"), "'Shared' vela knows none there"),
        (f"{SLOW}{SLOW}", "config = 'ours.ini' can't be read: While reading from 'ours.ini'"),
        ("[System_Config", "config = 'ours.ini' can't be read: File contains no section headers"),
    ],
)
def test_a_file_of_the_users_own_without_the_names(
    ours: Target, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "boards" / "ours.ini").write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        TOOL.options(ours)
    assert said in raised.value.message


@needs_vela
def test_a_file_of_another_kind(u55: Target, tmp_path: Path) -> None:
    (tmp_path / "ours.txt").write_text(SLOW)
    with pytest.raises(ConfigurationError, match=r"'ours\.txt' does not end in \.ini"):
        TOOL.options(with_options(replace(u55, folder=tmp_path), config="ours.txt"))


def test_names_of_a_package_that_is_not_here_are_not_known(
    u55: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_names, "PACKAGE", "no-such-vela")
    known_names._packaged.cache_clear()
    known_names._accelerators.cache_clear()
    try:
        assert TOOL.options(with_options(u55, system_config="Nope"))["system_config"] == "Nope"
    finally:
        known_names._packaged.cache_clear()
        known_names._accelerators.cache_clear()


@needs_vela
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"axi1_port=OffChipFlash\n": ""}, "Invalid configuration of const_mem_area=Sram"),
        ({"cache_mem_area=Axi0": "cache_mem_area=Axi7"}, "KeyError: 'Axi7'"),
        ({"100e6": "fast"}, "ValueError: could not convert string to float: 'fast'"),
    ],
)
def test_a_section_that_vela_does_not_take_is_no_fault_of_the_model(
    ours: Target, tmp_path: Path, digits: Path, out: Path, wrong: Mapping[str, str], said: str
) -> None:
    content = SLOW
    for was, becomes in wrong.items():
        content = content.replace(was, becomes)
    (tmp_path / "boards" / "ours.ini").write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        TOOL.compile(digits, ours, out)
    assert raised.value.message.startswith("vela does not take the options of the target: ")
    assert said in raised.value.message


ERRORS = "ethosu.vela.errors"
OPTION = "Error: Incorrect argument to CLI option --x"
MEMORY = "Compilation failed: Configured memory size out of bounds for memory: sram"


@pytest.mark.parametrize(
    "program",
    [
        "print('vela: error: argument --memory-mode: no'); sys.exit(2)",
        f"raise type('CliOptionError', (Exception,), {{'__module__': {ERRORS!r}}})({OPTION!r})",
        f"raise RuntimeError({MEMORY!r})",
        "raise ValueError('Invalid System Config')",
    ],
)
def test_options_that_vela_itself_does_not_take(
    mock_vela: Callable[[str], list[str]], u55: Target, digits: Path, out: Path, program: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Vela(mock_vela(program)).compile(digits, u55, out)
    assert raised.value.message.startswith("vela does not take the options of the target: ")
    assert "tool.vela" in raised.value.remedy
