"""Files that are no model, not all of one, or a dangerous one: an error of ours, with a remedy."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.model_file import cleaned
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import surroundings

X = np.ones((1, 4), np.float32)


def fault(path: Path, *, described: bool = True) -> str:
    """The message of the one error that opening and describing give."""
    with pytest.raises(InferenceError) as raised, OPTIMISED.open(path) as runner:
        runner.infer((X,))
    assert raised.value.remedy
    if described:
        with pytest.raises(InferenceError) as told:
            INSPECTOR.describe(path)
        assert told.value.remedy
    return raised.value.message


@pytest.mark.parametrize("content", [b"", b"hello, I am text\n", b"\x08", bytes(200)])
def test_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    assert "can't be opened" in fault(path)


def test_a_protobuf_of_another_kind(onnx: ModuleType, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(onnx.load(tiny).graph.SerializeToString())
    assert "can't be opened" in fault(path)


def test_a_folder_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").mkdir()
    assert READER.recognise(tmp_path / "x.onnx", surroundings()) is None
    assert "can't be read" in fault(tmp_path / "x.onnx")


@pytest.mark.parametrize(("opset", "text"), [(99, "newest"), (3, "older than"), (0, "no opset")])
def test_opsets(onnx: ModuleType, tiny: Path, tmp_path: Path, opset: int, text: str) -> None:
    model = onnx.load(tiny)
    if opset:
        model.opset_import[0].version = opset
    else:
        del model.opset_import[:]
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    assert text in fault(path)


@pytest.mark.parametrize("domain", ["my.own", ""])
def test_operators_of_ones_own(build: Any, tmp_path: Path, domain: str) -> None:
    node = ("Wavelet", ["x"], ["y"], {"domain": domain})
    path = build(tmp_path / "x.onnx", [node], check=False)
    assert "Wavelet" in fault(path, described=False)


GRAPHS: dict[str, Any] = {
    "a cycle": [("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"]), ("Relu", ["b"], ["y"])],
    "a missing tensor": [("Add", ["x", "nowhere"], ["y"])],
    "a name twice": [("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])],
    "an output that nothing makes": [("Relu", ["x"], ["z"])],
    "shapes that do not fit": [("MatMul", ["x", "w"], ["y"])],
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_that_are_wrong(build: Any, tmp_path: Path, kind: str) -> None:
    arrays = {"w": np.ones((5, 3), np.float32)}
    path = build(tmp_path / "x.onnx", GRAPHS[kind], arrays, check=False)
    fault(path, described=False)


def test_nodes_in_another_order(build: Any, tmp_path: Path) -> None:
    """Against the letter of the format, and ONNX Runtime takes it: so does the gate."""
    nodes = [("Relu", ["a"], ["y"]), ("Neg", ["x"], ["a"])]
    path = build(tmp_path / "x.onnx", nodes, check=False)
    assert len(INSPECTOR.describe(path).operators) == 2
    with OPTIMISED.open(path) as runner:
        np.testing.assert_array_equal(runner.infer((-X,))[0], X)


def test_ends_that_are_no_tensors(onnx: ModuleType, build: Any, tmp_path: Path) -> None:
    path = build(tmp_path / "x.onnx", [("SequenceConstruct", ["x"], ["y"])], check=False)
    model = onnx.load(path)
    kind = onnx.helper.make_tensor_type_proto(1, ["batch", 4])
    model.graph.output[0].type.CopyFrom(onnx.helper.make_sequence_type_proto(kind))
    path.write_bytes(model.SerializeToString())
    assert "'y' is a seq" in fault(path, described=False)


class TestExternalData:
    @pytest.fixture
    def split(self, onnx: ModuleType, tiny: Path, tmp_path: Path) -> Path:
        path = tmp_path / "split.onnx"
        onnx.save_model(
            onnx.load(tiny),
            path,
            save_as_external_data=True,
            location="split.data",
            size_threshold=0,
        )
        return path

    def relocated(self, onnx: ModuleType, path: Path, location: str) -> None:
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        path.write_bytes(model.SerializeToString())

    def test_works_and_ships(self, split: Path, tiny: Path, photos: np.ndarray) -> None:
        model = READER.recognise(split, surroundings())
        assert model is not None
        data = split.parent / "split.data"
        assert model.files == (split, data)
        assert sum(each.stat().st_size for each in model.files) > tiny.stat().st_size * 0.9
        assert INSPECTOR.describe(split).parameters == INSPECTOR.describe(tiny).parameters
        with OPTIMISED.open(split) as one, OPTIMISED.open(tiny) as other:
            np.testing.assert_array_equal(one.infer((photos,))[0], other.infer((photos,))[0])
        before = model.digest()
        content = bytearray(data.read_bytes())
        content[0] ^= 1
        data.write_bytes(bytes(content))
        again = READER.recognise(split, surroundings())
        assert again is not None
        assert again.digest() != before

    def test_is_compressed_into_one_file(
        self, split: Path, int8: Path, compress: Callable[..., Path]
    ) -> None:
        made = compress(split, PTQ())
        assert made.parent.joinpath("split.data").exists() is False
        assert abs(made.stat().st_size - int8.stat().st_size) < 200

    def test_missing(self, split: Path) -> None:
        (split.parent / "split.data").unlink()
        assert "split.data, which is missing" in fault(split)

    def test_too_short(self, split: Path) -> None:
        data = split.parent / "split.data"
        data.write_bytes(data.read_bytes()[:-4])
        assert "is shorter than" in fault(split)

    @pytest.mark.parametrize(
        "location", ["../../etc/passwd", "/etc/passwd", "", ".", "a/../../split.data", "\0"]
    )
    def test_outside_its_folder(self, onnx: ModuleType, split: Path, location: str) -> None:
        self.relocated(onnx, split, location)
        assert "outside its folder" in fault(split)

    def test_behind_a_link(self, onnx: ModuleType, split: Path, tmp_path: Path) -> None:
        (split.parent / "linked").symlink_to("/etc/passwd")
        self.relocated(onnx, split, "linked")
        assert "outside its folder" in fault(split)


def test_cleaned_leaves_no_note(onnx: ModuleType, tiny: Path) -> None:
    model, helper = onnx.load(tiny), onnx.helper
    end = helper.make_tensor_value_info("inner", 1, None)
    inner = helper.make_node("Relu", ["x"], ["inner"], doc_string="SECRET")
    branch = helper.make_graph([inner], "body", [], [end], doc_string="SECRET")
    model.graph.node.append(
        helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    )
    opset = helper.make_opsetid("", 18)
    function = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [opset]
    )
    model.functions.append(function)
    graph = model.graph
    noted = [
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *model.functions,
        *model.functions[0].node,
    ]
    for part in noted:
        part.doc_string = "SECRET"
        entry = part.metadata_props.add()
        entry.key, entry.value = "SECRET", "SECRET"
    assert b"SECRET" not in cleaned(model).SerializeToString()


def test_an_int8_file_is_int8(int8: Path, half: Path, tiny: Path) -> None:
    nodes = [READER.recognise(path, surroundings()) for path in (int8, half, tiny)]
    assert [each.node for each in nodes if each] == [
        ("onnx", "int8"),
        ("onnx", "float16"),
        ("onnx", "float32"),
    ]


def test_an_int8_file_is_not_compressed_again(int8: Path, cpu: Target) -> None:
    from pytest_edgegate.core.errors import UnsupportedError
    from pytest_edgegate.planner import make_plan
    from pytest_edgegate.registry import Registry

    model = READER.recognise(int8, surroundings())
    assert model is not None
    with pytest.raises(UnsupportedError, match="finished int8 file"):
        make_plan(model, (PTQ(),), cpu, Registry().all("transform"))


DAMAGES = """
import sys
from pathlib import Path
import numpy as np
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.testing.contract import surroundings

def tell(work):
    try:
        work()
    except EdgeGateError as error:
        assert error.remedy
        return "refused"
    return "works"

def run(path):
    with OPTIMISED.open(path) as runner:
        runner.infer((np.ones((2, 3, 8, 8), np.float32),))

for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    model = READER.recognise(path, surroundings())
    print(path.stem, tell(lambda: model.node), tell(model.digest),
          tell(lambda: INSPECTOR.describe(path)), tell(lambda: run(path)), flush=True)
"""


def test_sixty_damages(tiny: Path, int8: Path, tmp_path: Path) -> None:
    """Each is told or runs; none is another exception, none ends the process."""
    chance = random.Random(0)
    for number in range(60):
        content = bytearray((tiny if number % 2 else int8).read_bytes())
        if number % 5 == 0:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(1 + number % 3):
                at = chance.randrange(len(content))
                if number % 4 == 0:  # where the graph is, not the weights
                    at = chance.randrange(200)
                content[at] ^= 1 << chance.randrange(8)
        (tmp_path / f"{number:02}.onnx").write_bytes(bytes(content))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", DAMAGES, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-300:] + ran.stderr[-3000:]
    lines = ran.stdout.splitlines()
    assert len(lines) == 60
    assert sum("refused" in line for line in lines) >= 12
    assert ran.stderr == ""


def test_nothing_heavy_to_tell_what_a_file_is(tiny: Path, int8: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import surroundings
for path in {[str(tiny), str(int8)]!r}:
    found = [each.recognise(Path(path), surroundings()) for each in
             Registry().all("model reader").values()]
    [model] = [each for each in found if each is not None]
    print(model.name, *model.node, len(model.digest()), len(model.files))
heavy = ("onnxruntime", "torch", "tensorflow", "keras", "jax")
print(*[name for name in heavy if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["tiny onnx float32 64 1", "tiny onnx int8 64 1", ""]
