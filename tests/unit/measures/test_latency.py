"""Both latency engines, simulated through the loop that times real models, on a fake clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, cast

import numpy as np
import pytest
from scipy.stats import norm

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.ports import Round
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.shown_record import SHARES
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.catalogue import measure
from pytest_edgegate.measures.latency import unreachable
from pytest_edgegate.measures.latency_percentiles import QUANTILES, Times, time_until_decided
from pytest_edgegate.measures.latency_rounds import Rounds, distributions
from pytest_edgegate.measures.providers import Providers
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.targets.parse import target_from_table
from pytest_edgegate.testing import fakes
from pytest_edgegate.testing.fakes import FakeClock, fake_call
from pytest_edgegate.workers.stopwatch import HostStopwatch, TimedModel

LIMIT = 1.05
WILD = {"outliers": 0.01, "drift": 0.3, "shift": 0.005}
"""One in a hundred takes five times as long, all is 30 % slower after 20 seconds, and the times of
one opening are half a percent off together."""


@pytest.fixture(autouse=True)
def _same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ran before."""
    monkeypatch.setattr(fakes, "_draws", np.random.default_rng(1))


class Opened:
    """A fake model whose inferences only let a clock go on."""

    def __init__(self, content: Mapping[str, Any], clock: FakeClock) -> None:
        self._content, self._clock = content, clock

    def __enter__(self) -> Opened:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def once(self, sample: tuple[Any, ...]) -> Callable[[], object]:
        return fake_call(self._content, self._clock)


class Cooling(HostStopwatch):
    """Whose rounds take a second, and never settle."""

    def round(self, seconds: float) -> Round:
        cast("FakeClock", self._clock).seconds += 1
        return Round((0.1,), (), 0.1, 0.1, settled=False)


class Coarse(FakeClock):
    """Every look takes a microsecond."""

    def __call__(self) -> float:
        self.seconds += 1e-6
        return self.seconds


class Context:
    """What an engine asks for, with an artifact that takes *ratio* times as long."""

    patience, floor = 20.0, 20e-6

    def __init__(self, metric: str, limit: float, ratio: float = 1.0, **content: Any) -> None:
        self.clock = FakeClock()
        self.limits = {metric: limit}
        slower = {"seconds": ratio * content.setdefault("seconds", 1e-3)}
        contents = [content | slower, content][: 2 if metric == "latency_ratio" else 1]
        self._sides = [
            TimedModel(lambda each=each: Opened(each, self.clock), ()) for each in contents
        ]  # type: ignore[misc]
        self.told: list[tuple[str, float, float | None]] = []

    def stopwatch(self, metric: str) -> HostStopwatch:
        return HostStopwatch("host:fake", self._sides, 1, self.clock)

    def times(self, metric: str) -> Any:
        watch = self.stopwatch(next(iter(self.limits)))
        return time_until_decided(watch, self.limits, self.patience, self.progress)

    def progress(self, what: str, done: float, total: float | None) -> None:
        self.told.append((what, done, total))


def found(context: Context) -> Measurement:
    (metric,) = context.limits
    asked = cast("Any", context)
    finding = measure(metric, Providers(asked, asked, asked))
    assert isinstance(finding, Measurement)
    return finding


def verdicts(runs: int, metric: str, limit: float, **content: Any) -> Counter[str]:
    """How often each verdict came; those that the interval did not decide count as undecided."""
    counted: Counter[str] = Counter()
    for _ in range(runs):
        context = Context(metric, limit, **content)
        verdict = judge(found(context), Budget(metric, limit), Rules(), "board")
        counted[str(verdict.outcome) if verdict.proven else "undecided"] += 1
    return counted


def total(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter())


def lognormal(metric: str, noise: float) -> float:
    """The quantile of such times around a millisecond."""
    return 1e-3 * math.exp(noise * float(norm.ppf(QUANTILES[metric])))


NOISES = (0.01, 0.05, 0.15)


def test_at_the_boundary_hardly_any_verdict_is_decided() -> None:
    """All noises together, on each side at most 1 of 45: where 10 % are decided, that has a chance
    of 0.05."""
    counted = total(
        verdicts(15, "latency_ratio", LIMIT, ratio=LIMIT, noise=noise, **WILD) for noise in NOISES
    )
    assert max(counted["fail"], counted["pass"]) <= 1, counted


def test_just_within_is_hardly_ever_red() -> None:
    """None of 45: where 6.5 % are red, that has a chance of 0.05."""
    counted = total(
        verdicts(15, "latency_ratio", LIMIT, ratio=1.04, noise=noise, **WILD) for noise in NOISES
    )
    assert counted["fail"] == 0, counted


@pytest.mark.parametrize("noise", NOISES)
def test_a_tenth_over_is_seen(noise: float) -> None:
    """All of 60: where 5 % are missed, that has a chance of 0.05."""
    counted = verdicts(60, "latency_ratio", LIMIT, ratio=1.155, noise=noise, **WILD)
    assert counted == {"fail": 60}


def test_what_is_clear_is_decided_in_a_second() -> None:
    for ratio in (0.9, 1.3):
        context = Context("latency_ratio", LIMIT, ratio, noise=0.05, **WILD)
        finding = found(context)
        assert context.clock.seconds < 1
        assert finding.value == pytest.approx(ratio, rel=0.03)
        assert finding.typical == pytest.approx(ratio * 1e-3, rel=0.03)
        assert context.told[-1][1:] == (pytest.approx(context.clock.seconds, rel=0.1), 20.0)


@pytest.mark.parametrize("metric", QUANTILES)
def test_at_the_true_quantile_hardly_any_tail_is_decided(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    """Of the typical opening: each side errs in at most 1 %, as the limits say. At most 2 of 60:
    where 10 % are decided, that has a chance of 0.05."""
    monkeypatch.setattr(Context, "patience", 5.0)
    counted = total(
        verdicts(20, metric, lognormal(metric, noise), noise=noise, shift=shift)
        for noise, shift in ((0.01, 0.005), (0.05, 0.01), (0.15, 0.0))
    )
    assert max(counted["fail"], counted["pass"]) <= 2, counted


def test_a_tail_is_not_taken_for_the_median_where_rounds_are_short() -> None:
    """A limit between the two, on a model of which a round of 30 ms would hold one time."""
    p90 = 0.04 * math.exp(0.3 * float(norm.ppf(0.9)))
    assert verdicts(10, "latency_p95", p90, seconds=0.04, noise=0.3)["pass"] == 0


@pytest.mark.parametrize("metric", QUANTILES)
def test_a_tail_that_is_clear_is_decided(metric: str) -> None:
    assert verdicts(20, metric, 2e-3, noise=0.1) == {"pass": 20}
    assert verdicts(20, metric, 0.9e-3, noise=0.05) == {"fail": 20}


def test_cold_calls_are_in_no_tail() -> None:
    """On a model of 2 ms, of which a round of 30 ms holds few."""
    given = {"seconds": 2e-3, "noise": 0.05, "warm_up": 4}
    assert verdicts(20, "latency_p95", 3e-3, **given) == {"pass": 20}


def test_what_to_know_of_the_times_is_noted() -> None:
    context = Context("latency_p95", 2e-3, noise=0.05, warm_up=4)
    assert found(context).remark == ""
    rounds = Rounds(Cooling("host:fake", [], 1, FakeClock()), 3.0)
    assert len(list(rounds)) == 3
    assert rounds.remark() == "in 3 of 3 rounds the times still fell when the warm-up ended"
    assert rounds.conditions["unsettled_rounds"] == 3
    context = Context("latency_p95", 2e-3, seconds=1e-6)
    context.clock = Coarse()
    finding = found(context)
    assert "each time is the mean of up to" in finding.remark
    assert int(str(finding.conditions["repeat"])) > 1
    assert finding.conditions.keys() == {
        "threads",
        "governor",
        "load",
        "load_after",
        "clock_tick",
        "repeat",
        "unsettled_rounds",
    }


def test_a_clock_that_stands_still_leaves_limits_that_are_numbers() -> None:
    rounds = Rounds(Cooling("host:fake", [], 1, FakeClock()), 3.0)
    times = Times({"latency_p99": 1e-3}, rounds)
    for _ in range(12):
        times.add(Round((0.0,) * 20, (), 0.0, 0.0))
    assert times.ends("latency_p99") == (pytest.approx(0, abs=1e-9), math.inf)


def test_all_percentiles_share_their_timings() -> None:
    limits = {"latency_p50": 2e-3, "latency_p99": 9e-3}
    context = Context("latency_p50", 2e-3, noise=0.1)
    context.limits = dict(limits)
    times = context.times("latency_p50")
    assert times.decided
    assert times.count >= 725, "p99 needs as many, and p50 alone some nine"
    for metric in limits:
        assert times.measurement(metric).n == times.count
        assert times.measurement(metric).typical == pytest.approx(1e-3, rel=0.05)


def test_what_is_far_over_needs_no_long_rounds() -> None:
    context = Context("latency_p99", 6e-3, seconds=0.2, noise=0.05)
    assert found(context).low == pytest.approx(0.2, rel=0.1)
    assert context.clock.seconds < 12


def test_the_first_inference_is_not_that_of_a_warm_model() -> None:
    finding = found(Context("latency_first", 2e-2, noise=0.02, warm_up=20))
    assert finding.n == 9
    assert finding.value == pytest.approx(1e-2, rel=0.05)
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low <= finding.value <= finding.high


def test_a_hiccup_among_first_inferences_costs_some_more_starts() -> None:
    """An outlier in five starts: nine of nine within are rare."""
    counted = verdicts(50, "latency_first", 2e-2, noise=0.1, warm_up=1, outliers=0.2)
    assert counted == {"pass": 50}
    context = Context("latency_first", 2e-2, noise=0.1, warm_up=1, outliers=0.2)
    assert 9 < (found(context).n or 0) < 60


def test_at_the_boundary_hardly_any_first_inference_is_decided() -> None:
    """On each side at most 1 of 40: where 12 % are decided, that has a chance of 0.04."""
    counted = verdicts(40, "latency_first", 1e-2, noise=0.2, warm_up=1)
    assert max(counted["fail"], counted["pass"]) <= 1, counted


def test_a_slow_start_stops_in_time_and_says_what_it_takes() -> None:
    context = Context("latency_first", 10.0, seconds=6.0)
    finding = found(context)
    assert finding.n == 4
    assert finding.high == float("inf")
    assert "4 fresh processes" in finding.undecided
    assert "it takes 9 at least, of 6 s each here" in finding.undecided
    assert finding.undecided_remedy == "give the measurement longer: edge_latency_time = 81 s"
    context.patience = 81
    assert found(context).high == 6.0


def test_a_hosts_latency_is_never_given_for_a_devices() -> None:
    bare = {"formats": ["f"], "dtypes": ["int8"], "runtimes": {"f": ["r"]}}
    board = target_from_table("board", bare)
    refused = unreachable("latency_p95", board)
    assert isinstance(refused, NotMeasured)
    assert "this host's latency says nothing about it" in refused.reason
    assert "--edge-allow-unmeasured=board:latency_p95" in refused.remedy
    own = target_from_table("board", bare | {"latency": {"remedy": "measure {metric} on it"}})
    assert unreachable("latency_p95", own).remedy == "measure latency_p95 on it"


@pytest.mark.parametrize("name", ["coral", "raspberry-pi", "jetson-nano", "jetson-orin-nano"])
def test_a_target_that_starts_from_another_is_named_itself(name: str) -> None:
    camera = replace(built_in()[name], name="camera")
    remedy = unreachable("latency_p95", camera).remedy
    assert "--edge-allow-unmeasured=camera:latency_p95" in remedy
    assert f"={name}:" not in remedy


def test_a_remedy_of_the_user_may_have_braces() -> None:
    own = replace(built_in()["coral"], latency_remedy="run {this} on {target} for {metric}")
    assert unreachable("latency_p95", own).remedy == "run {this} on coral for latency_p95"


@pytest.mark.parametrize(("ratio", "outcome"), [(1.085, "pass"), (1.1, "fail")])
def test_an_excess_near_the_floor_is_decided_by_its_bounds(ratio: float, outcome: str) -> None:
    """17.5 and 25 us over the limit, where the floor is 20: the first nine rounds have either on
    the wrong side in one of three to seven measurements."""
    for _ in range(6):
        context = Context("latency_ratio", 1.05, ratio=ratio, seconds=5e-4, noise=0.05, shift=0.01)
        judged = judge(found(context), Budget("latency_ratio", 1.05), Rules(), "board")
        assert str(judged.outcome) == outcome


def test_a_ratio_far_over_its_limit_is_not_timed_for_the_floor() -> None:
    context = Context("latency_ratio", 1.05, ratio=1.2, seconds=5e-4, noise=0.05, shift=0.01)
    found(context)
    assert context.clock.seconds < 1


def test_a_distribution_is_kept_as_times_that_were_taken() -> None:
    taken = np.random.default_rng(5).gamma(2.0, 1e-3, 977)
    found = distributions(taken, taken[:200] * 2)
    assert found.n == 977
    assert (found.artifact[0], found.artifact[-1]) == (
        pytest.approx(taken.min(), rel=1e-4),
        pytest.approx(taken.max(), rel=1e-4),
    )
    assert found.artifact[SHARES.index(0.5)] == pytest.approx(np.median(taken), rel=1e-4)
    for side in (found.artifact, found.other):
        assert len(side) == len(SHARES)
        assert list(side) == sorted(side)
    assert distributions([0.5]).artifact == (0.5,) * len(SHARES)
    assert distributions([0.5]).other == ()
