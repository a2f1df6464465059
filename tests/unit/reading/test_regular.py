"""Regular files only, and every other path is an error of ours that never waits."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import ConfigurationError, InferenceError, UnreadableFileError
from pytest_edgegate.reading import regular
from pytest_edgegate.reading.regular import (
    files_in,
    files_of_model,
    is_there,
    open_regular,
    read_bytes,
    regular_size,
    where_started,
)


def said(look: Callable[[], object]) -> str:
    with pytest.raises(UnreadableFileError) as raised:
        look()
    assert raised.value.remedy.startswith("check the path and its permissions: ")
    return raised.value.message


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"12345")
    with open_regular(path) as opened:
        assert opened.read() == b"12345"
    assert (read_bytes(path, 5), regular_size(path)) == (b"12345", 5)
    (tmp_path / "link").symlink_to(path)
    assert read_bytes(tmp_path / "link", 5) == b"12345"


def test_more_bytes_than_such_a_file_has(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"12345")
    assert "its 5 bytes are more than the 4" in said(lambda: read_bytes(path, 4))


def odd(kind: str, folder: Path) -> Path:
    """Something that is no regular file."""
    path = folder / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        made = socket.socket(socket.AF_UNIX)
        made.bind(os.path.relpath(path))  # an absolute one may be too long for a socket
        made.close()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        return Path("/dev/zero")
    elif kind == "long":
        return folder / ("a" * 300)
    elif kind == "null":
        return folder / "a\0b"
    elif kind == "below a file":
        path.write_bytes(b"")
        return path / "below"
    return path


KINDS = {
    "pipe": "it is a named pipe",
    "folder": "it is a folder",
    "device": "it is a device",
    "socket": "no such device or address",
    "loop": "too many levels of symbolic links",
    "long": "file name too long",
    "null": "ValueError: embedded null byte",
    "below a file": "not a directory",
    "missing": "no such file or directory",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = odd(kind, tmp_path)
    for look in (open_regular, regular_size, lambda path: read_bytes(path, 9)):
        message = said(lambda look=look: look(path))
        assert KINDS[kind] in message
        assert message.startswith(path.name[:100])


def test_it_is_a_mistake_of_the_user_and_a_fault_of_the_file() -> None:
    assert issubclass(UnreadableFileError, ConfigurationError)
    assert issubclass(UnreadableFileError, InferenceError)


def test_whether_something_is_there(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "nowhere")
    assert not is_there(odd("loop", tmp_path))
    assert "file name too long" in said(lambda: is_there(tmp_path / ("a" * 300)))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/a\xff"))
    assert not is_there(path)
    path.mkdir()
    assert "a\\udcff can't be read: its name" in said(lambda: is_there(path))


def test_a_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert where_started() == gone
    shutil.rmtree(gone)
    assert where_started() is None


def test_a_folder_of_absurdly_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regular, "_MOST_FILES", 3)
    for name in "abc":
        (tmp_path / name).touch()
    assert [each.name for each in sorted(files_in(tmp_path))] == ["a", "b", "c"]
    (tmp_path / "d").touch()
    assert "more than 3 files are in it" in said(lambda: files_in(tmp_path))


CLOSED = """
import sys
from pathlib import Path
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.reading.regular import is_there, open_regular
for look, name in ((open_regular, "closed.bin"), (open_regular, "closed/in.bin"),
                   (is_there, "closed/in.bin")):
    try:
        look(Path(sys.argv[1], name))
    except EdgeGateError as error:
        print(error.message)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    """Permissions do not bind root, as which tests may run, unless it gives that up."""
    (tmp_path / "closed").mkdir()
    for name in ("closed.bin", "closed/in.bin"):
        (tmp_path / name).touch(0o000)
    (tmp_path / "closed").chmod(0o000)
    lowered = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("no setpriv to give up what root may do")
    ran = subprocess.run(
        [*(lowered if os.geteuid() == 0 else []), sys.executable, "-c", CLOSED, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    (tmp_path / "closed").chmod(0o700)
    assert ran.returncode == 0, ran.stderr
    names = ("closed.bin", "in.bin", "in.bin")
    assert ran.stdout.splitlines() == [f"{name} can't be read: permission denied" for name in names]


class TestFilesOfAModel:
    def test_those_below_it_and_links_between_them(self, tmp_path: Path) -> None:
        (tmp_path / "model" / "inner").mkdir(parents=True)
        (tmp_path / "model" / "inner" / "b").touch()
        (tmp_path / "model" / "a").symlink_to("inner/b")
        (tmp_path / "linked").symlink_to("model")
        assert [each.name for each in files_of_model(tmp_path / "linked")] == ["a", "b"]

    @pytest.mark.parametrize("target", ["../secret", "/proc/kmsg", "/nowhere", "../other"])
    def test_a_link_out_of_it_is_refused(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "other").mkdir()
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "model" / "variables").symlink_to(target)
        with pytest.raises(UnreadableFileError, match="variables in model is a link") as raised:
            files_of_model(tmp_path / "model")
        assert "cp -rL" in raised.value.remedy
