"""How often a latency verdict is wrong, by simulation through the code that times real models.

    python benchmarks/latency_simulation.py [runs]

Times pass on a clock that only fake models move; everything else is the real path: the timing
loop, the sequential limits, the judge.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.latency import latency_ratio
from pytest_edgegate.testing.fakes import FORMAT, FakeClock, FakeRunner, fake_call
from pytest_edgegate.workers.stopwatch import HostStopwatch, Side

LIMIT = 1.05
BUDGET = Budget("latency_ratio", LIMIT)
RATIOS, NOISES = (1.0, 1.04, 1.05, 1.1, 1.155), (0.01, 0.05, 0.15)


class Model(FakeRunner):
    """A fake model on a clock of its own."""

    def __init__(self, content: dict[str, Any], clock: FakeClock) -> None:
        super().__init__({"format": FORMAT, "dtype": "float32", **content}, "")
        self._own, self._clock = content, clock

    def once(self, sample: tuple[Any, ...]) -> Any:
        return fake_call(self._own, self._clock)


def verdict(ratio: float, noise: float) -> tuple[str, float]:
    """(what one gate says, how long it took on its clock)."""
    clock = FakeClock()
    float_model = {"seconds": 1e-3, "noise": noise, "outliers": 0.01, "drift": 0.3}
    sides = [
        Side(lambda: Model({**float_model, "seconds": ratio * 1e-3}, clock), ()),
        Side(lambda: Model(float_model, clock), ()),
    ]
    watch = HostStopwatch("host:fake", sides, 1, clock)
    context = SimpleNamespace(
        stopwatch=lambda metric: watch, asked={"latency_ratio": BUDGET}, patience=20.0,
        floor=20e-6, tell=lambda *told: None,
    )  # fmt: skip
    found = latency_ratio(cast("Any", context))
    assert isinstance(found, Measurement)
    judged = judge(found, BUDGET, Rules(), "host")
    outcome = str(judged.outcome)
    return (outcome if judged.proven else f"{outcome}, not proven"), clock.seconds


def main(runs: int) -> None:
    print("| noise | true ratio | red, proven | green, proven | undecided | median seconds |")
    print("|---|---|---|---|---|---|")
    for noise in NOISES:
        for ratio in RATIOS:
            found = [verdict(ratio, noise) for _ in range(runs)]
            counted = Counter(each for each, _ in found)
            red, green = counted["fail"] / runs * 100, counted["pass"] / runs * 100
            seconds = statistics.median(each for _, each in found)
            print(
                f"| {noise * 100:g} % | {ratio:g} | {red:.1f} % | {green:.1f} % | "
                f"{100 - red - green:.1f} % | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
