"""How often a regression is proven that is none: simulated accepted and new answers, through the
code that packs, reads and compares the scores of a gate.

    python benchmarks/regression.py [RUNS] [SAMPLES]

Each run draws the answers of an accepted artifact (95 % right) and of a new one that differs from
it on some samples, with the true loss at the limit of 0.5 points, at half of it, and at twice.
"Red, proven" at the limit and below is wrong; it should be 5 % at the limit.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.accepted_scores import packed, unpacked
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.measures.metrics.resampling import ALL
from pytest_edgegate.measures.regression import accuracy_regression

LIMIT, RIGHT, MENDED = 0.005, 0.95, 0.01
"""The limit in points; the share of right answers; of those that only the new one gets right."""
SCORING = as_scoring("top1", indexable=True)


def evidence(right: Any) -> Evidence:
    return Evidence({"rank": np.where(right, 0, 1)}, len(right), "", "host:fake")


def run(loss: float, samples: int, draw: np.random.Generator) -> tuple[Outcome, bool]:
    """The outcome with a true loss, and whether it is proven."""
    kinds = draw.random(samples)
    broken = kinds < loss + MENDED  # right before, wrong now
    mended = (kinds >= loss + MENDED) & (kinds < loss + 2 * MENDED)
    others = draw.random(samples) < RIGHT
    before, now = np.where(mended, False, others | broken), np.where(broken, False, others | mended)
    kept = SCORING.kept(evidence(before))
    assert kept is not None
    content = packed({"0": kept})
    stored = Evidence(SCORING.restored(unpacked(content, "0", "")), samples, "", "accepted")
    figures = {"top1": AcceptedFigure(float(before.mean()), "host:fake", samples)}
    entry = AcceptedArtifact((), "m", "", "d", "fake", "old", 1, {}, figures)
    memory: Any = SimpleNamespace(
        artifact=lambda: entry,
        is_same_file=lambda: False,
        has_same_samples=lambda: True,
        other_samples=lambda: "",
        changed=lambda metric: "",
        scores=lambda metric: stored,
        rerun=lambda: None,
    )
    passes: Any = SimpleNamespace(
        scoring=SCORING, resampling=ALL, predictions=lambda: evidence(now)
    )
    finding = accuracy_regression(passes, memory)
    found = judge(finding, Budget("accuracy_regression", LIMIT), Rules(), "board")
    return found.outcome, found.proven


def main() -> None:
    runs, samples = (int(each) for each in (*sys.argv[1:], "4000", "10000")[:2])
    print(f"{runs:,} runs of {samples:,} samples, limit {LIMIT}")
    print("| true loss | red, proven | green, proven | s |\n|---|---|---|---|")
    for factor in (0.5, 1.0, 2.0):
        draw, start = np.random.default_rng(int(10 * factor)), time.perf_counter()
        found = [run(factor * LIMIT, samples, draw) for _ in range(runs)]
        red = sum(each == (Outcome.FAIL, True) for each in found) / runs
        green = sum(each == (Outcome.PASS, True) for each in found) / runs
        took = time.perf_counter() - start
        print(f"| {factor * LIMIT:g} | {red:.1%} | {green:.1%} | {took:.1f} |", flush=True)


if __name__ == "__main__":
    main()
