"""How often a latency verdict is wrong, by simulation through the code that times real models.

    python benchmarks/latency_simulation.py [runs] [ratio] [percentiles]

Times pass on a clock that only fake models move; everything else is the real path: the timing
loop, the sequential limits, the judge. Every opening shifts all its times together.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

from scipy.stats import norm

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.progress import silent
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.catalogue import measure
from pytest_edgegate.measures.latency_percentiles import QUANTILES, time_until_decided
from pytest_edgegate.measures.providers import Providers
from pytest_edgegate.testing.fake_files import FORMAT
from pytest_edgegate.testing.fakes import FakeClock, FakeRunner, fake_call
from pytest_edgegate.workers.stopwatch import HostStopwatch, TimedModel

LIMIT, PATIENCE = 1.05, 20.0
RATIOS, NOISES, SHIFTS = (1.0, 1.04, 1.05, 1.1, 1.155), (0.01, 0.05, 0.15), (0.0, 0.005, 0.01)
WILD = {"outliers": 0.01, "drift": 0.3, "shift": 0.005}


class Model(FakeRunner):
    """A fake model on a clock of its own."""

    def __init__(self, content: dict[str, Any], clock: FakeClock) -> None:
        super().__init__({"format": FORMAT, "dtype": "float32", **content}, "")
        self._own, self._clock = content, clock

    def once(self, sample: tuple[Any, ...]) -> Any:
        return fake_call(self._own, self._clock)


def verdict(metric: str, limit: float, *models: dict[str, Any]) -> tuple[str, float]:
    """(what one gate says, how long it took on its clock)."""
    clock, budget = FakeClock(), Budget(metric, limit)
    sides = [TimedModel(partial(Model, each, clock), ()) for each in models]
    watch = HostStopwatch("host:fake", sides, 1, clock, PATIENCE)

    fake = SimpleNamespace(
        stopwatch=lambda metric: watch,
        limits={metric: limit},
        patience=PATIENCE,
        floor=20e-6,
        progress=silent,
        times=lambda metric: time_until_decided(watch, {metric: limit}, PATIENCE, silent),
    )
    clocked = cast("Any", fake)
    found = measure(metric, Providers(clocked, clocked, clocked))
    assert isinstance(found, Measurement)
    judged = judge(found, budget, Rules(), "host")
    outcome = str(judged.outcome)
    return (outcome if judged.proven else f"{outcome}, not proven"), clock.seconds


def row(runs: int, what: str, metric: str, limit: float, *models: dict[str, Any]) -> None:
    found = [verdict(metric, limit, *models) for _ in range(runs)]
    counted = Counter(each for each, _ in found)
    red, green = counted["fail"] / runs * 100, counted["pass"] / runs * 100
    seconds = statistics.median(each for _, each in found)
    undecided = 100 - red - green
    print(
        f"| {what} | {red:.1f} % | {green:.1f} % | {undecided:.1f} % | {seconds:.1f} |", flush=True
    )


def ratios(runs: int) -> None:
    print("| noise | true ratio | red, proven | green, proven | undecided | median seconds |")
    print("|---|---|---|---|---|---|")
    for noise, ratio in product(NOISES, RATIOS):
        reference = {"seconds": 1e-3, "noise": noise, **WILD}
        artifact = reference | {"seconds": ratio * 1e-3}
        what = f"{noise * 100:g} % | {ratio:g}"
        row(runs, what, "latency_ratio", LIMIT, artifact, reference)


def percentiles(runs: int) -> None:
    """The true quantile, in a typical opening, is at the limit; then a tenth under and over it."""
    head = "budget | noise | shift | limit over truth"
    print(f"| {head} | red, proven | green, proven | undecided | median seconds |")
    print("|---|---|---|---|---|---|---|---|")
    at_the_limit = list(product(QUANTILES, NOISES, SHIFTS, (1.0,)))
    beside = list(product(QUANTILES, NOISES, (0.005,), (1.1, 0.9)))
    for metric, noise, shift, off in (*at_the_limit, *beside):
        true = 1e-3 * math.exp(noise * float(norm.ppf(QUANTILES[metric])))
        what = f"`{metric}` | {noise * 100:g} % | {shift * 100:g} % | {off:g}"
        row(runs, what, metric, off * true, {"seconds": 1e-3, "noise": noise, "shift": shift})


PARTS = {"ratio": ratios, "percentiles": percentiles}

if __name__ == "__main__":
    given = sys.argv[1:]
    (count,) = [int(each) for each in given if each.isdigit()][:1] or [400]
    for name in [each for each in given if each in PARTS] or PARTS:
        PARTS[name](count)
