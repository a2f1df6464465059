"""IR that was written to mislead its reader: refused before OpenVINO sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_edgegate.backends.openvino import ir
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.testing.contract import surroundings

Layer = tuple[str, str, str]


def port(number: int, *shape: int) -> str:
    dims = "".join(f"<dim>{size}</dim>" for size in shape)
    return f'<port id="{number}" precision="FP32">{dims}</port>'


CONST = (
    '<layer id="1" name="w" type="Const"><data element_type="f32" offset="{offset}" size="{size}" '
    f'shape="4"/><output>{port(0, 4)}</output></layer>'
)
LAYERS = (
    f'<layer id="0" name="x" type="Parameter"><output>{port(0, 1, 4)}</output></layer>'
    f'{CONST}<layer id="2" name="add" type="Add"><input>{port(0, 1, 4)}{port(1, 4)}</input>'
    f"<output>{port(2, 1, 4)}</output></layer>"
    f'<layer id="3" name="y" type="Result"><input>{port(0, 1, 4)}</input></layer>'
)
EDGES = ((0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0))


def edges(given: tuple[tuple[int, ...], ...]) -> str:
    return "".join(
        f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>'
        for a, b, c, d in given
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A network that adds a constant to its input, with what a test changes of it."""

    def made(
        offset: object = 0,
        size: object = 16,
        layers: str = LAYERS,
        joined: tuple[tuple[int, ...], ...] = EDGES,
        inside: str = "",
        before: str = "",
    ) -> Path:
        path = tmp_path / "m.xml"
        text = layers.replace("{offset}", str(offset)).replace("{size}", str(size))
        path.write_text(
            f'<?xml version="1.0"?>{before}<net name="m" version="11"><layers>{text}</layers>'
            f"<edges>{edges(joined)}</edges>{inside}</net>"
        )
        (tmp_path / "m.bin").write_bytes(bytes(16))
        return path

    return made


def refused(path: Path) -> str:
    model = READER.recognise(path, surroundings())
    assert model is not None
    told = set()
    for look in (lambda: model.files, lambda: model.node, lambda: INSPECTOR.describe(path)):
        with pytest.raises(InferenceError) as raised:
            look()
        assert raised.value.remedy
        told.add(raised.value.message)
    (message,) = told
    return message


def test_a_healthy_one_is_read(write: Callable[..., Path]) -> None:
    """Else every refusal below would say nothing."""
    path = write()
    model = READER.recognise(path, surroundings())
    assert model is not None
    assert model.files == (path, path.with_suffix(".bin"))
    assert INSPECTOR.describe(path).parameters == 4


@pytest.mark.parametrize("number", ["abc", "-16", "²", "٣", "1e3", "", " 1", "9" * 40, "0x10"])
@pytest.mark.parametrize("key", ["offset", "size"])
def test_places_that_are_none(write: Callable[..., Path], key: str, number: str) -> None:
    assert "w has its values at offset" in refused(write(**{key: number}))


def test_places_behind_the_end(write: Callable[..., Path]) -> None:
    assert "m.bin, which is shorter than 20 bytes" in refused(write(offset=4))
    assert "which is shorter than" in refused(write(offset="9" * 18))


@pytest.mark.parametrize("size", [0, 15, 17, 10**15])
def test_sizes_of_another_shape(write: Callable[..., Path], size: int) -> None:
    assert "and its shape asks for others" in refused(write(size=size))


def test_two_layers_of_one_id(write: Callable[..., Path]) -> None:
    assert "two of its layers have the id '1'" in refused(write(layers=LAYERS + CONST))


def test_a_circle(write: Callable[..., Path]) -> None:
    assert "in a circle" in refused(write(joined=((2, 2, 2, 0), *EDGES[1:])))


@pytest.mark.parametrize(
    "joined", [EDGES[1:], ((9, 0, 2, 0), *EDGES[1:]), ((0, 7, 2, 0), *EDGES[1:])]
)
def test_edges_from_nowhere(
    write: Callable[..., Path], joined: tuple[tuple[int, ...], ...]
) -> None:
    assert "its layers are inconsistent" in refused(write(joined=joined))


@pytest.mark.parametrize("old", ['id="2"', 'name="add"', 'type="Add"', "<dim>4</dim>"])
def test_layers_without_what_they_need(write: Callable[..., Path], old: str) -> None:
    new = "<dim>four</dim>" if "dim" in old else ""
    assert "its layers are inconsistent" in refused(write(layers=LAYERS.replace(old, new)))


def test_elements_in_elements(write: Callable[..., Path]) -> None:
    path = write(inside="<a>" * 100_000 + "</a>" * 100_000)
    assert "nested more than 200 deep" in refused(path)


def test_more_elements_than_a_description_has(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(inside="<a/>" * 100)
    assert INSPECTOR.describe(path).parameters == 4
    monkeypatch.setattr(ir, "_MOST_ELEMENTS", 100)
    assert "it has more than 100 elements" in refused(path)


def test_entities_in_another_encoding(write: Callable[..., Path]) -> None:
    path = write(before='<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>', inside="&a;")
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(InferenceError, match="declares XML entities"):
        INSPECTOR.describe(path)


def integer_chain(length: int) -> Iterator[str]:
    """Concats, each of what the one before it gives, twice."""
    yield f'<layer id="c0" name="c0" type="FakeQuantize"><data levels="256"/><output>{port(9, 4)}'
    yield "</output></layer>"
    for at in range(1, length):
        yield f'<layer id="c{at}" name="c{at}" type="Concat"><input>{port(0, 4)}{port(1, 4)}'
        yield f"</input><output>{port(9, 4)}</output></layer>"


def test_paths_that_double_at_every_layer(write: Callable[..., Path]) -> None:
    """2 to the power of 60 ways lead to the first layer: none is gone twice."""
    layers = LAYERS + "".join(integer_chain(60))
    joined = [(f"c{at - 1}", 9, f"c{at}", end) for at in range(1, 60) for end in (0, 1)]
    described = INSPECTOR.describe(write(layers=layers, joined=(*EDGES, *joined)))
    assert [each.kind for each in described.operators].count("Concat") == 59


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
@pytest.mark.parametrize("needed", [True, False])
def test_weights_that_are_no_file(write: Callable[..., Path], kind: str, needed: bool) -> None:
    """OpenVINO opens the .bin, whether a constant is in it or not."""
    path = write() if needed else write(layers=LAYERS.replace(CONST, CONST.replace("Const", "Odd")))
    weights = path.with_suffix(".bin")
    weights.unlink()
    if kind == "pipe":
        os.mkfifo(weights)
    elif kind == "folder":
        weights.mkdir()
    else:
        weights.symlink_to("/dev/zero")
    assert "m.bin can't be read: it is a" in refused(path)
