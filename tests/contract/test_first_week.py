"""What a newcomer gets wrong in the first days: each mistake is told before anything is built,
with the name that was meant or the line to type."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, EdgeData, EdgeGate, EdgeTraining, Metric
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.other_words import meant_budgets
from pytest_edgegate.core.ports import DeclaresInputs
from pytest_edgegate.data.npz import read_npz
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.intake.recognition import Recogniser

MARKS = {
    "@edge_budgets(accuracy_drop=0.01)": "did you mean 'edge_budget'?",
    "@edge_gate(accuracy_drop=0.01)": "edge_gate is a fixture, not a mark",
    "@edge_budget(compression=0.25)": "did you mean 4?",
    "@edge_budget(parity_agreement=0.01)": "did you mean 0.99?",
    "@edge_budget(acuracy_drop=0.01)": "did you mean 'accuracy_drop'?",
    "@edge_budget(drop=0.01)": "did you mean 'accuracy_drop'?",
    "@edge_budget(p95='6 ms')": "did you mean 'latency_p95'?",
    "@edge_budget(latency_p95=6)": 'write for example "6 ms"',
    "@edge_budget(accuracy_drop=-0.01)": "is negative",
    "@edge_budget(size='120 kBs')": "unknown unit 'kBs', did you mean 'kB'?",
    "@edge_budget(0.01)": "budgets by keyword",
    "@edge_budget('fake-bord', size=9000)": "did you mean 'fake-board'?",
    "@edge_targets('fake-bord')": "did you mean 'fake-board'?",
    "@edge_budget()": "edge_budget has no budget",
    "@edge_recipe('PTQ')": "write edge_recipe(PTQ()), and from pytest_edgegate import PTQ",
    "@edge_recipe('QAT(epochs=1)')": "write edge_recipe(QAT()), and",
    "@edge_budget(accuracy=0.95)": "did you mean 'accuracy_drop' or 'accuracy_min'?",
    "@edge_budget(latency='6 ms')": "did you mean 'latency_p95' or 'latency_ratio'?",
    "@edge_budget(parity=0.99)": "did you mean 'parity_agreement' or 'parity_abs'?",
    "@edge_budget(regression=0.01)": "did you mean 'accuracy_regression', 'size_regression' or",
    "@edge_budget(min_accuracy=0.95)": "did you mean 'accuracy_min'?",
    "@edge_budget(max_latency='6 ms')": "did you mean 'latency_p95' or 'latency_ratio'?",
    "@edge_budget(flops='1 M')": "did you mean 'macs'?",
    "@edge_budget(accuracy_drp=0.01)": "did you mean 'accuracy_drop'?",
    "@edge_budget(target='fake-board', size=9000)": "write edge_budget('fake-board', accuracy_drop",
    "@edge_budget({'size': 9000})": "write edge_budget(size=9000)",
    "@edge_recipe([PTQ(7)])": "the brackets around them: PTQ(samples=7)",
    "@edge_recipe(PTQ(), Prune(0.3))": "write it as Prune(amount=0.3), PTQ(samples=200)",
    "@edge_recipe(PTQ(), QAT())": "does one kind of work twice",
}
"""Marks, and what the error of their file says."""
CALLS = {
    "EdgeData(calib=1)": "unknown argument 'calib', did you mean 'calibration'?",
    "EdgeData((1, 2))": "takes no positional value and was given 1",
    "PTQ(sample=3)": "unknown argument 'sample', did you mean 'samples'?",
    "QAT(epoch=3)": "did you mean 'epochs'?",
    "QAT(2, 1e-5)": "name the others: lr=",
    "Metric(fn=len, output_name=1)": "did you mean 'output'?",
    "EdgeTraining(batchsize=8)": "did you mean 'batch_size'?",
    "Prune(30)": "a number between 0 and 1",
    "pytest.mark.edge_recipe(PTQ)(print)": "write PTQ() with brackets",
}
"""Calls at the top of a file of their own, and what the error of that file says."""
BODY = """
import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData, Metric

budget = pytest.mark.edge_budget


def returning(value, name):
    return pytest.fixture(lambda self: value, name=name)


class Net: ...


def build(): ...


@budget(accuracy_drop=0.01)
class TestModels:
    class TestClass:
        edge_model = returning(Net, "edge_model")

        def test_class(self, edge_ptq): ...

    class TestFunction:
        edge_model = returning(build, "edge_model")

        def test_function(self, edge_ptq): ...

    class TestNothing:
        edge_model = returning(None, "edge_model")

        def test_nothing(self, edge_ptq): ...

    class TestWeights:
        edge_model = returning({"fc.weight": np.zeros((2, 2))}, "edge_model")

        def test_weights(self, edge_ptq): ...

    class TestMissing:
        edge_model = returning("models/none.keras", "edge_model")

        def test_missing(self, edge_ptq): ...


@budget(accuracy_drop=0.01)
class TestMetrics:
    class TestTypo:
        edge_metric = returning("topp1", "edge_metric")

        def test_metric_typo(self, edge_ptq): ...

    class TestBare:
        edge_metric = returning(build, "edge_metric")

        def test_metric_function(self, edge_ptq): ...

    class TestScalar:
        edge_metric = returning(Metric(lambda outputs, labels: 0.9), "edge_metric")

        def test_metric_scalar(self, edge_ptq): ...


@budget(accuracy_drop=0.01)
class TestData:
    class TestTuple:
        edge_data = returning((np.zeros((4, 2)), np.zeros(4)), "edge_data")

        def test_tuple(self, edge_ptq): ...

    class TestNoData:
        edge_data = returning(None, "edge_data")

        def test_no_data(self, edge_ptq): ...

    class TestList:
        edge_data = returning(
            EdgeData(evaluation=[np.zeros((4, 2)), np.zeros(4)]), "edge_data"
        )

        def test_list(self, edge_ptq): ...

    class TestLabels:
        @pytest.fixture
        def edge_data(self, edge_data):
            x, y = edge_data.evaluation
            return EdgeData(calibration=edge_data.calibration, evaluation=(x, y + 1))

        def test_labels_from_1(self, edge_ptq): ...

    class TestCount:
        @pytest.fixture
        def edge_data(self, edge_data):
            x, y = edge_data.evaluation
            return EdgeData(calibration=edge_data.calibration, evaluation=(x, y[:-3]))

        def test_label_count(self, edge_ptq): ...

    class TestNan:
        @pytest.fixture
        def edge_data(self, edge_data):
            x, y = edge_data.evaluation
            x = x.copy()
            x[3] = np.nan
            return EdgeData(calibration=edge_data.calibration, evaluation=(x, y))

        def test_nan(self, edge_ptq): ...


@budget(accuracy_min=95)
def test_percent(edge_ptq): ...


@budget(latency_p95="6 ms", size="100 kB")
def test_latency(edge_ptq): ...


@budget(accuracy_drop=0.01)
def test_not_given(edge_compress):
    edge_compress(PTQ())


def test_full_name(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq, accuracy_drop=0.01)


def test_own_name(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq, size="120 kB")


def test_no_name(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq, 0.01)


def test_no_limit(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq)


def test_short_name(edge_ptq, edge_gate):
    edge_gate.check(edge_ptq, drop=0.01)


def test_helper(edge_ptq, edge_gate):
    edge_gate.acuracy(edge_ptq, drop=0.01)


def test_swapped(edge_ptq, edge_gate):
    edge_gate.size("120 kB", edge_ptq)


def test_number(edge_ptq, edge_gate):
    edge_gate.accuracy(0.97, min=0.95)


def test_not_called(edge_compress, edge_gate):
    edge_gate.check(edge_compress, accuracy_drop=0.01)


def test_gate_called(edge_ptq, edge_gate):
    edge_gate(edge_ptq, accuracy_drop=0.01)


def test_list_of_steps(edge_compress):
    edge_compress([PTQ()])


def test_text_of_a_step(edge_compress):
    edge_compress("PTQ")


def test_reprs(edge_ptq, edge_compress, edge_gate):
    before = repr(edge_gate)
    edge_gate.size(edge_ptq, "120 kB")
    assert (before, repr(edge_gate), repr(edge_compress)) == (
        "<EdgeGate for test_reprs on fake-board: nothing judged yet>",
        "<EdgeGate for test_reprs on fake-board: 2 verdicts, 0 red>",
        "<edge_compress for test_reprs on fake-board: call it, as in edge_compress(PTQ())>",
    )


@budget(size=120)
def test_kilobytes(edge_ptq): ...


@budget(size="120")
def test_kilobytes_as_a_text(edge_ptq): ...


@budget(compression="3.5x")
def test_as_the_table_prints_it(edge_ptq): ...
"""
TOLD = {
    "test_class": ("E", "edge_model is the class Net, not a model", "return Net(...)"),
    "test_function": ("E", "edge_model is the function build", "call it: return build()"),
    "test_nothing": ("E", "edge_model is None", "end the fixture with a return"),
    "test_weights": ("E", "weights ('fc.weight', ...)", "model.load_state_dict(weights)"),
    "test_missing": ("E", "models/none.keras does not exist", "relative to pytest's root"),
    "test_metric_typo": ("E", "unknown metric 'topp1', did you mean 'top1'?"),
    "test_metric_function": ("E", "edge_metric is a function", "Metric(build)"),
    "test_metric_scalar": ("E", "shape () for", "per_sample=False"),
    "test_tuple": ("E", "edge_data is a tuple, not an EdgeData", "return EdgeData("),
    "test_no_data": ("E", "edge_data is None, not an EdgeData", "return EdgeData("),
    "test_labels_from_1": ("E", "labels go from 1 to 10", "so give labels - 1"),
    "test_label_count": ("E", "differ in their length"),
    "test_nan": ("E", "holds NaN or Inf", "first in sample #3"),
    "test_percent": ("E", "accuracy_min=95", "did you mean 0.95?"),
    "test_not_given": ("F", "was not given to edge_gate", "edge_gate.check(artifact)"),
    "test_full_name": ("F", "unknown argument 'accuracy_drop', did you mean 'drop'?"),
    "test_own_name": ("F", "edge_gate.size: unknown argument 'size'", "artifact, limit"),
    "test_no_name": ("F", "takes 1 positional value (artifact)", "name the others: drop="),
    "test_no_limit": ("F", "edge_gate.size was given no limit"),
    "test_short_name": ("F", "unknown budget 'drop', did you mean 'accuracy_drop'?"),
    "test_list": ("E", "a list of two arrays", "write a tuple: evaluation=(x, y)"),
    "test_swapped": ("F", "an artifact where its limit is wanted", "size(artifact, '120 kB')"),
    "test_number": ("F", "edge_gate.accuracy was given a float", "edge_compress(PTQ()) gave"),
    "test_not_called": ("F", "the fixture edge_compress", "edge_gate.check(edge_compress(PTQ())"),
    "test_gate_called": ("F", "edge_gate was called itself", "edge_gate.check(artifact,"),
    "test_list_of_steps": ("F", "a list where a step is wanted", "one by one"),
    "test_text_of_a_step": ("F", "the text 'PTQ' where a step", "write PTQ(), and from"),
    "test_helper": ("F", "edge_gate: unknown helper 'acuracy', did you mean 'accuracy'?"),
}
"""Errors by the test: where pytest has them (E: before the build) and what they say."""


def marked() -> str:
    lines = ["import pytest", "from pytest_edgegate import PTQ, QAT, Prune"]
    for number, mark in enumerate(MARKS):
        lines += [f"@pytest.mark.{mark[1:]}", f"def test_{number}(edge_artifact): ..."]
    return "\n".join(lines)


FILES = {
    "test_marks.py": marked(),
    **{
        f"test_call_{number}.py": f"import pytest\nfrom pytest_edgegate import *\nmade = {call}\n"
        for number, call in enumerate(CALLS)
    },
    "test_body.py": BODY,
}


@pytest.fixture
def ran(play: Any) -> Any:
    return play(FILES, "--edge-target=fake-board", "--continue-on-collection-errors")


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_told_with_its_line(ran: Any, mark: str) -> None:
    line = marked().splitlines().index(f"@pytest.mark.{mark[1:]}") + 1
    (text,) = (each for each in ran.faults if f" (test_marks.py:{line})" in each)
    ran.assert_fault(text, MARKS[mark])


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_told_with_its_line(ran: Any, call: str) -> None:
    text = ran.collection[f"test_call_{list(CALLS).index(call)}.py"]
    ran.assert_fault(text, CALLS[call], ".py:3)\n")


@pytest.mark.parametrize("name", TOLD)
def test_a_fault_is_told_with_what_was_meant(ran: Any, name: str) -> None:
    letter, *words = TOLD[name]
    assert ran.letter(name) == letter, ran.text(name)
    ran.assert_fault(ran.text(name), *words)


@pytest.mark.parametrize("name", ["test_kilobytes", "test_kilobytes_as_a_text"])
def test_bytes_in_place_of_kilobytes(ran: Any, name: str) -> None:
    assert ran.letter(name) == "F"
    assert 'size=120 is 120 bytes: did you mean size="120 kB"?' in ran.text(name)
    told = "test_body.py"
    early = [each for each in ran.output.splitlines() if "EdgeGateWarning: size=120 is" in each]
    assert early, ran.output
    assert all(told in each for each in early), early


def test_a_budget_that_nothing_measures_is_red_before_the_build(ran: Any) -> None:
    text = ran.text("test_latency")
    assert "Nothing was built, and the body of the test did not run" in text
    assert "--edge-allow-unmeasured=fake-board:latency_p95" in text


def test_a_factor_is_written_as_the_table_prints_it(ran: Any) -> None:
    assert ran.letter("test_as_the_table_prints_it") == "."


def test_what_a_test_is_given_can_be_read_where_it_is_printed(ran: Any) -> None:
    assert ran.letter("test_reprs") == ".", ran.text("test_reprs")


KEYS = {
    "edge_targets = fake-board": ("'edge_targets'", "did you mean 'edge_target'?"),
    "edge-target = fake-board": ("'edge-target'", "did you mean 'edge_target'?"),
    "edge_latency_tim = 3 s": ("'edge_latency_tim'", "did you mean 'edge_latency_time'?"),
}
"""Lines of an ini file that no plugin knows."""


@pytest.mark.parametrize("line", KEYS)
def test_an_ini_key_that_nobody_knows_is_refused(pytester: pytest.Pytester, line: str) -> None:
    """Else the run would gate the host, green, in place of the chip."""
    pytester.makeini(f"[pytest]\n{line}\n")
    ran = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:jaxtyping")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"*unknown ini key {KEYS[line][0]}*{KEYS[line][1]}"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", '[tool.pytest.ini_options]\n  edge_targets = "fake-board"\n'),
        ("tox.ini", "[other]\nedge_targets = 1\n[pytest]\nedge_targets = fake-board\n"),
        ("setup.cfg", "[tool:pytest]\nedge_targets : fake-board\n"),
    ],
)
def test_ini_keys_of_every_kind_of_file(pytester: pytest.Pytester, name: str, content: str) -> None:
    (pytester.path / name).write_text(content)
    ran = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:jaxtyping")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"*{name}: unknown ini key 'edge_targets'*"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytest.ini", "[pytest]\nmarkers =\n    edge_nightly: a mark of our own\n"),
        ("pytest.ini", "[pytest]\n# edge_targets = 1\n[other]\nedge_targets = 1\n"),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\nmarkers = ["edge_x: 1"]\n[tool.own]\nedge_x = 1\n',
        ),
    ],
)
def test_what_is_no_key_of_pytest_is_left_alone(
    pytester: pytest.Pytester, name: str, content: str
) -> None:
    (pytester.path / name).write_text(content)
    ran = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:jaxtyping")
    assert ran.ret == pytest.ExitCode.NO_TESTS_COLLECTED, ran.stderr.str()


def test_a_key_of_the_command_line_is_refused_too(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest_subprocess(
        "-p", "no:anyio", "-p", "no:jaxtyping", "-o", "edge_targets=coral"
    )
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*-o: unknown ini key 'edge_targets', did you mean 'edge_target'?"])


METRICS = {"accuracy": "top1", "top-1": "top1", "mIoU": "miou", "roc_auc": "auc", "topp1": "top1"}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_by_the_name_of_another_tool(name: str) -> None:
    with pytest.raises(EdgeGateError) as raised:
        as_scoring(name, indexable=True)
    assert f"did you mean '{METRICS[name]}'?" in raised.value.message


def test_an_array_file_with_nan_names_its_own_key_and_sample(tmp_path: Path) -> None:
    x = np.zeros((40, 3), np.float32)
    x[17] = np.inf
    np.savez(tmp_path / "eval.npz", x=x, y=np.zeros(40))
    with pytest.raises(EdgeGateError) as raised:
        read_npz(tmp_path / "eval.npz")
    assert raised.value.message == "x in eval.npz holds NaN or Inf, first in sample #17"


def write_keras(path: Path) -> None:
    """A file that no framework can load, and that declares its input."""
    layer = {"name": "image", "batch_shape": [None, 28, 28, 1], "dtype": "float32"}
    config = {
        "class_name": "Functional",
        "config": {"layers": [{"class_name": "InputLayer", "config": layer}]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")


def test_a_keras_file_declares_its_input_without_keras(tmp_path: Path) -> None:
    write_keras(tmp_path / "m.keras")
    model = Recogniser(tmp_path, Registry()).model("m.keras")
    assert isinstance(model, DeclaresInputs)
    assert model.declared_inputs() == (TensorInfo("image", (-1, 28, 28, 1), "float32"),)


def test_a_shape_is_told_by_the_key_of_the_file_without_keras(pytester: pytest.Pytester) -> None:
    write_keras(pytester.path / "m.keras")
    x = np.zeros((40, 28, 28), np.float32)
    np.savez(pytester.path / "eval.npz", x_test=x, y_test=np.arange(40) % 10)
    ran = pytester.runpytest_subprocess(
        *("-p", "no:anyio", "-p", "no:jaxtyping", "--edge-target=coral"),
        *("--edge-model=m.keras", "--edge-data=eval.npz"),
    )
    ran.stdout.fnmatch_lines(
        [
            "edgegate error: x_test in eval.npz: samples of shape (28, 28) do not fit the input*",
            "*add the channel with x[[]..., None[]]",
        ]
    )


def test_a_target_in_the_table_of_the_gate_is_no_choice(pytester: pytest.Pytester) -> None:
    (pytester.path / "pyproject.toml").write_text('[tool.edgegate]\ntarget = "coral"\n')
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_budget(size=9000)\ndef test_x(edge_ptq): ...\n"
    )
    ran = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:jaxtyping")
    ran.stdout.fnmatch_lines(["*chooses no target*", "write edge_target = 'coral' into*"])


FOUND_FILES = {
    "cut.pt2": (b"PK\x03\x04" + bytes(60), "damaged archive", "torch.export.save("),
    "cut.keras": (b"PK\x03\x04" + bytes(60), "damaged archive", "model.save('model.keras')"),
    "page.pt2": (b"<html>404</html>", "damaged archive", "torch.export.save("),
    "page.keras": (b"<html>404</html>", "no model that an installed backend knows", ".keras"),
    "empty.onnx": (b"", "is empty", "make the file again"),
    "weights.pth": (b"\x80\x02}q\x00.", "without an architecture", "model.load_state_dict("),
    "pointer.keras": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "is a pointer of Git LFS",
        "git lfs pull",
    ),
}


@pytest.mark.parametrize("name", FOUND_FILES)
def test_a_remedy_is_of_the_framework_of_the_file(name: str, tmp_path: Path) -> None:
    content, said, remedy = FOUND_FILES[name]
    (tmp_path / name).write_bytes(content)
    data = EdgeData(evaluation=(np.zeros((2, 2)), np.zeros(2)))
    with pytest.raises(EdgeGateError) as raised:
        Recogniser(tmp_path, Registry()).model(name, data)
    assert said in raised.value.message
    assert remedy in raised.value.remedy
    others = {"torch.", "model.save("} - {remedy[:6], remedy[:11]}
    if name.endswith((".keras", ".pt2")):
        assert not [each for each in others if each in raised.value.remedy]


def test_wrong_arguments_are_type_errors_too() -> None:
    """As Python has it: code that catches them goes on working."""
    for wrong in (
        lambda: EdgeData(calib=1),  # type: ignore[call-arg]
        lambda: PTQ(sample=1),  # type: ignore[call-arg]
        lambda: QAT(1, 2),  # type: ignore[misc]
        lambda: EdgeTraining(batchsize=8),  # type: ignore[call-arg]
        lambda: Metric(per_sample=False),  # type: ignore[call-arg]
        lambda: EdgeGate.accuracy(None, drop=1),  # type: ignore[call-arg, arg-type]
    ):
        with pytest.raises(TypeError) as raised:
            wrong()
        assert isinstance(raised.value, EdgeGateError)
        assert raised.value.remedy


@pytest.mark.parametrize(
    ("name", "budgets"),
    [
        ("delegated_ops", ("mapped_ops",)),
        ("weights_bytes", ("size",)),
        ("tensor_agreement", ()),
        ("speedup", ("latency_ratio",)),
        ("f1", ("accuracy_drop", "accuracy_min")),
        ("max_latency", ("latency_p95", "latency_ratio")),
        ("flops", ("macs",)),
    ],
)
def test_budgets_by_other_words(name: str, budgets: tuple[str, ...]) -> None:
    assert meant_budgets(name, BUDGETS) == budgets


def test_a_key_of_another_version_is_left_to_pytest(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_baseline = accepted\n")
    pytester.makepyfile("def test_it(): ...")
    ran = pytester.runpytest_subprocess("-p", "no:anyio")
    ran.assert_outcomes(passed=1)
