"""ONNX files to .tflite by onnx2tf: with the program where it is here, and around it with fakes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert import quantize
from pytest_edgegate.backends.litert.from_onnx import PROGRAM, TRANSFORM, OnnxToLiteRT
from pytest_edgegate.backends.litert.inputs_outputs import drop_unused_tensors
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.reader import READER as LITERT
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.onnx.model_file import import_onnx
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, UnsupportedError
from pytest_edgegate.core.layout import CHANNELS_LAST
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
Save = Callable[..., Path]

_FOUND = os.environ.get("EDGEGATE_ONNX2TF") or shutil.which("onnx2tf")
REAL = pytest.mark.skipif(
    _FOUND is None, reason="onnx2tf is neither named by EDGEGATE_ONNX2TF nor on PATH"
)


class WithProgram(CaseData):
    """The data of a case, with a program at hand."""

    def __init__(self, program: Path, data: EdgeData | None = None) -> None:
        super().__init__(data or EdgeData())
        self._program = program

    def program(self, name: str) -> Path:
        assert name == "onnx2tf"
        return self._program


@pytest.fixture(scope="session")
def onnx() -> ModuleType:
    return import_onnx()


@pytest.fixture
def save(onnx: ModuleType, tmp_path: Path) -> Save:
    """Writes a graph: (operator, inputs, outputs, attributes) each, shapes by name, weights."""

    def write(
        nodes: Sequence[tuple[Any, ...]],
        inputs: dict[str, tuple[Any, ...]],
        outputs: dict[str, tuple[Any, ...]],
        *,
        integers: Sequence[str] = (),
        external: bool = False,
        **weights: Array | tuple[int, ...],
    ) -> Path:
        helper, numbers = onnx.helper, np.random.default_rng(0)
        arrays = {
            name: numbers.normal(size=each).astype(np.float32) if isinstance(each, tuple) else each
            for name, each in weights.items()
        }

        def ends(given: dict[str, tuple[Any, ...]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(name, 7 if name in integers else 1, shape)
                for name, shape in given.items()
            ]

        made = [
            helper.make_node(kind, taken, given, f"/layer_{at}/{kind}", **dict(*more))
            for at, (kind, taken, given, *more) in enumerate(nodes)
        ]
        tensors = [onnx.numpy_helper.from_array(each, name) for name, each in arrays.items()]
        graph = helper.make_graph(made, "graph", ends(inputs), ends(outputs), tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 10
        path = tmp_path / "given" / "net.onnx"
        path.parent.mkdir(exist_ok=True)
        onnx.save(model, path, save_as_external_data=external, location="net.bin", size_threshold=0)
        return path

    return write


@pytest.fixture
def network(save: Save) -> Path:
    return _image_network(save)


def _image_network(save: Save, **how: Any) -> Path:
    """Two inputs, in an order that is not their names'; outputs of one shape, and a map."""
    return save(
        [
            ("Conv", ["a_image", "kernel", "bias"], ["c"]),
            ("GlobalAveragePool", ["c"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["z_table", "dense", "bias"], ["t"], {"transB": 1}),
            ("Add", ["f", "t"], ["s"]),
            ("Softmax", ["s"], ["upper"], {"axis": 1}),
            ("Neg", ["s"], ["a_lower"]),
            ("Sigmoid", ["c"], ["map"]),
        ],
        {"z_table": ("batch", 4), "a_image": ("batch", 3, 6, 5)},
        {"upper": ("batch", 4), "a_lower": ("batch", 4), "map": ("batch", 4, 4, 3)},
        kernel=(4, 3, 3, 3),
        bias=(4,),
        dense=(4, 4),
        **how,
    )


def _convert(
    path: Path, program: Path, coral: Target, out: Path, transform: OnnxToLiteRT = TRANSFORM
) -> Produced:
    model = READER.recognise(path, surroundings())
    assert model is not None
    out.mkdir()
    return transform.apply(model, None, coral, WithProgram(program), out)


@pytest.fixture
def converted(coral: Target, tmp_path: Path) -> Callable[[Path], Produced]:
    def run(path: Path) -> Produced:
        assert _FOUND is not None
        return _convert(path, Path(_FOUND), coral, tmp_path / "converted")

    return run


def _flat_cube(save: Save) -> Path:
    """Channels, height and width alike; order matters to what is flattened."""
    return save(
        [
            ("Conv", ["x", "kernel", "bias"], ["map"], {"pads": [1, 1, 1, 1]}),
            ("Flatten", ["map"], ["f"]),
            ("Gemm", ["f", "dense", "few"], ["scores"], {"transB": 1}),
        ],
        {"x": ("batch", 4, 4, 4)},
        {"scores": ("batch", 3), "map": ("batch", 4, 4, 4)},
        kernel=(4, 4, 3, 3),
        bias=(4,),
        dense=(3, 64),
        few=(3,),
    )


def _sequence(save: Save) -> Path:
    return save(
        [("MatMul", ["x", "w"], ["m"]), ("Tanh", ["m"], ["y"])],
        {"x": ("batch", 6, 6)},
        {"y": ("batch", 6, 6)},
        w=(6, 6),
    )


def _signal(save: Save) -> Path:
    return save(
        [("Conv", ["x", "kernel", "bias"], ["c"], {"pads": [1, 1]}), ("Relu", ["c"], ["y"])],
        {"x": ("batch", 6, 6)},
        {"y": ("batch", 6, 6)},
        kernel=(6, 6, 3),
        bias=(6,),
    )


def _volume(save: Save) -> Path:
    return save(
        [("Conv", ["x", "kernel", "bias"], ["c"], {"pads": [1] * 6}), ("Relu", ["c"], ["y"])],
        {"x": (1, 4, 4, 4, 4)},
        {"y": (1, 4, 4, 4, 4)},
        kernel=(4, 4, 3, 3, 3),
        bias=(4,),
    )


def _token_ids(save: Save) -> Path:
    return save(
        [
            ("Gather", ["table", "ids"], ["g"]),
            ("ReduceMean", ["g", "axes"], ["m"], {"keepdims": 0}),
        ],
        {"ids": ("batch", 6)},
        {"m": ("batch", 4)},
        integers=["ids"],
        table=(11, 4),
        axes=np.array([1]),
    )


def _scaled(save: Save) -> Path:
    """Rank 4 and no convolution: the channels move to the end all the same."""
    return save(
        [("Mul", ["x", "k"], ["m"]), ("ReduceMean", ["m", "axes"], ["y"], {"keepdims": 0})],
        {"x": ("batch", 3, 4, 5)},
        {"y": ("batch", 3, 5)},
        k=(1, 3, 4, 5),
        axes=np.array([2]),
    )


def _reshaped(save: Save) -> Path:
    return save(
        [("Gemm", ["x", "dense"], ["g"]), ("Reshape", ["g", "shape"], ["y"])],
        {"x": ("batch", 4)},
        {"y": ("batch", 2, 3)},
        dense=(4, 6),
        shape=np.array([-1, 2, 3]),
    )


def _passed_through(save: Save) -> Path:
    return save(
        [("Identity", ["x"], ["same"]), ("Relu", ["x"], ["y"]), ("Identity", ["y"], ["again"])],
        {"x": ("batch", 3, 2, 2)},
        {"same": ("batch", 3, 2, 2), "y": ("batch", 3, 2, 2), "again": ("batch", 3, 2, 2)},
    )


def _odd_names(save: Save) -> Path:
    return save(
        [
            ("Conv", ["a/x:0", "one", "bias"], ["p"]),
            ("Conv", ["b/x:0", "two", "bias"], ["q"]),
            ("Add", ["p", "q"], ["out_1"]),
            ("Sub", ["p", "q"], ["out_0"]),
        ],
        {"b/x:0": (1, 4, 4, 4), "a/x:0": (1, 4, 4, 4)},
        {"out_1": (1, 4, 4, 4), "out_0": (1, 4, 4, 4)},
        one=(4, 4, 1, 1),
        two=(4, 4, 1, 1),
        bias=(4,),
    )


GRAPHS = [
    _image_network,
    _flat_cube,
    _sequence,
    _signal,
    _volume,
    _token_ids,
    _scaled,
    _reshaped,
    _passed_through,
    _odd_names,
]


@REAL
@pytest.mark.parametrize("graph", GRAPHS, ids=[each.__name__.strip("_") for each in GRAPHS])
def test_the_outputs_of_onnxruntime(
    graph: Callable[[Save], Path], save: Save, converted: Callable[[Path], Produced], infer: Any
) -> None:
    path = graph(save)
    before = path.read_bytes()
    produced = converted(path)
    numbers = np.random.default_rng(1)
    with OPTIMISED.open(path) as runner:
        arrays = tuple(
            numbers.integers(0, 10, size=(1, *each.shape[1:]))
            if each.dtype == "int64"
            else numbers.normal(size=(1, *each.shape[1:])).astype(np.float32)
            for each in runner.inputs
        )
        wanted = runner.infer(arrays)
        names = [[each.name for each in side] for side in (runner.inputs, runner.outputs)]
        ranks = [len(each.shape) for each in runner.inputs]
    for outputs in infer(produced, *arrays).values():
        for output, expected in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(output, expected, atol=1e-4, rtol=0)
    described = INSPECTOR.describe(produced.main)
    [signature] = unpack(produced.main).signatureDefs
    signed = [[one.name.decode() for one in side] for side in (signature.inputs, signature.outputs)]
    assert signed == names
    assert [each.name for each in described.inputs] == names[0]
    if graph is not _passed_through:  # one tensor there is two outputs, and has one name
        assert [each.name for each in described.outputs] == names[1]
    assert {each.shape[0] for each in (*described.inputs, *described.outputs)} == {1}
    assert b"edgegate" not in produced.main.read_bytes()
    assert produced.layout.inputs == tuple(CHANNELS_LAST if rank == 4 else None for rank in ranks)
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["net.onnx"]


@REAL
def test_the_same_bytes_twice(save: Save, coral: Target, tmp_path: Path) -> None:
    assert _FOUND is not None
    path = _image_network(save)
    one, other = (
        _convert(path, Path(_FOUND), coral, tmp_path / name).main for name in ("one", "other")
    )
    assert one.read_bytes() == other.read_bytes()
    cleaned = unpack(one)
    drop_unused_tensors(cleaned)
    assert pack(cleaned) == one.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()


@REAL
def test_weights_in_a_file_of_their_own(
    save: Save, converted: Callable[[Path], Produced], infer: Any
) -> None:
    path = _image_network(save, external=True)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    assert set(before) == {"net.onnx", "net.bin"}
    table, image = np.ones((1, 4), np.float32), np.ones((1, 3, 6, 5), np.float32)
    with OPTIMISED.open(path) as runner:
        wanted = runner.infer((table, image))
    for outputs in infer(converted(path), table, image).values():
        for output, expected in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(output, expected, atol=1e-5)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


@REAL
def test_what_is_made_can_be_quantised(
    save: Save,
    converted: Callable[[Path], Produced],
    coral: Target,
    tmp_path: Path,
    infer: Any,
    sqnr: Any,
) -> None:
    produced = converted(_flat_cube(save))
    images = np.random.default_rng(0).normal(size=(32, 4, 4, 4)).astype(np.float32)
    model = LITERT.recognise(produced.main, surroundings())
    assert model is not None
    data = CaseData(EdgeData(calibration=images), produced.layout)
    (tmp_path / "int8").mkdir()
    made = quantize.TRANSFORM.apply(model, PTQ(), coral, data, tmp_path / "int8")
    assert INSPECTOR.describe(made.main).fully_quantized
    laid_out = Produced(made.main, made.files, layout=produced.layout)
    exact = infer(produced, images)["reference"]
    for outputs in infer(laid_out, images).values():
        for output, expected in zip(outputs, exact, strict=True):
            assert sqnr(expected, output) > 25


@REAL
def test_an_operator_without_a_form_is_named(
    save: Save, converted: Callable[[Path], Produced]
) -> None:
    path = save([("Relu", ["x"], ["r"]), ("Det", ["r"], ["y"])], {"x": (1, 2, 4, 4)}, {"y": (1, 2)})
    with pytest.raises(UnsupportedError) as raised:
        converted(path)
    assert "net has operators that LiteRT does not: Det (/layer_1/Det)" in raised.value.message
    assert raised.value.remedy


def test_a_dynamic_shape_is_refused(save: Save, coral: Target, tmp_path: Path) -> None:
    path = save([("Relu", ["x"], ["y"])], {"x": ("batch", "long")}, {"y": ("batch", "long")})
    with pytest.raises(UnsupportedError) as raised:
        _convert(path, tmp_path / "none", coral, tmp_path / "out")
    assert "the input 'x' has the dynamic shape (1, -1)" in raised.value.message


# ---- around the program, with a fake of it


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Path]:
    """A script in onnx2tf's place: ``given``, ``made`` and ``log`` are at its hand."""

    def write(body: str) -> Path:
        program = tmp_path / "fake_onnx2tf"
        program.write_text(
            f"#!{sys.executable}\n"
            "import os, subprocess, sys, time\nfrom pathlib import Path\n"
            "arguments = sys.argv[1:]\n"
            'given = Path(arguments[arguments.index("-i") + 1])\n'
            'made = Path(arguments[arguments.index("-o") + 1])\n'
            f"log = Path({str(tmp_path / 'log')!r})\n{body}\n"
        )
        program.chmod(0o755)
        return program

    return write


def _failure(
    path: Path, program: Path, coral: Target, out: Path, limit: float = 60
) -> EdgeGateError:
    with pytest.raises(EdgeGateError) as raised:
        _convert(path, program, coral, out, OnnxToLiteRT(limit))
    assert raised.value.remedy
    return raised.value


def test_a_failure_says_the_last_line_that_tells(
    network: Path, fake: Any, coral: Target, tmp_path: Path
) -> None:
    program = fake(
        'print("Traceback"); print("\\x1b[31mERROR: the shape (1, 2) does not fit\\x1b[0m")\n'
        'print("bye"); sys.exit(3)'
    )
    error = _failure(network, program, coral, tmp_path / "out")
    assert isinstance(error, CompressionError)
    assert error.message == "onnx2tf failed on net: ERROR: the shape (1, 2) does not fit"
    assert "--tb=long" in error.remedy
    assert "Traceback" in str(error.__cause__)
    assert "bye" in str(error.__cause__)


def test_a_failure_at_an_operator_names_it(
    network: Path, fake: Any, coral: Target, tmp_path: Path
) -> None:
    line = "NotImplementedError: validation failed: op=Foo node=/head/Foo reason_code=x"
    program = fake(f"print({line!r}, file=sys.stderr)\nsys.exit(1)")
    error = _failure(network, program, coral, tmp_path / "out")
    assert isinstance(error, UnsupportedError)
    assert "net has the operator Foo (/head/Foo), which onnx2tf can't convert" in error.message


def test_a_file_of_a_run_that_failed_is_no_result(
    network: Path, fake: Any, coral: Target, tmp_path: Path
) -> None:
    body = "made.mkdir()\n(made / 'model_float32.tflite').write_bytes(b'half')\nprint('killed')"
    error = _failure(network, fake(f"{body}\nsys.exit(9)"), coral, tmp_path / "out")
    assert error.message == "onnx2tf failed on net: killed"


def test_success_without_a_file_is_a_failure(
    network: Path, fake: Any, coral: Target, tmp_path: Path
) -> None:
    error = _failure(network, fake('print("error: disk full")'), coral, tmp_path / "out")
    assert error.message == "onnx2tf failed on net: error: disk full"
    assert _failure(network, fake(""), coral, tmp_path / "silent").message.endswith(
        "printed nothing"
    )


def test_a_program_that_hangs_ends_with_all_that_it_started(
    network: Path, fake: Any, coral: Target, tmp_path: Path
) -> None:
    program = fake(
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n'
        "log.write_text(str(child.pid))\ntime.sleep(600)"
    )
    started = time.monotonic()
    error = _failure(network, program, coral, tmp_path / "out", limit=2)
    assert time.monotonic() - started < 30
    assert isinstance(error, CompressionError)
    assert "did not finish net in 2 seconds" in error.message
    assert _has_ended(int((tmp_path / "log").read_text()))


def _has_ended(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, signal.SIG_DFL)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_it_is_given_a_copy_and_a_home_to_throw_away(
    network: Path, fake: Any, coral: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = network.read_bytes()
    program = fake(
        "log.write_text('\\n'.join([str(given), os.getcwd(), os.environ['HOME'], "
        "os.environ['PATH'], os.environ.get('PYTHONPATH', ''), *arguments]))\n"
        'given.write_bytes(b"overwritten")\n'
        'for each in (given.parent, Path.home()): (each / "left").write_text("behind")\n'
    )
    _failure(network, program, coral, tmp_path / "out")
    given, folder, home, path, python_path, *arguments = (tmp_path / "log").read_text().split("\n")
    assert network.read_bytes() == before
    assert [each.name for each in network.parent.iterdir()] == ["net.onnx"]
    assert Path(given).parent == Path(folder) == Path(home)
    assert not Path(folder).exists()
    assert path.split(os.pathsep)[0] == str(program.parent)  # its own onnxsim, not another one
    assert python_path == ""
    # Axes are moved by rule for images alone
    assert arguments[-2:] == ["-kat", "edgegate_input_0"]


def test_an_end_that_is_gone_is_no_result(
    network: Path, fake: Any, coral: Target, tmp_path: Path, files: dict[str, Path]
) -> None:
    program = fake(
        f"made.mkdir()\n(made / 'model_float32.tflite').write_bytes(Path({str(files['float'])!r})"
        ".read_bytes())"
    )
    error = _failure(network, program, coral, tmp_path / "out")
    assert isinstance(error, CompressionError)
    assert "made of net does not have the input 'z_table' of shape (1, 4)" in error.message


def test_the_remedy_makes_the_program() -> None:
    lines = PROGRAM.remedy.splitlines()
    assert lines[2] == "python3.12 -m venv ~/.onnx2tf && ~/.onnx2tf/bin/pip install onnx2tf"
    assert lines[-1].endswith("edge_onnx2tf = ~/.onnx2tf/bin/onnx2tf")
    assert TRANSFORM.programs == (PROGRAM,)
