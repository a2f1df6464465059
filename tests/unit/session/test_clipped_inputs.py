"""Clipped inputs: what is meant, what is proven to do no harm, and what else is said of inputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate.core.budget import CONTRACT, Budget
from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.diagnosis import contract as diagnosis
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.measures.steadiness import Steadiness
from pytest_edgegate.session.before import NOTHING
from pytest_edgegate.session.judging import Judging, _outweighed
from pytest_edgegate.targets.folder import built_in

PERCENTILE, MINMAX = PTQ(method="percentile"), PTQ()


def artifact(*steps: PTQ, made: bool = True) -> Any:
    return SimpleNamespace(made=made, recipe=steps)


def verdict(
    metric: str = "accuracy_min", outcome: Outcome = Outcome.PASS, *, proven: bool = True
) -> Verdict:
    return Verdict(Budget(metric, 0.5), outcome, "", proven=proven)


@pytest.mark.parametrize(
    ("given", "judged", "outweighed"),
    [
        (artifact(MINMAX), [], False),
        (artifact(PERCENTILE), [], True),
        (artifact(PERCENTILE, made=False), [], False),
        (artifact(MINMAX), [verdict("sqnr_db"), verdict("accuracy_drop")], True),
        (artifact(MINMAX, made=False), [verdict()], True),
        (artifact(MINMAX), [verdict(proven=False)], False),
        (artifact(MINMAX), [verdict(outcome=Outcome.FAIL)], False),
        (artifact(MINMAX), [verdict("parity_agreement"), verdict("size")], False),
    ],
)
def test_clipping_is_outweighed(given: Any, judged: list[Verdict], outweighed: bool) -> None:
    assert _outweighed(given, judged) is outweighed


UNIT = TensorInfo("x", (1, 4), "uint8", scales=(1 / 255,), zero_points=(0,))
OTHER = TensorInfo("y", (1, 4), "float32")
"""It is constant in calibration and in evaluation."""


def file() -> Any:
    """A file of the gate for a board that takes integers only."""
    found = artifact(MINMAX)
    found.dtype, found.provenance = "int8", {"calibration_ranges": {"x": (0, 1), "y": (7, 7)}}
    return SimpleNamespace(
        artifact=found,
        target=built_in()["coral"],
        description=lambda: ModelDescription((UNIT, OTHER), (), (), 0, 0),
        probe=lambda: "",
        executed=lambda: None,
        placed=lambda: None,
        gates_mapping=False,
        other_signatures=lambda: (),
    )


def passes(clipped: int) -> Any:
    fed = FedInput("x", 0, 9, 100, clipped), FedInput("y", 7, 7, 100)
    return SimpleNamespace(fed=lambda: fed, misplaced_outputs=lambda: (), steadiness=Steadiness)


def with_inputs(clipped: int, *others: Verdict, input_check: bool = True) -> Verdict:
    """The verdict on a contract without offences of the file."""
    settings: Any = SimpleNamespace(input_check=input_check, rules=Rules())
    judging = Judging(settings, *[cast("Any", None)] * 6)
    first = Verdict(
        Budget(CONTRACT.name, 0), Outcome.PASS, "", measured=Measurement(0.0, "file", n=None)
    )
    case: Any = SimpleNamespace(target=SimpleNamespace(name="coral"), test="t", before=NOTHING)
    providers: Any = SimpleNamespace(file=file(), passes=passes(clipped))
    return judging._with_inputs([first, *others], case, providers)


@pytest.mark.parametrize(
    ("found", "outcome", "clipping_is_noted"),
    [
        (with_inputs(0), Outcome.PASS, False),
        (with_inputs(3), Outcome.PASS, True),
        (with_inputs(40), Outcome.FAIL, False),  # as an offence
        (with_inputs(40, verdict()), Outcome.PASS, True),
        (with_inputs(40, input_check=False), Outcome.PASS, False),
    ],
)
def test_what_is_said_of_another_input_is_kept_whatever_clipping_comes_to(
    found: Verdict, outcome: Outcome, clipping_is_noted: bool
) -> None:
    assert found.outcome is outcome
    assert "caution: the input y is 7 in all calibration and evaluation samples" in found.note
    assert ("values are clipped" in found.note) is clipping_is_noted


def test_the_file_s_own_faults_come_before_what_it_clips() -> None:
    found = diagnosis.contract(Measurement(2.0, "file"), file(), passes(40))
    own, clipping = found.details
    assert "input y" in own
    assert clipping.startswith("40.0% of the values are clipped: the input x holds 0 to 1")
    assert "left in another dtype" in found.cause
