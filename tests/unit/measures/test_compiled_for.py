"""Whether a target has the chip, and its size, that a file was compiled for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_edgegate.core.description import UNKNOWN_SIZE, CompiledFor
from pytest_edgegate.measures.compiled import elsewhere, lacking
from pytest_edgegate.targets.folder import built_in

U55 = built_in()["ethos-u55-128"]
FOR_U55 = CompiledFor("an Arm Ethos-U55-128", "CUSTOM:ethos-u", "ethosu", size="ethos-u55-128")
FOR_U85 = replace(FOR_U55, chip="an Arm Ethos-U85-256", size="ethos-u85-256")
UNKNOWN = replace(FOR_U55, chip="an Arm Ethos-U", size=UNKNOWN_SIZE)


def test_a_program_runs_on_the_size_that_it_names_only() -> None:
    assert lacking("m.tflite", U55, FOR_U55) == ""
    assert lacking("m.tflite", U55, FOR_U85) == (
        "m.tflite is compiled for an Arm Ethos-U85-256, and the driver of ethos-u55-128 refuses "
        "what is made for another chip"
    )
    assert elsewhere(FOR_U85).endswith("(ethos-u85-256)")


def test_a_program_that_names_no_size() -> None:
    assert lacking("m.tflite", U55, UNKNOWN) == (
        "m.tflite is compiled for an Arm Ethos-U, and names none that is known: the driver of "
        "ethos-u55-128 refuses it"
    )
    assert elsewhere(UNKNOWN).endswith("(ethosu...)")


def test_what_the_tools_compile_for_goes_before_the_machine() -> None:
    """A target from a built-in one keeps its machine."""
    ours = replace(U55, name="ours", tool_options={"vela": {"accelerator": "ethos-u85-256"}})
    assert lacking("m.tflite", ours, FOR_U85) == ""
    assert "the driver of ethos-u85-256 (ours) refuses" in lacking("m.tflite", ours, FOR_U55)


@pytest.mark.parametrize(
    ("machine", "runs"),
    [
        ("Ethos-U55", True),
        ("ethos-u55-128", True),
        ("ethos-u55-256", False),
        ("ethos-u85", False),
        ("ethos-u", True),
        ("i.MX 93 with an Ethos-U65, 2 GB", True),
        ("raspberry-pi", False),
    ],
)
def test_a_target_without_tools_says_it_by_its_machine(machine: str, runs: bool) -> None:
    plain = replace(U55, machine=machine, tool_options={})
    assert (lacking("m.tflite", plain, FOR_U55) == "") is runs
