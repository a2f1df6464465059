"""Samples that the quantised inputs of a file can't hold: each is red, an error or a caution,
and the same file with the samples that it was made for is green without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.onnx import runtime
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.environment import Processor
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
SIZE = (Budget("size", 100_000),)
DROP = (Budget("accuracy_drop", 0.05),)


class Gate:
    """A classifier of digits with a state: the scores that the frame before it had."""

    def __init__(self, folder: Path) -> None:
        digits = load_digits()
        x, self.y = (digits.data / 16).astype(np.float32), digits.target
        found = LogisticRegression(max_iter=300).fit(x[:900], self.y[:900])
        scores = np.clip(found.decision_function(x), -6, 6).astype(np.float32)
        self.x, self.state = x, np.roll(scores, 1, axis=0)
        self.folder = folder
        self.path = self._write(found.coef_.T.astype(np.float32), found.intercept_)
        settings = Settings(
            targets=("onnx-cpu",),
            cache=folder / "cache",
            root=folder,
        )
        self.session = EdgeSession(settings, Registry())
        self.target = self.session.target("onnx-cpu")

    def _write(self, weights: Array, bias: Array) -> Path:
        of_state = (0.02 * np.eye(10)).astype(np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("Flatten", ["x"], ["flat"]),  # the range lies behind it
                helper.make_node("Gemm", ["flat", "w", "b"], ["now"]),
                helper.make_node("Gemm", ["state", "u", "v"], ["before"]),
                helper.make_node("Add", ["now", "before"], ["y"]),
            ],
            "digits",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64]),
                helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n", 10]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
            [
                numpy_helper.from_array(weights, "w"),
                numpy_helper.from_array(bias.astype(np.float32), "b"),
                numpy_helper.from_array(of_state, "u"),
                numpy_helper.from_array(np.full(10, 0.01, np.float32), "v"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        path = self.folder / "digits.onnx"
        onnx.save(model, str(path))
        return path

    def data(
        self,
        *,
        calibrated: Callable[[Array], Array],
        evaluated: Callable[[Array], Array],
        state: float = 1,
        state_evaluated: float = 1,
    ) -> EdgeData:
        first, last = slice(0, 200), slice(900, 1700)
        return EdgeData(
            calibration={"x": calibrated(self.x[first]), "state": state * self.state[first]},
            evaluation=(
                {"x": evaluated(self.x[last]), "state": state_evaluated * self.state[last]},
                self.y[last],
            ),
            reference_check=False,
        )

    def judge(
        self, data: EdgeData, budgets: tuple[Budget, ...], step: PTQ | None = None
    ) -> dict[str, Verdict]:
        case = self.session.case(Given(self.path, data), self.target)
        artifact = self.session.compress(case, (step or PTQ(),))
        return self._judged(case, artifact, budgets)

    def judge_file(self, data: EdgeData) -> dict[str, Verdict]:
        """The file that healthy data made, as a file of others."""
        case = self.session.case(Given(self.path, self.healthy), self.target)
        made = self.session.compress(case, (PTQ(),))
        copied, other = self.folder / "given.onnx", onnx.load(str(made.main))
        other.producer_name = "another tool"  # by its own bytes the artifact would be known again
        onnx.save(other, str(copied))
        artifact = self.session.adopt(copied, self.target)
        return self._judged(self.session.case(Given(self.path, data), self.target), artifact, SIZE)

    def _judged(
        self, case: Any, artifact: Artifact, budgets: tuple[Budget, ...]
    ) -> dict[str, Verdict]:
        verdicts = self.session.judge(case, artifact, budgets, contract=True)
        return {each.budget.metric: each for each in verdicts}

    @property
    def healthy(self) -> EdgeData:
        return self.data(calibrated=as_it_is, evaluated=as_it_is)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """On a processor with VNNI: of one without it, files of others have a caution of their own."""
    chip = Processor("a chip with VNNI", "x86_64", ("avx2", "avx512_vnni"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runtime, "processor", lambda: chip)
        yield Gate(tmp_path_factory.mktemp("inputs"))


def as_it_is(x: Array) -> Array:
    return x


def dark(x: Array) -> Array:
    return np.asarray(x * np.float32(0.4))


def pixels(x: Array) -> Array:
    return np.asarray(np.rint(x * 255).astype(np.float32))


def dim(x: Array) -> Array:
    return np.asarray(x * np.float32(0.02))


def said(verdicts: dict[str, Verdict]) -> str:
    found = verdicts["contract"]
    return " ".join((found.reason, found.note, *found.details, found.cause, found.remedy))


def test_the_healthy_twin_is_green_without_a_word(gate: Gate) -> None:
    for verdicts in (gate.judge(gate.healthy, DROP), gate.judge_file(gate.healthy)):
        assert not any(each.red for each in verdicts.values())
        assert "caution" not in said(verdicts)


def test_evaluation_beyond_calibration(gate: Gate) -> None:
    verdicts = gate.judge(gate.data(calibrated=dark, evaluated=as_it_is), SIZE)
    assert verdicts["contract"].red
    assert "of the values are clipped: the input x holds 0 to 0.4" in said(verdicts)


def test_clipping_that_the_accuracy_outweighs(gate: Gate) -> None:
    gentle = gate.data(calibrated=lambda x: np.minimum(x, np.float32(0.9)), evaluated=as_it_is)
    assert gate.judge(gentle, SIZE)["contract"].red
    verdicts = gate.judge(gentle, DROP)
    assert not any(each.red for each in verdicts.values())
    assert "caution" in said(verdicts)


def test_ranges_that_a_percentile_chose(gate: Gate) -> None:
    step = PTQ(method="percentile")
    verdicts = gate.judge(gate.data(calibrated=dark, evaluated=as_it_is), SIZE, step)
    assert not verdicts["contract"].red
    assert "caution" in said(verdicts)


def test_raw_pixels(gate: Gate) -> None:
    verdicts = gate.judge_file(gate.data(calibrated=as_it_is, evaluated=pixels))
    assert verdicts["contract"].red
    assert "feed x / 255" in said(verdicts)


def test_samples_in_another_scale(gate: Gate) -> None:
    verdicts = gate.judge_file(gate.data(calibrated=as_it_is, evaluated=dim))
    assert not verdicts["contract"].red
    assert "caution: the evaluation samples use 0.02 of an input's range" in said(verdicts)


def test_a_state_that_calibration_never_sees(gate: Gate) -> None:
    asleep = gate.data(calibrated=as_it_is, evaluated=as_it_is, state=0)
    with pytest.raises(ConfigurationError, match="calibration sample has 0 for the input state"):
        gate.judge(asleep, SIZE)


def test_a_state_that_nothing_sees(gate: Gate) -> None:
    asleep = gate.data(calibrated=as_it_is, evaluated=as_it_is, state=0, state_evaluated=0)
    verdicts = gate.judge(asleep, SIZE)
    assert verdicts["contract"].red
    assert "input state: its quantised range has no width" in said(verdicts)
