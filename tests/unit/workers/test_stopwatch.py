"""The timing loop, on a clock that only moves while a model runs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from pytest_edgegate.testing.fakes import FakeClock
from pytest_edgegate.workers.stopwatch import TICKS, WINDOW, HostStopwatch, TimedModel


class Model:
    """Notes each opening and call; an inference takes what ``times`` says, the last one on."""

    def __init__(self, name: str, clock: FakeClock, log: list[str], *times: float) -> None:
        self.name, self.clock, self.log, self.times = name, clock, log, times

    def __enter__(self) -> Model:
        self.log.append(f"open {self.name}")
        self.left = list(self.times)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.log.append(f"close {self.name}")

    def once(self, sample: tuple[Any, ...]) -> Callable[[], object]:
        assert sample == ("sample",)

        def call() -> None:
            assert not gc.isenabled(), "the collector may run while the clock does"
            self.log.append(self.name)
            self.clock.seconds += self.left.pop(0) if len(self.left) > 1 else self.left[0]

        return call


def watch(clock: FakeClock, *models: Model) -> HostStopwatch:
    sides = [TimedModel(lambda model=model: model, ("sample",)) for model in models]  # type: ignore[misc]
    return HostStopwatch("host:fake", sides, 1, clock)


def test_blocks_go_abba_or_baab_and_both_come() -> None:
    clock, log = FakeClock(), list[str]()
    timed = watch(clock, Model("A", clock, log, 0.001), Model("B", clock, log, 0.002)).round(0.2)
    assert timed.artifact == pytest.approx([0.001] * len(timed.artifact))
    assert timed.reference == pytest.approx([0.002] * len(timed.artifact))
    calls = [each for each in log if len(each) == 1]
    blocks = calls[-2 * len(timed.artifact) :]
    seen = {"".join(blocks[at : at + 4]) for at in range(0, len(blocks), 4)}
    assert seen == {"ABBA", "BAAB"}
    assert 0.2 <= 0.003 * len(timed.artifact) < 0.2 + 0.006


def test_each_round_opens_anew_and_in_either_order() -> None:
    clock, log = FakeClock(), list[str]()
    stopwatch = watch(clock, Model("A", clock, log, 0.001), Model("B", clock, log, 0.001))
    for _ in range(20):
        stopwatch.round(0.01)
    opened = [each for each in log if each.startswith("open")]
    assert {tuple(opened[at : at + 2]) for at in range(0, 40, 2)} == {
        ("open A", "open B"),
        ("open B", "open A"),
    }
    assert len([each for each in log if each.startswith("close")]) == 40


@pytest.mark.parametrize("warm", [0.0005, 0.002, 0.01])
def test_a_warm_up_lasts_until_the_median_settles_however_short_the_round_is(warm: float) -> None:
    clock, log = FakeClock(), list[str]()
    cold = [20 * warm, *(10 * warm * 0.8**at for at in range(10))]
    timed = watch(clock, Model("A", clock, log, *cold, warm)).round(1e-3)
    assert timed.first == pytest.approx(cold[0])
    assert timed.artifact == pytest.approx([warm] * len(timed.artifact))
    assert timed.settled


def test_a_slow_model_is_warm_when_two_calls_agree() -> None:
    clock, log = FakeClock(), list[str]()
    timed = watch(clock, Model("A", clock, log, 3.0, 2.0)).round(0.03)
    assert log == ["open A", *"AAA", "A", "close A"]
    assert timed.artifact == (2.0,)
    assert timed.settled


@pytest.mark.parametrize(
    ("times", "calls"),
    [([2.0 * 0.9**at for at in range(9)], 3), ([0.001 * 0.98**at for at in range(500)], 200)],
)
def test_a_warm_up_that_does_not_settle_is_cut_short_and_told(
    times: list[float], calls: int
) -> None:
    clock, log = FakeClock(), list[str]()
    timed = watch(clock, Model("A", clock, log, *times)).round(1e-9)
    assert log.count("A") == calls + 1
    assert not timed.settled


def test_which_is_warmed_up_first_is_drawn() -> None:
    clock, log = FakeClock(), list[str]()
    stopwatch = watch(clock, Model("A", clock, log, 0.001), Model("B", clock, log, 0.001))
    for _ in range(20):
        stopwatch.round(1e-9)
    opened = "".join(each[0] for each in log).split("oo")[1:]
    assert {each[0] for each in opened} == {"A", "B"}


def test_for_no_time_only_the_first_inference_is_timed() -> None:
    clock, log = FakeClock(), list[str]()
    timed = watch(clock, Model("A", clock, log, 3.0)).round(0)
    assert log == ["open A", "A", "close A"]
    assert timed.first == 3.0
    assert timed.artifact == ()


def test_how_many_times_a_round_has_does_not_depend_on_them() -> None:
    clock, log = FakeClock(), list[str]()
    warm = [0.001] * 10
    for time in (0.0011, 0.0009):
        assert len(watch(clock, Model("A", clock, log, *warm, time)).round(0.03).artifact) == 30
    slow = watch(clock, Model("A", clock, log, *warm, 0.02)).round(0.03)
    assert len(slow.artifact) == 5, "three times as long at most"


def test_what_is_shorter_than_the_clocks_steps_is_repeated() -> None:
    class Coarse(FakeClock):
        """Every look takes a microsecond."""

        def __call__(self) -> float:
            self.seconds += 1e-6
            return self.seconds

    clock, log = Coarse(), list[str]()
    timed = watch(clock, Model("A", clock, log, 1e-6)).round(1e-3)
    calls = log.count("A") / len(timed.artifact)
    assert calls >= TICKS / 2
    assert timed.repeat >= TICKS / 2
    assert timed.artifact[0] == pytest.approx(1e-6, rel=0.05)


def test_the_collector_is_as_it_was() -> None:
    clock, log = FakeClock(), list[str]()
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            watch(clock, Model("A", clock, log, 1e-3)).round(0.01)
            assert gc.isenabled() is on
        finally:
            gc.enable()


def test_what_times_depend_on_is_told() -> None:
    stopwatch = watch(FakeClock(), Model("A", FakeClock(), [], 1e-3))
    assert stopwatch.conditions["threads"] == 1
    assert stopwatch.conditions.keys() == {"threads", "governor", "load", "clock_tick"}
    assert stopwatch.source == "host:fake"
    assert WINDOW % 2, "a median of an even number of times is none of them"
