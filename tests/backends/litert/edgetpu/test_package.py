"""The package in a compiled file: what it holds, and whatever else its bytes may be."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import edgetpu_files as files
import pytest

from pytest_edgegate.backends.litert.edgetpu.flatbuffer import OutOfBoundsError
from pytest_edgegate.backends.litert.edgetpu.package import package_of, read_compiled
from pytest_edgegate.core.errors import InferenceError


def test_what_is_cached_and_streamed(tmp_path: Path) -> None:
    options = files.package(
        files.executable(files.EXECUTION, parameters=192, instructions=(1_000,)),
        files.executable(files.CACHING, parameters=640, instructions=(200, 24)),
        runtime=13,
    )
    found = read_compiled(files.compiled(tmp_path / "a_edgetpu.tflite", options=options))
    assert (found.cached, found.streamed, found.instructions, found.runtime) == (
        640,
        192,
        1_224,
        13,
    )
    assert found.spelt == (
        "640 bytes of parameters cached on the chip, 192 streamed, 1,224 of instructions; needs "
        "version 13 of the runtime or a newer one"
    )
    assert {each.chip for each in found.packages[0].executables} == {"beagle"}


@pytest.mark.parametrize(
    ("kinds", "streamed"),
    [((files.STAND_ALONE,), 320), ((files.STAND_ALONE, files.EXECUTION, files.CACHING), 64)],
)
def test_a_program_that_stands_alone_streams_all_unless_another_is_run(
    tmp_path: Path, kinds: tuple[int, ...], streamed: int
) -> None:
    sizes = {files.STAND_ALONE: 320, files.EXECUTION: 64, files.CACHING: 256}
    programs = (files.executable(each, parameters=sizes[each]) for each in kinds)
    options = files.package(*programs)
    found = read_compiled(files.compiled(tmp_path / "a_edgetpu.tflite", options=options))
    assert found.streamed == streamed


def test_a_file_without_the_chip_has_no_package() -> None:
    assert read_compiled(files.SOURCE).packages == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (b"", "its operator holds no DWN1"),
        (b"DWN1", "its operator holds no DWN1"),
        (b"\xff\xff\xff\xffDWN1", "it leads to byte"),
        (files.package(), "it has no program"),
        (files.package(b""), "it leads to byte 0 of 0"),
        (files.package(*[files.executable(0)] * 300), "more than 256 programs"),
        (files.package(*[b"\0\0\0\0"] * 5_000), "a list has 5000 elements"),
    ],
)
def test_a_package_that_is_not_whole(tmp_path: Path, options: bytes, said: str) -> None:
    path = files.compiled(tmp_path / "bad_edgetpu.tflite", options=options)
    with pytest.raises(InferenceError, match="the Edge TPU's package in it is not whole") as raised:
        read_compiled(path)
    assert said in raised.value.message
    assert raised.value.remedy.startswith("make the file again")


SMALL = files.package(
    files.executable(files.EXECUTION, instructions=(8,)),
    files.executable(files.CACHING, parameters=16, instructions=(8,)),
)


def test_broken_bytes_end_in_figures_or_in_an_error_of_ours() -> None:
    """Each place once with another byte, and cut there: nothing reads beyond the bytes."""
    whole, drawn = SMALL, random.Random(0)
    kept = 0
    for at in range(8, len(whole)):
        for byte in (None, 0xFF, *drawn.sample(range(256), 20)):
            changed = b"" if byte is None else bytes([byte]) + whole[at + 1 :]
            try:
                found = package_of(whole[:at] + changed)
            except OutOfBoundsError:
                continue
            kept += 1
            assert 0 <= found.cached + found.streamed + found.instructions <= 4 * len(whole)
    assert kept > 1_000, "bytes of parameters may be any"


def test_a_length_beyond_the_end_is_no_figure() -> None:
    whole = files.executable(files.CACHING, parameters=16)
    held = struct.pack("<I", 16) + bytes(16)
    assert whole.count(held) == 1
    longer = whole.replace(held, struct.pack("<I", 10_000) + bytes(16))
    with pytest.raises(OutOfBoundsError, match="it leads to 10000 bytes"):
        package_of(files.package(longer))


PAIRS = os.environ.get("EDGEGATE_CORAL_PAIRS", "")


@pytest.mark.skipif(not PAIRS, reason="EDGEGATE_CORAL_PAIRS names no folder of compiled pairs")
def test_a_real_file() -> None:
    found = read_compiled(Path(PAIRS) / "mobilenet_v1_0.25_128_quant_edgetpu.tflite")
    assert (found.cached, found.streamed, found.runtime) == (566_912, 0, 12)
    assert found.instructions == 182_656
