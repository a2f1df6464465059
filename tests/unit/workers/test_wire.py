"""What may be on the wire, and what becomes of a peer that puts other things there."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.workers.wire import (
    LONGEST_HEADER,
    NO_ARRAYS,
    Expected,
    Message,
    UnsendableError,
    WireError,
    packed,
    receive,
    send,
    unpacked,
)

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array([7]),
    np.empty((0, 4), np.int8),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.arange(8, dtype=">i2")[::2],
    np.array(["né", "b"]),
    np.array([b"\0x"]),
    np.asfortranarray(np.ones((2, 2), np.float16)),
]


def written(message: Message) -> io.BytesIO:
    stream = io.BytesIO()
    send(stream, message)
    stream.seek(0)
    return stream


def raw(header: Any, content: bytes = b"") -> io.BytesIO:
    """A message that ``send`` would not write."""
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack("<Q", len(told)) + told + content)


def array(dtype: Any, shape: Any, content: bytes = b"") -> io.BytesIO:
    return raw({"command": "", "fields": {}, "arrays": [[dtype, shape]]}, content)


@pytest.mark.parametrize("sent", ARRAYS, ids=lambda each: each.dtype.str)
def test_an_array_comes_back_as_it_was(sent: Any) -> None:
    (found,) = receive(written(Message({}, (sent,)))).arrays
    np.testing.assert_array_equal(found, sent)
    assert found.dtype == sent.dtype
    assert found.shape == sent.shape


def test_fields_and_command_come_back() -> None:
    found = receive(written(Message({"x": [1, None, "é"]}, (), "do")))
    assert (found.fields, found.arrays, found.command) == ({"x": [1, None, "é"]}, (), "do")


def test_long_values_go_as_an_array() -> None:
    value = {"names": ["x" * 100] * 20_000}
    with pytest.raises(UnsendableError, match=r"header of 2,\d+,\d+ bytes, where 1,048,576"):
        send(io.BytesIO(), Message(value))
    assert unpacked(receive(written(Message({}, (packed(value),)))).arrays[0]) == value


@pytest.mark.parametrize("dtype", ["O", "V8", "M8[s]", "U10000", [("a", "i4")]])
def test_what_is_not_on_the_list_is_not_sent(dtype: Any) -> None:
    stream = io.BytesIO()
    with pytest.raises(UnsendableError, match="which is not sent"):
        send(stream, Message({}, (np.zeros(2, dtype),)))
    assert not stream.getvalue(), "half a message is no message"


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        ("|O", "dtype"),
        ("O8", "dtype"),
        ("|V4", "dtype"),
        ("<f16", "dtype"),
        ("<f4,<f4", "dtype"),
        ([["a", "<f4"]], "dtype"),
        ("|S0", "dtype"),
        (4, "dtype"),
    ],
)
def test_a_dtype_that_is_not_on_the_list_is_not_read(dtype: Any, told: str) -> None:
    with pytest.raises(WireError, match=told):
        receive(array(dtype, [1], bytes(64)))


@pytest.mark.parametrize("shape", [[-1], [1.0], ["2"], [True], [1] * 33, 3, {"0": 1}])
def test_a_shape_that_is_none_is_not_read(shape: Any) -> None:
    with pytest.raises(WireError, match="shape"):
        receive(array("<f4", shape, bytes(64)))


@pytest.mark.parametrize(
    "header",
    [
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b'{"fields": {}}',
        b"[" * 100_000,
        b'{"command": 1, "fields": {}, "arrays": []}',
    ],
)
def test_a_header_that_is_none_is_an_error(header: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        receive(raw(header))
    assert not isinstance(raised.value, EOFError)


def test_a_long_header_is_refused_before_it_is_read() -> None:
    stream = io.BytesIO(struct.pack("<Q", LONGEST_HEADER + 1) + bytes(100))
    with pytest.raises(WireError, match="header of"):
        receive(stream)
    assert stream.tell() == 8


def test_no_more_bytes_are_read_than_are_expected() -> None:
    expected = Expected(1, 400)
    assert receive(array("<f4", [100], bytes(400)), expected).arrays[0].size == 100
    with pytest.raises(WireError, match="404 bytes, where 400 are expected"):
        receive(array("<f4", [101], bytes(404)), expected)
    with pytest.raises(WireError, match="expected"):
        receive(array("<f4", [1 << 62, 1 << 62]), expected)


def test_no_other_number_of_arrays_is_read_than_is_expected() -> None:
    with pytest.raises(WireError, match="1 arrays, where 0 are expected"):
        receive(array("<f4", [0]), NO_ARRAYS)
    with pytest.raises(WireError, match="0 arrays, where 1 are expected"):
        receive(written(Message({})), Expected(1, 4))


def test_a_message_that_is_cut_short_is_an_end() -> None:
    whole = written(Message({"x": 1}, (np.ones(4),))).getvalue()
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            receive(io.BytesIO(whole[:length]))
