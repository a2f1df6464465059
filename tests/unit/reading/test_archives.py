"""Archives: their directory is checked as a whole before a member is read."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.reading.archives import Limits, opened

Make = Callable[..., Path]
USUAL = Limits()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "a.zip"
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", method) as out:
            for name, content in members:
                out.writestr(name, content)
        return path

    return write


def damaged(reason: str) -> ConfigurationError:
    return ConfigurationError(f"damaged: {reason}", "make it again")


def refusal(path: Path, limits: Limits = USUAL) -> str:
    with pytest.raises(ConfigurationError) as raised, opened(path, damaged, limits):
        pass
    return raised.value.message


def test_what_is_in_it(make: Make) -> None:
    path = make(("a/b.json", b"{}"), ("c/", b""), ("d.bin", bytes(3)))
    with opened(path, damaged) as archive:
        assert archive.names == ("a/b.json", "d.bin")
        assert archive.folders == ("c/",)
        assert archive.size("d.bin") == 3
        assert archive.read("a/b.json") == b"{}"
        with archive.open("d.bin") as stream:
            assert stream.read() == bytes(3)


@pytest.mark.parametrize(
    "name",
    ["../a", "a/../b", "/a", "a\\b", "C:a", "a\nb", "a//b", "./a", "a/..", "n" * 1025],
)
def test_names_that_leave_it(make: Make, name: str) -> None:
    assert "is outside of it" in refusal(make((name, b"")))


def test_a_member_twice(make: Make) -> None:
    assert "the member 'a' twice" in refusal(make(("a", b"1"), ("a", b"2")))
    assert "twice" in refusal(make(("a", b"1"), ("a/", b"")))


def test_a_link(make: Make, tmp_path: Path) -> None:
    path, link = tmp_path / "a.zip", zipfile.ZipInfo("a")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(link, "/etc/passwd")
    assert "is a link" in refusal(path)


def patched(path: Path, local: int, central: int, value: int) -> Path:
    """The archive with two bytes of its one member changed, in both of its headers."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, content.index(b"PK\x03\x04") + local, value)
    struct.pack_into("<H", content, content.rindex(b"PK\x01\x02") + central, value)
    path.write_bytes(bytes(content))
    return path


def test_encryption(make: Make) -> None:
    assert "is encrypted" in refusal(patched(make(("a", b"1")), 6, 8, 1))


@pytest.mark.parametrize("method", [1, 9, 12, 14, 97, 65535])
def test_methods_that_nothing_needs(make: Make, method: int) -> None:
    assert "compressed by a method" in refusal(patched(make(("a", b"1")), 8, 10, method))


def test_limits(make: Make) -> None:
    path = make(("a", bytes(100)), ("b", bytes(100)))
    assert "it has 2 members" in refusal(path, Limits(members=1))
    assert "has 100 bytes" in refusal(path, Limits(member_bytes=99))
    assert "unpack to 200 bytes" in refusal(path, Limits(whole_bytes=199))
    with opened(path, damaged, Limits(2, 100, 200)) as archive, pytest.raises(zipfile.BadZipFile):
        archive.read("a", most=99)


def test_a_bomb(make: Make) -> None:
    path = make(("a", bytes(1_000_000)), method=zipfile.ZIP_DEFLATED)
    assert "unpacks to 1000000 bytes of" in refusal(path, Limits(free_bytes=100_000))
    with opened(path, damaged, Limits(free_bytes=1_000_000)) as archive:
        assert len(archive.read("a")) == 1_000_000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"PK\x05\x06" + bytes(18)])
def test_what_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    if content.startswith(b"PK\x05"):  # of no members
        with opened(path, damaged) as archive:
            assert archive.names == ()
    else:
        assert refusal(path).startswith("damaged: ")


def test_what_breaks_while_it_is_read(make: Make) -> None:
    path = make(("a", bytes(range(256)) * 50), method=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigurationError, match="damaged: ") as raised:  # noqa: SIM117
        with opened(path, damaged) as archive:
            archive.read("a")
    assert raised.value.__cause__ is not None


def test_no_file(tmp_path: Path) -> None:
    assert "a.zip can't be read: no such file" in refusal(tmp_path / "a.zip")
