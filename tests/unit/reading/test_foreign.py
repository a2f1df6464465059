"""What foreign bytes raise becomes an error of ours, with the original behind it."""

from __future__ import annotations

import struct

import pytest

from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.reading.foreign import foreign, reason_of
from pytest_edgegate.reading.memory import physical_memory


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (struct.error("short"), "error: short"),
        (KeyError("name"), "KeyError: 'name'"),
        (RecursionError("maximum"), "it is nested too deeply"),
        (MemoryError(), "there is not enough memory for it"),
        (OSError(2, "No such file or directory"), "no such file or directory"),
        (ValueError(""), "ValueError"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError("a\x1b[31mb"), "ValueError: a[31mb"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 300),
    ],
)
def test_it_is_said_in_a_line(raised: Exception, said: str) -> None:
    assert reason_of(raised) == said
    with (
        pytest.raises(InferenceError) as caught,
        foreign("m can't be read", "do it", InferenceError),
    ):
        raise raised
    assert caught.value.message == f"m can't be read: {said}"
    assert caught.value.remedy == "do it"
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(
    "raised", [InferenceError("ours", "remedy"), KeyboardInterrupt(), SystemExit(3)]
)
def test_what_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, foreign("what", "remedy"):
        raise raised
    assert caught.value is raised


def test_it_is_a_mistake_unless_told_otherwise() -> None:
    with pytest.raises(ConfigurationError), foreign("what", "remedy"):
        raise ValueError


def test_a_text_that_no_terminal_takes_is_escaped() -> None:
    error = ConfigurationError("a\udcffb", "c\udcffd")
    assert str(error) == "edgegate error: a\\udcffb\nc\\udcffd"


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert physical_memory() > 100_000_000
    monkeypatch.setattr("pytest_edgegate.systems.name.NAME", "windows")
    assert physical_memory() == 64_000_000_000
