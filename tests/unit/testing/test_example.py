"""The harness for small projects."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.testing.example import Example

TEST = """
import os

def test_green():
    print(os.environ["EDGE_GREETING"])

def test_red():
    assert False
"""


def test_an_example_is_never_changed() -> None:
    one = Example({"a.txt": "1"})
    other = one.with_files({"a.txt": "2", "b/c.bin": b"3"})
    assert one.files == {"a.txt": "1"}
    assert other.files == {"a.txt": "2", "b/c.bin": b"3"}


def test_files_are_written_below_the_folder(tmp_path: Path) -> None:
    Example({"a.txt": "µ", "b/c.bin": b"\x00"}).write(tmp_path)
    assert (tmp_path / "a.txt").read_text("utf-8") == "µ"
    assert (tmp_path / "b" / "c.bin").read_bytes() == b"\x00"


def test_pytest_is_run_in_a_process_of_its_own(tmp_path: Path) -> None:
    ran = Example({"test_it.py": TEST}).run_pytest(
        tmp_path, "-s", "-q", env={"EDGE_GREETING": "hello", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    )
    assert ran.status == 1
    assert "hello" in ran.output
    assert "1 failed, 1 passed" in ran.output
    assert ran.folder == tmp_path
