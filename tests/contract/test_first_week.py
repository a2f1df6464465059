"""What a newcomer gets wrong in the first days: each mistake is told before anything is built,
with the name that was meant or the line to type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, EdgeData, EdgeGate, EdgeTraining, Metric
from pytest_edgegate.core.errors import EdgeGateError
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
