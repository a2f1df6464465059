"""Where a report goes: files by rename, links followed, all else written into or refused."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.reports import writing
from pytest_edgegate.reports.writing import write_report

OPTION = "--edge-report-json"
TEXT = b'{"schema": 1}\n'


def write(path: Path, content: bytes = TEXT) -> None:
    write_report(path, content, OPTION)


def refused(path: Path, reason: str) -> None:
    with pytest.raises(StorageError, match=reason) as raised:
        write(path)
    assert raised.value.message.startswith(f"the report {path} can't be written")
    assert f"{OPTION}=FILE" in raised.value.remedy


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_is_as_open_as_the_umask_says(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "new" / "folder" / "report.json"
    write(path)
    assert path.read_bytes() == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["report.json"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o440])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(mode)
    write(path)
    assert path.read_bytes() == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_another_user_s_file_in_one_s_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr(os, "chown", refuse)
    write(path)
    assert path.read_bytes() == TEXT


def test_other_names_of_a_file_keep_its_past(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    os.link(path, tmp_path / "snapshot.json")
    write(path)
    assert (tmp_path / "snapshot.json").read_text() == "old"
    assert path.read_bytes() == TEXT


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed_to_the_file(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "elsewhere" / "kept.json"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    (tmp_path / "second").symlink_to("elsewhere/kept.json")
    link = tmp_path / "report.json"
    link.symlink_to(tmp_path / "second")
    write(link)
    assert target.read_bytes() == TEXT
    assert link.is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert os.listdir(target.parent) == ["kept.json"]


def test_a_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "report.json").symlink_to("../kept.json")
    write(tmp_path / "link" / "report.json")
    assert (tmp_path / "kept.json").read_bytes() == TEXT


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    refused(tmp_path / "one", "levels of symbolic links")
    assert (tmp_path / "one").is_symlink()


def test_what_can_be_written_into_is_not_replaced() -> None:
    before = os.stat("/dev/null")
    write(Path("/dev/null"))
    assert os.stat("/dev/null") == before


def test_a_device_that_is_full(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    for path in (Path("/dev/full"), tmp_path / "link"):
        refused(path, "No space left on device")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert not [each for each in os.listdir("/dev") if each.startswith(".edgegate")]


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "nobody reads from it")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_pipe_with_a_reader_gets_all_of_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    content = os.urandom(1_000_000)
    reader = os.open(tmp_path / "pipe", os.O_RDWR)  # a writer, too: no end before the first byte
    read: list[bytes] = []

    def drain() -> None:
        with open(reader, "rb", buffering=0) as opened:
            while sum(map(len, read)) < len(content):
                read.append(opened.read(65_536))

    thread = threading.Thread(target=drain)
    thread.start()
    write(tmp_path / "pipe", content)
    thread.join()
    assert b"".join(read) == content
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_reader_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.0)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(StorageError, match="nobody has read from it"):
            write(tmp_path / "pipe", bytes(1_000_000))
    finally:
        os.close(reader)


def test_a_reader_that_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    opened = writing._opened

    def leave(target: Path) -> int:
        found = opened(target)
        os.close(reader)
        return found

    monkeypatch.setattr(writing, "_opened", leave)
    refused(tmp_path / "pipe", "Broken pipe")


def test_a_folder_a_socket_and_a_name_that_can_not_be(tmp_path: Path) -> None:
    refused(tmp_path, "it is a folder")
    refused(Path("/"), "it is a folder")
    with socket.socket(socket.AF_UNIX) as served:
        address = tmp_path / "s"
        served.bind(os.path.relpath(address))
        refused(address, "it is a socket")
    refused(tmp_path / ("x" * 300), "File name too long")
    refused(tmp_path / "nul\0l", "null")


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255))
    assert (tmp_path / ("x" * 255)).read_bytes() == TEXT


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_a_descriptor_of_this_process_goes_on_where_it_is(tmp_path: Path, form: str) -> None:
    with open(tmp_path / "out.txt", "wb", buffering=0) as opened:
        opened.write(b"before\n")
        path = Path(form.format(opened.fileno()))
        if form == "link":
            path = tmp_path / "link"
            path.symlink_to(f"/dev/fd/{opened.fileno()}")
        write(path)
        opened.write(b"after\n")
    assert (tmp_path / "out.txt").read_bytes() == b"before\n" + TEXT + b"after\n"


def test_a_descriptor_that_is_closed() -> None:
    refused(Path("/proc/self/fd/987"), "Bad file descriptor")
