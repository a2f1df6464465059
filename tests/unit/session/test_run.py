"""One run over the fakes: plan, build, observe, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData, Metric
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import (
    ConfigurationError,
    EdgeGateWarning,
    InferenceError,
    UnsupportedError,
)
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.testing.fakes import FakeRuntime, FakeTransform, fake_model, fake_samples

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]


class Counting(FakeTransform):
    """A transform that counts what it makes."""

    def __init__(self) -> None:
        self.made = 0

    def apply(self, *given: Any, **named: Any) -> Any:
        self.made += 1
        return super().apply(*given, **named)


class Watching(FakeRuntime):
    """A runtime that counts how often it is opened."""

    def __init__(self) -> None:
        super().__init__("")
        self.opened = 0

    def open(self, model: Any) -> Any:
        self.opened += 1
        return super().open(model)


def judged(
    session: EdgeSession, subject: Given, target: str = "fake-board", **budgets: float
) -> dict[str, Verdict]:
    board = session.target(target)
    artifact = session.compress(session.case(subject, board), None)
    asked = tuple(Budget(name, limit) for name, limit in budgets.items())
    found = session.judge(session.case(subject, board), artifact, asked, contract=True)
    return {each.budget.metric: each for each in found}


def test_an_artifact_is_built_once_for_its_content(start: Starter, subject: Maker) -> None:
    transform = Counting()
    given = subject()
    for run in range(2):
        session = start()
        session.registry.add("transform", "fake", transform)
        board = session.target("fake-board")
        artifact = session.compress(session.case(given, board), (PTQ(),))
        assert artifact.cached is (run == 1)
        assert (artifact.format, artifact.dtype, artifact.target) == (
            "edgegate-fake",
            "int8",
            "fake-board",
        )
        assert artifact.size_bytes == artifact.path.stat().st_size
    assert transform.made == 1
    session.compress(session.case(given, board), (PTQ(10),))
    session.compress(session.case(given, board), (PTQ(per_channel=False),))
    session.compress(session.case(subject(wrong=[1]), board), (PTQ(),))
    other = EdgeData(calibration=fake_samples(20, start=500)[0], evaluation=fake_samples(200))
    session.compress(session.case(subject(other, wrong=[1]), board), (PTQ(),))
    assert transform.made == 5


def test_what_only_evaluates_does_not_build_anew(start: Starter, subject: Maker) -> None:
    session = start()
    board = session.target("fake-board")
    session.compress(session.case(subject(), board), (PTQ(),))
    calibration = fake_samples(20, start=10_000)[0]
    more = EdgeData(calibration=calibration, evaluation=fake_samples(300))
    assert start().compress(start().case(subject(more), board), (PTQ(),)).cached


def test_predictions_come_from_the_cache(start: Starter, subject: Maker) -> None:
    runtime = Watching()
    for run in range(2):
        session = start()
        session.registry.add("runtime", "fake", runtime)
        drop = judged(session, subject(), accuracy_drop=0.01)["accuracy_drop"]
        assert drop.measured is not None
        assert drop.measured.cached is (run == 1)
    assert runtime.opened == 2 + 1 + 1  # reference and artifact once; the probe in both runs


def test_a_recipe_is_completed_and_that_is_said(start: Starter, subject: Maker) -> None:
    session = start()
    board = session.target("fake-board")
    given = subject()
    artifact = session.compress(session.case(given, board), ())
    assert artifact.recipe == (PTQ(),)
    [verdict] = session.judge(session.case(given, board), artifact, (), contract=True)
    assert "completed with PTQ(samples=200)" in verdict.as_dict()["reason"] + verdict.note
    assert "no budgets" in verdict.note
    assert verdict.no_budgets
    gated = session.judge(session.case(given, board), artifact, (Budget("size", 1),), contract=True)
    assert not any(each.no_budgets for each in gated)


def test_all_budgets_are_judged_in_their_order(start: Starter, subject: Maker) -> None:
    found = judged(
        start(),
        subject(ptq_wrong=list(range(10)), other_wrong=[50]),
        accuracy_drop=0.01,
        accuracy_min=0.9,
        size=900,
        parameters=20,
        macs=19,
        parity_agreement=0.99,
        parity_lsb=10,
        latency_p95=1.0,
        memory=5,
    )
    assert next(iter(found)) == "contract"
    assert {name: str(each.outcome) for name, each in found.items()} == {
        "contract": "pass",
        "accuracy_drop": "fail",
        "accuracy_min": "pass",
        "size": "fail",
        "parameters": "pass",
        "macs": "fail",
        "parity_agreement": "pass",
        "parity_lsb": "fail",
        "latency_p95": "not_measured",
        "memory": "not_measured",
    }
    assert all(each.target == "fake-board" and each.artifact for each in found.values())


@pytest.mark.parametrize("what", [{"float_fallback": ["ADD"]}, {"io": "int8"}])
def test_the_contract_fails_whatever_the_accuracy(
    start: Starter, subject: Maker, what: dict[str, Any]
) -> None:
    found = judged(start(), subject(**what), accuracy_drop=0.01)
    assert found["contract"].outcome is Outcome.FAIL
    assert found["accuracy_drop"].outcome is Outcome.PASS


@pytest.mark.parametrize("policy", ["point", "lenient", "strict"])
def test_nan_after_compression_fails(start: Starter, subject: Maker, policy: str) -> None:
    found = judged(
        start(policy=policy), subject(nan=list(range(0, 200, 3))), accuracy_drop=1, parity_abs=9
    )
    assert {name for name, each in found.items() if each.red} == {
        "contract",
        "accuracy_drop",
        "parity_abs",
    }


def test_what_is_allowed_to_stay_unmeasured(start: Starter, subject: Maker) -> None:
    allowed = frozenset({("fake-board", "latency_p95")})
    found = judged(start(allowed=allowed), subject(), latency_p95=1, latency_p50=1)
    assert (found["latency_p95"].red, found["latency_p50"].red) == (False, True)


def test_a_finished_file_is_gated_as_it_is(start: Starter, subject: Maker) -> None:
    given = subject(dtype="int8")
    session = start()
    artifact = session.compress(session.case(given, session.target("fake-board")), None)
    assert artifact.path == given.model
    assert artifact.recipe == ()
    found = judged(session, given, accuracy_drop=0.5, accuracy_min=0.9)
    assert found["accuracy_drop"].outcome is Outcome.NOT_MEASURED
    assert found["accuracy_min"].outcome is Outcome.PASS
    with pytest.raises(UnsupportedError, match="a finished int8 file"):
        session.compress(session.case(given, session.target("fake-board")), (PTQ(),))


def test_a_file_of_another_format_is_an_error(start: Starter, subject: Maker) -> None:
    session = start()
    path = subject(dtype="int8").model
    said = r"is an edgegate-fake model in int8, and coral takes a \.tflite file"
    with pytest.raises(ConfigurationError, match=said):
        session.adopt(path, session.target("coral"))


def test_no_model_no_drop_but_a_floor(start: Starter, tmp_path: Path, subject: Maker) -> None:
    path = fake_model(tmp_path / "theirs.fake", dtype="int8")
    session = start()
    board = session.target("fake-board")
    alone = Given(Missing("edge_model"), subject().data)
    artifact = session.adopt(path, board)
    [floor] = session.judge(session.case(alone, board), artifact, (Budget("accuracy_min", 0.9),))
    assert floor.outcome is Outcome.PASS
    [ratio] = session.judge(session.case(alone, board), artifact, (Budget("compression", 1),))
    assert ratio.outcome is Outcome.NOT_MEASURED
    with pytest.raises(ConfigurationError, match="there is no fixture edge_model"):
        session.judge(session.case(alone, board), artifact, (Budget("accuracy_drop", 0.1),))


def test_no_data_where_it_is_needed(start: Starter, tmp_path: Path) -> None:
    session = start()
    bare = Given(fake_model(tmp_path / "m.fake"))
    with pytest.raises(ConfigurationError, match="there is no fixture edge_data"):
        session.compress(session.case(bare, session.target("fake-board")), (PTQ(),))
    assert session.compress(session.case(bare, session.target("fake-host")), ()).recipe == ()


def test_calibration_samples_that_are_evaluation_samples_too(
    start: Starter, subject: Maker
) -> None:
    x, y = fake_samples(200)
    given = subject(EdgeData(calibration=x[:20], evaluation=(x, y)))
    with pytest.warns(EdgeGateWarning, match="20 calibration samples are evaluation samples too"):
        found = judged(start(), given, accuracy_drop=0.1)
    assert "20 calibration samples are" in found["accuracy_drop"].note
    assert "calibration" not in found["contract"].note


def test_calibration_samples_with_nan(start: Starter, subject: Maker) -> None:
    x, y = fake_samples(200)
    spoilt = x[:20] + 1_000
    spoilt[3, 0] = np.nan
    given = subject(EdgeData(calibration=spoilt, evaluation=(x, y)))
    session = start()
    with pytest.raises(ConfigurationError, match="1 of 20 calibration samples hold NaN or Inf"):
        session.compress(session.case(given, session.target("fake-board")), (PTQ(),))


@pytest.mark.parametrize("count", [99, 100])
def test_a_reference_no_better_than_chance(start: Starter, subject: Maker, count: int) -> None:
    data = EdgeData(calibration=fake_samples(20, 10_000)[0], evaluation=fake_samples(count))
    given = subject(data, wrong=list(range(count)))
    if count < 100:
        with pytest.warns(EdgeGateWarning, match="not proven better than always answering"):
            judged(start(), given, accuracy_drop=0.01)
    else:
        with pytest.raises(ConfigurationError, match="not proven better than always answering"):
            judged(start(), given, accuracy_drop=0.01)
    judged(start(reference_check=False), given, accuracy_drop=0.01)


class Shuffled:
    """A stream that comes in another order on every pass."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def __iter__(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        order = self._random.permutation(120)
        x, y = fake_samples(120)
        for at in range(0, 120, 40):
            yield x[order[at : at + 40]], y[order[at : at + 40]]


class Steady(Shuffled):
    def __iter__(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        x, y = fake_samples(120)
        for at in range(0, 120, 50):
            yield x[at : at + 50], y[at : at + 50]


def streamed(evaluation: object, **more: Any) -> EdgeData:
    calibration = fake_samples(20, start=10_000)[0]
    return EdgeData(calibration=calibration, evaluation=evaluation, **more)


def test_a_stream_whose_order_changes_between_passes(start: Starter, subject: Maker) -> None:
    with pytest.raises(ConfigurationError, match="a different order, on its second pass"):
        judged(start(), subject(streamed(Shuffled(), version="1")), accuracy_drop=0.01)


def test_a_steady_stream_gives_what_its_arrays_give(start: Starter, subject: Maker) -> None:
    wrong = [3, 50, 119]
    values = []
    for data in (streamed(Steady(), version="1"), streamed(fake_samples(120))):
        drop = judged(start(), subject(data, ptq_wrong=wrong), accuracy_drop=0.1)["accuracy_drop"]
        assert drop.measured is not None
        values.append((drop.measured.exact, drop.measured.low, drop.measured.n))
    assert values[0] == values[1]


def test_data_that_does_not_fit(start: Starter, subject: Maker) -> None:
    x, y = fake_samples(150)
    for evaluation, said in (
        ((x[:, :1], y), "samples of shape (1,) do not fit the input"),
        ((x, y + 5), "but the model has 10 classes"),
        ((x, None), "has no labels"),
        ((np.where(x == 7, np.nan, x), y), "holds NaN or Inf"),
    ):
        session, given = start(), subject(streamed(evaluation))
        board = session.target("fake-board")
        artifact = session.compress(session.case(given, board), None)
        with pytest.raises(ConfigurationError) as raised:
            session.judge(session.case(given, board), artifact, (Budget("accuracy_min", 0.5),))
        assert said in raised.value.message


@pytest.mark.parametrize(
    ("metric", "limit", "refused"),
    [
        ("top1", 0.5, True),
        ("top5", 1, True),
        ("auc", 0.5, True),
        ("miou", 5, True),
        ("top1", 0.49, False),
        ("mse", 300, False),
        (Metric(lambda o, l: o), 3, False),  # noqa: E741
    ],
)
def test_half_of_a_metric_is_no_budget(
    start: Starter, subject: Maker, metric: Any, limit: float, refused: bool
) -> None:
    budgets = (Budget("accuracy_drop", limit, str(limit)),)
    session = start()
    case = session.case(subject(metric=metric), session.target("fake-board"))
    if not refused:
        case.check(budgets)
        return
    with pytest.raises(ConfigurationError) as raised:
        case.check(budgets)
    assert raised.value.remedy == f"did you mean {limit / 100:g}?"


def test_a_plan_knows_whether_it_is_cached(start: Starter, subject: Maker) -> None:
    session, given = start(), subject()
    board = session.target("fake-board")
    plan = session.plan(session.case(given, board), None)
    assert not session.is_cached(session.case(given, board), plan)
    assert not (session.settings.cache).exists()
    session.compress(session.case(given, board), None)
    assert session.is_cached(session.case(given, board), plan)


def test_parity_that_no_budget_asks_for_is_shown(start: Starter, subject: Maker) -> None:
    session, given = start(), subject(other_wrong=list(range(40)))
    board = session.target("fake-board")
    case = session.case(given, board)
    artifact = session.compress(case, None)
    [verdict] = session.judge(case, artifact, (), contract=True, show_parity=True)
    assert verdict.outcome is Outcome.PASS
    assert "agreement 0.800, below the usual 0.99 on 200 samples" in verdict.note


def test_compression_is_against_the_float_export(start: Starter, subject: Maker) -> None:
    ratio = judged(start(), subject(), compression=3)["compression"]
    assert ratio.outcome is Outcome.PASS


def test_a_diagnosis_that_fails_costs_no_verdict(
    start: Starter, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start()
    case = session.case(subject(), session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))

    def broken(*given: object) -> None:
        raise InferenceError("the worker has died", "try again")

    monkeypatch.setattr("pytest_edgegate.diagnosis.files.size", broken)
    red, green = session.judge(case, artifact, (Budget("size", 1), Budget("parameters", 10**6)))
    assert (red.red, green.red) == (True, False)
    assert red.details == ("the cause is unknown: the worker has died",)


def test_a_float_export_is_made_once_for_all_who_ask(
    start: Starter, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start()
    case = session.case(subject(), session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))
    made, export = [], EdgeSession.float_export

    def counted(*given: Any) -> Any:
        made.append(given)
        return export(*given)

    monkeypatch.setattr(EdgeSession, "float_export", counted)
    session.judge(case, artifact, (Budget("compression", 100), Budget("export_error", 0)))
    assert len(made) == 1
