"""Text of others on a terminal and in the log of a CI server."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.core.printable import printable, printable_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 5 µs -> 日本語 🙂", "plain, 5 µs -> 日本語 🙂"),
        ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
        ("over\rwritten\b\x7f\x9b31m", r"over\rwritten\x08\x7f\x9b31m"),
        ("turned \u202egpj.exe\u2066", r"turned \u202egpj.exe\u2066"),
        ("next\u2028line\x85", r"next\u2028line\x85"),
        ("no text \ud800", r"no text \ud800"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_can_not_be_seen_is_an_escape(text: str, shown: str) -> None:
    assert visible(text) == printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::add-mask::x", r"\::add-mask::x"),
        ("a\n \t::stop-commands::x\nb", "a\n \t\\::stop-commands::x\nb"),
        ("a\n\xa0::error::x", "a\n\xa0\\::error::x"),
        ("layer ##[add-mask]x", r"layer ##\[add-mask]x"),
        ("test_a.py::test", "test_a.py::test"),
    ],
)
def test_no_line_is_a_command_of_a_ci_server(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_one_line() -> None:
    assert printable_line("a\n::b::") == r"a\n::b::"


def test_errors_and_warnings_are_printed_so() -> None:
    error = ConfigurationError("\x1b[31m\n::add-mask::x", "mend\n##[debug]it")
    assert str(error) == "edgegate error: \\x1b[31m\n\\::add-mask::x\nmend\n##\\[debug]it"
    assert error.message == "\x1b[31m\n::add-mask::x"
    assert str(EdgeGateWarning("::error::\x07")) == r"\::error::\x07"
