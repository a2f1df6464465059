"""Files that send their readers elsewhere or round in circles: refused before anything follows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.model_file import open_model
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.testing.contract import surroundings

W = np.arange(4, dtype=np.float32)


def refused(path: Path) -> str:
    """The one message that every way into the file gives."""
    model = READER.recognise(path, surroundings())
    assert model is not None
    told = set()
    for look in (
        lambda: model.files,
        lambda: INSPECTOR.describe(path),
        lambda: OPTIMISED.open(path),
    ):
        with pytest.raises(InferenceError) as raised:
            look()
        assert raised.value.remedy
        told.add(raised.value.message)
    (message,) = told
    return message


@pytest.fixture
def outside(onnx: ModuleType) -> Callable[..., Any]:
    """A tensor whose values are in another file: ``outside(location="w.bin", offset="0")``."""

    def make(**entries: str) -> Any:
        tensor = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        return tensor

    return make


@pytest.fixture
def placed(onnx: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """A model that adds a tensor of 4 to its input, with the tensor put where a test says."""
    helper = onnx.helper
    (tmp_path / "w.bin").write_bytes(W.tobytes())

    def graph(nodes: list[Any], **parts: Any) -> Any:
        ends = [helper.make_tensor_value_info(name, 1, [1, 4]) for name in ("x", "y")]
        return helper.make_graph(nodes, "g", ends[:1], ends[1:], **parts)

    def function(tensor: Any) -> tuple[Any, list[Any]]:
        constant = helper.make_node("Constant", [], ["w"], value=tensor)
        body = [constant, helper.make_node("Add", ["a", "w"], ["b"])]
        opset = [helper.make_opsetid("", 18)]
        return (
            graph([helper.make_node("F", ["x"], ["y"], domain="own")]),
            [helper.make_function("own", "F", ["a"], ["b"], body, opset)],
        )

    def sparse(tensor: Any, position: str) -> Any:
        values = helper.make_tensor("w", 1, [4], W)
        indices = helper.make_tensor("", 7, [4], [0, 1, 2, 3])
        held = onnx.SparseTensorProto(dims=[4], values=values, indices=indices)
        getattr(held, position).CopyFrom(tensor)
        return held

    def write(tensor: Any, where: str) -> Path:
        add, functions = [helper.make_node("Add", ["x", "w"], ["y"])], []
        if where == "function":
            made, functions = function(tensor)
        elif where in ("values", "indices"):
            made = graph(add, sparse_initializer=[sparse(tensor, where)])
        elif where == "attribute":
            made = graph([helper.make_node("Constant", [], ["w"], value=tensor), *add])
        elif where == "list":
            odd = helper.make_node("Constant", [], ["w"])
            odd.attribute.add(name="held", type=9).tensors.append(tensor)
            made = graph([odd, *add])
        elif where == "branch":
            inner = helper.make_graph(
                [], "b", [], [helper.make_tensor_value_info("w", 1, [4])], initializer=[tensor]
            )
            fork = helper.make_node("If", ["c"], ["w"], then_branch=inner, else_branch=inner)
            held = helper.make_tensor("c", 9, [], [True])
            made = graph([fork, *add], initializer=[held])
        else:
            made = graph(add, initializer=[tensor])
        model = helper.make_model(
            made,
            functions=functions,
            ir_version=9,
            opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
        )
        path = tmp_path / "x.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


PLACES = ("initializer", "function", "values", "indices", "attribute", "list", "branch")


class TestWhereTheWeightsLie:
    @pytest.mark.parametrize("where", PLACES)
    def test_elsewhere(self, placed: Any, outside: Any, tmp_path: Path, where: str) -> None:
        (tmp_path / "deep").mkdir()
        secret = tmp_path.parent / f"{tmp_path.name}-secret"
        secret.write_bytes(W.tobytes())
        message = refused(placed(outside(location=f"../{secret.name}"), where))
        assert "outside its folder" in message

    @pytest.mark.parametrize("where", PLACES)
    def test_missing(self, placed: Any, outside: Any, tmp_path: Path, where: str) -> None:
        path = placed(outside(location="w.bin"), where)
        (tmp_path / "w.bin").unlink()
        assert "w.bin, which is missing" in refused(path)

    @pytest.mark.parametrize("where", ["initializer", "attribute", "function"])
    def test_beside_it(self, placed: Any, outside: Any, tmp_path: Path, where: str) -> None:
        """All that is refused here is refused for where it points, not for pointing."""
        path = placed(outside(location="w.bin"), where)
        assert READER.recognise(path, surroundings()).files == (path, tmp_path / "w.bin")
        alone = tmp_path / "alone" / "alone.onnx"
        alone.parent.mkdir()
        alone.write_bytes(open_model(path).SerializeToString())
        assert b"w.bin" not in alone.read_bytes()
        with OPTIMISED.open(alone) as runner:
            np.testing.assert_array_equal(runner.infer((np.ones((1, 4), np.float32),))[0], [W + 1])

    def test_in_the_model_itself(self, placed: Any, outside: Any, tmp_path: Path) -> None:
        assert "in the model file itself" in refused(placed(outside(location="x.onnx"), ""))
        (tmp_path / "again").symlink_to("x.onnx")
        assert "in the model file itself" in refused(placed(outside(location="again"), ""))

    @pytest.mark.parametrize("number", ["-5", "abc", "²", "9" * 30, "1e3", " 1", "0x10", "٣"])
    @pytest.mark.parametrize("key", ["offset", "length"])
    def test_at_no_place(self, placed: Any, outside: Any, key: str, number: str) -> None:
        path = placed(outside(location="w.bin", **{key: number}), "")
        assert "at an offset or of a length that is none" in refused(path)

    @pytest.mark.parametrize(
        "entries",
        [
            {"offset": "4"},
            {"offset": "9" * 17},
            {"length": "17"},
            {"offset": "1", "length": "16"},
        ],
    )
    def test_behind_the_end(self, placed: Any, outside: Any, entries: dict[str, str]) -> None:
        assert "is shorter than" in refused(placed(outside(location="w.bin", **entries), ""))

    def test_of_a_shape_that_is_none(self, placed: Any, outside: Any) -> None:
        for dims in ([-4], [4, -1]):
            tensor = outside(location="w.bin")
            tensor.dims[:] = dims
            assert "of a length that is none" in refused(placed(tensor, ""))

    def test_more_than_the_machine_holds(
        self, placed: Any, outside: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pytest_edgegate.backends.onnx import external

        monkeypatch.setattr(external, "physical_memory", lambda: 15)
        with pytest.raises(InferenceError, match="16 bytes of weights, and this machine has 15"):
            open_model(placed(outside(location="w.bin"), ""))

    def test_in_two_places(self, placed: Any, outside: Any) -> None:
        tensor = outside(location="/etc/passwd")
        tensor.external_data.add(key="location", value="w.bin")
        assert "in two places" in refused(placed(tensor, ""))

    def test_in_the_memory_of_the_process(self, placed: Any, outside: Any, tmp_path: Path) -> None:
        """ONNX Runtime reads what lies at the offset, whatever files there are."""
        (tmp_path / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
        (tmp_path / "*" / "_ORT_MEM_ADDR_" / "*").write_bytes(W.tobytes())
        assert "outside" in refused(placed(outside(location="*/_ORT_MEM_ADDR_/*", offset="0"), ""))

    @pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
    def test_in_what_is_no_file(self, placed: Any, outside: Any, tmp_path: Path, kind: str) -> None:
        held = tmp_path / "odd"
        if kind == "pipe":
            os.mkfifo(held)
        elif kind == "folder":
            held.mkdir()
        else:
            try:
                os.mknod(held, 0o600 | 0o020000, os.makedev(1, 5))
            except PermissionError:
                pytest.skip("only root may make a device")
        message = refused(placed(outside(location="odd"), ""))
        assert message.startswith("odd can't be read: it is a")


class TestFunctions:
    @pytest.fixture
    def calling(self, onnx: ModuleType, tmp_path: Path) -> Callable[..., Path]:
        """A model whose functions call what a test says, once for each time that it is named."""
        helper = onnx.helper

        def body(calls: list[str]) -> list[Any]:
            names = ["a", *(f"t{at}" for at in range(len(calls) - 1)), "b"]
            return [
                helper.make_node(
                    call, [names[at]], [names[at + 1]], domain="" if call == "Relu" else "own"
                )
                for at, call in enumerate(calls)
            ]

        def write(**functions: list[str]) -> Path:
            opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
            ends = [helper.make_tensor_value_info(name, 1, [1, 4]) for name in ("x", "y")]
            node = helper.make_node(next(iter(functions)), ["x"], ["y"], domain="own")
            graph = helper.make_graph([node], "g", ends[:1], ends[1:])
            made = [
                helper.make_function("own", name, ["a"], ["b"], body(calls), opsets)
                for name, calls in functions.items()
            ]
            model = helper.make_model(graph, functions=made, ir_version=9, opset_imports=opsets)
            path = tmp_path / "x.onnx"
            path.write_bytes(model.SerializeToString())
            return path

        return write

    def test_that_end(self, calling: Any) -> None:
        path = calling(F=["G", "Relu", "G"], G=["Relu"])
        with OPTIMISED.open(path) as runner:
            x = np.array([[-1, 0, 1, 2]], np.float32)
            np.testing.assert_array_equal(runner.infer((x,))[0], np.maximum(x, 0))

    def test_that_call_themselves(self, calling: Any) -> None:
        assert "its function 'F' calls itself" in refused(calling(F=["Relu", "F"]))

    def test_that_call_each_other(self, calling: Any) -> None:
        assert "calls itself" in refused(calling(F=["G"], G=["Relu", "H"], H=["G"]))

    def test_that_nobody_calls(self, calling: Any) -> None:
        assert "'G' calls itself" in refused(calling(F=["Relu"], G=["G"]))

    def test_that_differ_by_their_overloads(self, calling: Any) -> None:
        """Each calls the next one twice: 2^40 nodes, of one name."""
        path = calling(F=["F", "F"])
        model = onnx.load(path)
        body = model.functions[0]
        del model.functions[:]
        for at in range(40):
            each = model.functions.add()
            each.CopyFrom(body)
            each.overload = str(at)
            for node in each.node:
                node.overload = str(at + 1)
        model.ir_version = 10
        path.write_bytes(model.SerializeToString())
        assert "unfold to" in refused(path)
        model.functions[1].overload = "0"
        path.write_bytes(model.SerializeToString())
        assert "two functions of one name" in refused(path)

    def test_in_a_chain_that_is_long(self, calling: Any) -> None:
        path = calling(**{f"F{at}": [f"F{at + 1}"] for at in range(3_000)}, F3000=["F0"])
        assert "calls itself" in refused(path)

    def test_that_unfold_without_end(self, calling: Any) -> None:
        doubling = {f"F{at}": [f"F{at + 1}"] * 2 for at in range(40)}
        assert "unfold to" in refused(calling(**doubling, F40=["Relu"]))


def test_branches_in_branches(tmp_path: Path) -> None:
    """The onnx package itself can't write them: a protobuf ends at 100 messages in messages."""

    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = field(1, field(4, b"Relu"))
    for _ in range(2_000):
        attribute = field(1, b"then_branch") + field(6, graph)
        graph = field(1, field(4, b"If") + field(5, attribute))
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\x08\x09" + field(7, graph) + field(8, b"\x10\x12"))
    assert "it is no ONNX protobuf" in refused(path)


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1, 4]) for name in ("xxxx", "y")]
    node = onnx.helper.make_node("Relu", ["xxxx"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:]))
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString().replace(b"xxxx", b"\xff\xfe\xff\xfe"))
    assert "which is no text" in refused(path)
