"""IR and OpenVINO against ONNX Runtime, hand counts, and files that are not what they seem."""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import openvino
import pytest
from onnx import helper

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.openvino import runtime
from pytest_edgegate.backends.openvino.compress import TRANSFORM as COMPRESS
from pytest_edgegate.backends.openvino.from_onnx import TRANSFORM as CONVERT
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.backends.openvino.runtime import BLOCK, RUNTIME
from pytest_edgegate.core.description import KeptState
from pytest_edgegate.core.environment import Processor
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    EdgeGateError,
    InferenceError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]


def by_onnxruntime(path: Path, *arrays: Array) -> list[Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    outputs: list[Array] = session.run(None, dict(zip(names, arrays, strict=True)))
    return outputs


def ran(path: Path, *arrays: Array) -> tuple[Array, ...]:
    with RUNTIME.open(path) as runner:
        return runner.infer(arrays)


def dtype(path: Path) -> str:
    found = READER.recognise(path, surroundings())
    assert found is not None
    return found.node[1]


@pytest.mark.parametrize("count", [1, 2, BLOCK, BLOCK + 1, 40])
def test_the_export_is_the_model(small: Path, floats: Produced, samples: Array, count: int) -> None:
    [expected] = by_onnxruntime(small, samples[:count])
    for path in (floats.main, small):  # IR, and the ONNX file in OpenVINO
        [found] = ran(path, samples[:count])
        assert np.abs(found - expected).max() < 1e-5


def test_a_fixed_batch_is_filled_up(
    kit: SimpleNamespace, tmp_path: Path, make: Any, samples: Array
) -> None:
    fixed = kit.write(
        tmp_path / "four.onnx", kit.nodes(), kit.weights, {"x": [4, 2, 6, 6]}, {"y": [4, 3]}
    )
    [found] = ran(make(fixed).main, samples[:10])
    expected = np.concatenate(
        [
            by_onnxruntime(fixed, np.resize(samples[at : at + 4], (4, 2, 6, 6)))[0]
            for at in (0, 4, 8)
        ]
    )[:10]
    assert np.abs(found - expected).max() < 1e-5


def test_several_ends_keep_their_order_and_names(
    kit: SimpleNamespace, tmp_path: Path, make: Any
) -> None:
    nodes = [
        helper.make_node("Add", ["a", "b"], ["total"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    ends = {"b": ["n", 3], "a": ["n", 3]}
    outs = {"total": ["n", 3], "difference": ["n", 3]}
    path = kit.write(tmp_path / "ends.onnx", nodes, {}, ends, outs)
    produced = make(path)
    b, a = np.ones((2, 3), np.float32), np.full((2, 3), 5, np.float32)
    with RUNTIME.open(produced.main) as runner:
        assert [each.name for each in runner.inputs] == ["b", "a"]
        assert [each.name for each in runner.outputs] == ["total", "difference"]
        total, difference = runner.infer((b, a))
    assert (total == 6).all()
    assert (difference == 4).all()
    described = INSPECTOR.describe(produced.main)
    assert [each.name for each in described.inputs] == ["b", "a"]
    assert [each.name for each in described.outputs] == ["total", "difference"]


def test_int8_is_near_the_model_and_all_of_it_integer(
    small: Path, quantised: Produced, samples: Array
) -> None:
    [expected], [found] = by_onnxruntime(small, samples), ran(quantised.main, samples)
    assert np.linalg.norm(expected - found) < 0.1 * np.linalg.norm(expected)  # 20 dB
    described = INSPECTOR.describe(quantised.main)
    assert described.fully_quantized
    assert dtype(quantised.main) == "int8"


@pytest.mark.parametrize(
    ("chip", "told"),
    [
        (Processor("an older chip", "x86_64", ("avx2",)), True),
        (Processor("a newer chip", "x86_64", ("avx2", "avx_vnni")), False),
        (Processor("arm", "aarch64", ()), False),
    ],
)
def test_saturating_sums_are_told(
    floats: Produced,
    quantised: Produced,
    monkeypatch: pytest.MonkeyPatch,
    chip: Processor,
    told: bool,
) -> None:
    monkeypatch.setattr(runtime, "processor", lambda: chip)
    said = RUNTIME.kernels(quantised.main, INSPECTOR.describe(quantised.main))
    assert ("int8 sums of OpenVINO saturate" in said) is told
    assert RUNTIME.kernels(floats.main, INSPECTOR.describe(floats.main)) == ""


def test_per_channel_is_nearer_than_per_tensor(
    kit: SimpleNamespace, tmp_path: Path, make: Any, samples: Array
) -> None:
    uneven = kit.weights | {
        "w2": kit.weights["w2"] * (10.0 ** -np.arange(8)).reshape(8, 1, 1, 1) * 10
    }
    uneven["w2"] = uneven["w2"].astype(np.float32)
    ends: Any = ({"x": ["n", 2, 6, 6]}, {"c2": ["n", 8, 6, 6]})
    path = kit.write(tmp_path / "uneven.onnx", kit.nodes()[:3], uneven, *ends)
    [expected] = by_onnxruntime(path, samples)
    scale = np.abs(expected).max(axis=(0, 2, 3), keepdims=True)
    noise = [
        np.abs((ran(make(path, PTQ(40, per_channel=each)).main, samples)[0] - expected) / scale)
        for each in (True, False)
    ]
    assert np.median(noise[0]) < np.median(noise[1])


def test_half_of_the_bytes(floats: Produced, make: Any, small: Path, samples: Array) -> None:
    half = make(small, Cast())
    assert dtype(half.main) == "float16"
    bins = [next(each for each in made.files if each.suffix == ".bin") for made in (half, floats)]
    assert bins[0].stat().st_size < 0.6 * bins[1].stat().st_size
    assert np.abs(ran(half.main, samples)[0] - ran(floats.main, samples)[0]).max() < 1e-2


@pytest.mark.parametrize("kind", ["floats", "quantised"])
def test_counts_are_those_by_hand(
    kit: SimpleNamespace, request: pytest.FixtureRequest, kind: str
) -> None:
    described = INSPECTOR.describe(request.getfixturevalue(kind).main)
    assert described.macs == kit.macs
    assert described.parameters == kit.parameters
    assert described.uncounted == ()


def test_what_is_left_in_float_is_named_in_the_file_and_as_it_runs(
    floats: Produced, quantised: Produced, samples: Array, board: Target
) -> None:
    named = list(map(str, in_file(INSPECTOR.describe(floats.main), board, "int8")))
    assert len(named) == 4
    assert all("runs in float" in each for each in named)
    assert list(in_file(INSPECTOR.describe(quantised.main), board, "int8")) == []
    for produced, count in ((floats, 4), (quantised, 0)):
        executed = RUNTIME.executed(produced.main, (samples[:1],))
        assert executed is not None
        assert sum(each.runs_in_float for each in executed) == count
        assert {each.device for each in executed} == {"CPU"}


def test_one_convolution_that_was_left_in_float(
    tmp_path: Path, floats: Produced, samples: Array, board: Target
) -> None:
    import nncf
    import openvino

    from pytest_edgegate.backends.native_output import held_native_output

    with held_native_output():
        read = openvino.Core().read_model(str(floats.main))
        ignored = nncf.IgnoredScope(types=["GroupConvolution"])
        made = nncf.quantize(read, nncf.Dataset(list(samples[:, None])), ignored_scope=ignored)
        openvino.save_model(made, str(tmp_path / "fallback.xml"))
    [named] = map(str, in_file(INSPECTOR.describe(tmp_path / "fallback.xml"), board, "int8"))
    assert named.startswith("GroupConvolution")
    executed = RUNTIME.executed(tmp_path / "fallback.xml", (samples[:1],))
    assert executed is not None
    assert sum(each.runs_in_float for each in executed) == 1


def test_nothing_of_where_it_was_made(floats: Produced, quantised: Produced) -> None:
    for produced in (floats, quantised):
        text = produced.main.read_text()
        assert "rt_info>\n</net>" not in text
        assert not re.search(r"conversion_parameters|nncf|/tmp|\.onnx", text)


def test_a_state_is_the_first_one_for_every_sample(tmp_path: Path) -> None:
    import openvino as ov
    from openvino import opset13 as ops
    from openvino.op.util import Variable, VariableInfo

    info = VariableInfo()
    info.data_shape, info.data_type = ov.PartialShape([1, 2]), ov.Type.f32
    info.variable_id = "sum"
    variable = Variable(info)
    x = ops.parameter([1, 2], np.float32, name="x")
    before = ops.read_value(ops.constant(np.zeros((1, 2), np.float32)), variable)
    total = ops.add(x, before)
    model = ov.Model([ops.result(total)], [ops.assign(total, variable)], [x], "sums")
    ov.save_model(model, str(tmp_path / "sums.xml"))
    samples = np.arange(8, dtype=np.float32).reshape(4, 2)
    with RUNTIME.open(tmp_path / "sums.xml") as runner:
        for _ in range(2):
            np.testing.assert_array_equal(runner.infer((samples,))[0], samples)
    kept = INSPECTOR.describe(tmp_path / "sums.xml").state
    assert kept == KeptState(("ReadValue",), "reset_state()")


def test_most_files_keep_no_state(floats: Produced, quantised: Produced) -> None:
    assert {INSPECTOR.describe(each.main).state for each in (floats, quantised)} == {None}


@pytest.mark.parametrize(
    "entity",
    [
        '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
    ],
)
def test_xml_that_declares_entities_is_refused(
    tmp_path: Path, floats: Produced, entity: str
) -> None:
    text = floats.main.read_text().replace("?>", f"?>\n{entity}", 1)
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(InferenceError, match="declares XML entities"):
        INSPECTOR.describe(tmp_path / "x.xml")


def test_weights_that_are_missing_or_cut_short(tmp_path: Path, floats: Produced) -> None:
    xml, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    xml.write_bytes(floats.main.read_bytes())
    model = READER.recognise(xml, surroundings())
    assert model is not None
    with pytest.raises(InferenceError, match=r"m\.bin, which is missing"):
        model.digest()
    weights.write_bytes(floats.files[1].read_bytes()[:-40])
    with pytest.raises(InferenceError, match=r"m\.bin, which is shorter than") as raised:
        INSPECTOR.describe(xml)
    assert "beside it" in raised.value.remedy


def test_both_files_make_the_digest(tmp_path: Path, floats: Produced) -> None:
    for file in floats.files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    xml, weights = (tmp_path / file.name for file in floats.files)
    digests = set()
    for change in (None, xml, weights):
        if change is not None:
            content = change.read_bytes()
            change.write_bytes(
                content.replace(b"small", b"other")
                if change is xml
                else content[:-1] + bytes([content[-1] ^ 1])
            )
        model = READER.recognise(xml, surroundings())
        assert model is not None
        assert model.files == (xml, weights)
        digests.add(model.digest())
    assert len(digests) >= 2


def test_other_xml_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_text("<?xml version='1.0'?><page><network/></page>")
    assert READER.recognise(tmp_path / "page.xml", surroundings()) is None


def test_what_can_not_be_done_with_it(floats: Produced, board: Target) -> None:
    model = READER.recognise(floats.main, surroundings())
    assert model is not None
    with pytest.raises(UnsupportedError, match="is an OpenVINO IR"):
        model.load()
    assert COMPRESS.refuse(PTQ(), board) is None
    refusal = COMPRESS.refuse(PTQ(method="entropy"), board)
    assert refusal is not None
    assert "minmax" in refusal[0]


def test_a_tool_that_fails_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, floats: Produced, make: Any, small: Path
) -> None:
    import nncf

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(nncf, "quantize", fail)
    with pytest.raises(CompressionError, match=r"PTQ\(samples=40\) failed on small: no such"):
        make(small, PTQ(40))


def test_samples_that_do_not_fit(make: Any, small: Path, samples: Array) -> None:
    with pytest.raises(EdgeGateError, match="do not fit the input"):
        make(small, PTQ(4), EdgeData(calibration=samples[:, :1]))


@pytest.mark.parametrize(("missing", "extra"), [("openvino", "openvino"), ("nncf", "openvino")])
def test_a_missing_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, make: Any, small: Path, missing: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == missing:
            raise ImportError(f"No module named {missing!r}", name=missing)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BackendUnavailableError) as raised:
        make(small, PTQ(4))
    assert raised.value.remedy == f"pip install 'pytest-edgegate[{extra}]'"


def test_reading_loads_nothing_heavy(floats: Produced) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from pytest_edgegate.backends.openvino.reader import READER\n"
        "from pytest_edgegate.backends.openvino.inspector import INSPECTOR\n"
        "from pytest_edgegate.testing.contract import CaseData, surroundings\n"
        f"path = Path({str(floats.main)!r})\nmodel = READER.recognise(path, surroundings())\n"
        "model.digest(), model.node, INSPECTOR.describe(path)\n"
        "print([name for name in ('openvino', 'nncf', 'onnx', 'torch') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert ran.stdout.decode().strip() == "[]"


def test_what_it_prints_stays_out_of_the_terminal(
    capfd: pytest.CaptureFixture[str], make: Any, small: Path
) -> None:
    make(small, PTQ(8))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


REPORTS = """
import os, sys
from pathlib import Path
sent = []
import openvino_telemetry.utils.sender as sender
sender.TelemetrySender.send = lambda *given, **more: sent.append(given)
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.backends.openvino.from_onnx import TRANSFORM as CONVERT
from pytest_edgegate.backends.openvino.compress import TRANSFORM as COMPRESS
from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.testing.contract import CaseData, surroundings
import numpy as np
data = CaseData(EdgeData(calibration=np.zeros((4, 2, 6, 6), np.float32)))
out = Path(sys.argv[2])
made = CONVERT.apply(ONNX.recognise(Path(sys.argv[1]), surroundings()), None, None, data, out)
(out / "int8").mkdir()
COMPRESS.apply(READER.recognise(made.main, surroundings()), PTQ(4), None, data, out / "int8")
print(len(sent), "CI" in os.environ, "NNCF_CI" in os.environ)
"""


def test_nothing_is_reported_to_anybody(small: Path, tmp_path: Path) -> None:
    """In a process of its own: nncf keeps silent where pytest is loaded."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("CI")}
    ran = subprocess.run(
        [sys.executable, "-c", REPORTS, str(small), str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert ran.stdout.strip() == "0 False False"


def test_a_convolution_in_groups_counts_the_channels_of_a_group(
    kit: SimpleNamespace, tmp_path: Path, make: Any
) -> None:
    weights = {"w": np.ones((6, 2, 3, 3), np.float32)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=2)]
    ends: Any = ({"x": ["n", 4, 5, 5]}, {"y": ["n", 6, 3, 3]})
    path = kit.write(tmp_path / "groups.onnx", nodes, weights, *ends)
    assert INSPECTOR.describe(make(path).main).macs == 6 * 3 * 3 * 2 * 9


def test_metadata_that_is_left_behind_is_told(
    small: Path, board: Target, data: EdgeData, tmp_path: Path
) -> None:
    model = onnx.load(small)
    onnx.helper.set_model_props(model, {"names": "cat, dog"})
    onnx.save(model, tmp_path / "named.onnx")
    source = ONNX.recognise(tmp_path / "named.onnx", surroundings())
    assert source is not None
    made = CONVERT.apply(source, None, board, CaseData(data), tmp_path)
    assert "the metadata of named.onnx (names) is not in the converted file" in made.facts["note"]
    read = openvino.Core().read_model(str(made.main))
    read.set_rt_info("cat, dog", ["model_info", "labels"])
    openvino.save_model(read, str(tmp_path / "told.xml"))
    facts = []
    for path in (made.main, tmp_path / "told.xml"):
        ir = READER.recognise(path, surroundings())
        assert ir is not None
        (tmp_path / path.stem).mkdir()
        half = COMPRESS.apply(ir, Cast("float16"), board, CaseData(data), tmp_path / path.stem)
        facts.append(dict(half.facts))
    assert facts[0] == {}
    assert "(model_info) is not in the converted file" in facts[1]["note"]
