"""Damaged and hostile .npz files: an error of ours, which never says to load it unsafely."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data import npz
from pytest_edgegate.data.npz import read_npz

X = np.arange(40, dtype=np.float32).reshape(20, 2)
Y = np.arange(20)


def npy(array: Any, **saving: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, array, **saving)
    return made.getvalue()


def headed(header: str | bytes, content: bytes = b"", version: int = 1) -> bytes:
    """The bytes of an array with a header of one's own."""
    text = header if isinstance(header, bytes) else header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def described(descr: object, shape: object) -> str:
    return repr({"descr": descr, "fortran_order": False, "shape": shape}) + "\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """An .npz whose x is what a test says."""

    def made(x: bytes, method: int = zipfile.ZIP_STORED, name: str = "x.npy") -> Path:
        path = tmp_path / "eval.npz"
        with zipfile.ZipFile(path, "w", method) as out:
            out.writestr(name, x)
            out.writestr("y.npy", npy(Y))
        return path

    return made


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read_npz(path)
    message, remedy = raised.value.message, raised.value.remedy
    assert message.startswith("eval.npz can't be read as an .npz file: ")
    assert remedy == "save it with numpy.savez(file, x=x_test, y=y_test)"
    for advice in ("allow_pickle", "unsafe", "fully trust", "max_header_size"):
        assert advice not in message
    return message


class Evil:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self._marker), "w"))


def test_python_objects(write: Any, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    evil = npy(np.array([Evil(marker)], object), allow_pickle=True)
    assert "an array of Python objects, which can run code" in refusal(write(evil))
    assert "is not an .npy array" in refusal(write(pickle.dumps(Evil(marker))))
    hidden = headed(described([("a", "|O")], (1,)), pickle.dumps(Evil(marker)))
    assert "an array of records" in refusal(write(hidden))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is not an .npy array"),
        (b"raw bytes of no array", "it is not an .npy array"),
        (b"\x93NUMPY", "it is not an .npy array"),
        (b"\x93NUMPY\x09\x00" + bytes(50), "it is not an .npy array"),
        (npy(X)[:9], "it is not an .npy array"),
        (headed(b" " * 20_000), "its header has 20000 bytes"),
        (headed(b" " * 2_000_000, version=2), "its header has 2000000 bytes"),
        (headed(b"(" * 9_000), "its header is malformed"),
        (headed(b"[" * 60 + b"]" * 60), "its header is malformed"),
        (headed(b"-" * 9_000 + b"1"), "its header is malformed"),
        (headed("{'descr': open('x', 'w')}"), "its header is malformed"),
        (headed("{'descr': '<f4'}"), "its header is malformed"),
        (headed(b"\xff\xfe", version=3), "x.npy"),
        (headed(described("<f4", [20, 2])), "its shape is invalid"),
        (headed(described("<f4", (-20, 2))), "its shape is invalid"),
        (headed(described("<f4", (True,))), "its shape is invalid"),
        (headed(described("<f4", (10**30,))), "do not match its shape and dtype"),
        (headed(described("<f4", (20, 2)), bytes(159)), "its 159 bytes do not match"),
        (headed(described("<f4", (20, 2)), bytes(161)), "its 161 bytes do not match"),
        (headed(described("<U0", (10**12,))), "which no model takes"),
        (headed(described("|V0", (10**12,))), "which no model takes"),
        (headed(described("<M8[s]", (1,)), bytes(8)), "which no model takes"),
        (headed(described("(2,3)f4", (1,)), bytes(24)), "x.npy"),
        (headed(described("<f3", (1,)), bytes(3)), "a dtype that numpy does not know"),
        (headed(described("nonsense", (1,))), "a dtype that numpy does not know"),
        (headed(described(3, (1,))), "an array of records"),
    ],
)
def test_headers(write: Any, content: bytes, said: str) -> None:
    assert said in refusal(write(content))


def test_a_member_that_is_no_npy_by_its_name(write: Any) -> None:
    assert "its member 'x' is not an .npy array" in refusal(write(npy(X), name="x"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_numpy_never_uses(write: Any, method: int) -> None:
    assert "compressed by a method" in refusal(write(npy(X), method))


@pytest.mark.parametrize(
    ("at", "also", "value", "said"),
    [
        (6, 8, 1, "is encrypted"),
        (8, 10, 99, "compressed by a method"),
        (8, 10, 8, "BadZipFile"),
    ],
)
def test_a_directory_that_lies(write: Any, at: int, also: int, value: int, said: str) -> None:
    path = write(npy(X))
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, at, value)
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + also, value)
    path.write_bytes(bytes(content))
    assert said in refusal(path)


def test_more_than_the_machine_holds(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(npy(X))
    monkeypatch.setattr(npz, "physical_memory", lambda: 500)
    assert "bytes, and this machine has 500" in refusal(path)


def test_a_constant_mask_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "eval.npz"
    masks = np.zeros((30, 500, 500), np.uint8)
    np.savez_compressed(path, x=masks, y=np.arange(30))
    assert path.stat().st_size * 900 < masks.nbytes
    monkeypatch.setattr(npz, "_LIMITS", replace(npz._LIMITS, free_bytes=0))  # as of a larger one
    assert read_npz(path).data.evaluation[0].shape == (24, 500, 500)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|u1", "|i1", "|b1", "<i8", "<c8", "<U3"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_plain_array_is_read(tmp_path: Path, dtype: str, order: str) -> None:
    path = tmp_path / "eval.npz"
    x = np.asarray(np.arange(40).reshape(20, 2).astype(dtype), order=order)
    np.savez(path, x=x, y=Y, x_calibration=np.zeros((0, 2), dtype), unread=np.array([None]))
    found = read_npz(path).data
    np.testing.assert_array_equal(found.evaluation[0], x)
    assert found.evaluation[0].dtype == x.dtype
