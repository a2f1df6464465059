"""What accepted entries cost a run in which nothing has changed.

    python benchmarks/merge_gate.py [RUNS]

Runs the example project's tests for coral with a warm cache, with the accepted entries and without,
in turn, and prints the median of the ratios, in wall time and in CPU time of all processes; then
the same with the regressions of the ini, which compare every artifact. At most 1.1 is meant.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "example_project"
RUN = ("--edge-target=coral", "-q", "-p", "no:cacheprovider", "tests", "-k", "not our_own_build")
"""Without the test that is red where nothing is accepted."""
NONE = "--edge-baseline=none"
ASKED = ("-o", "edge_regressions=accuracy = 0.005\nsize = 1.02")


def seconds(folder: Path, *arguments: str) -> tuple[float, float]:
    """Wall and CPU time of one run."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env=kept,
    )
    took, after = time.perf_counter() - start, os.times()
    assert done.returncode == 0, done.stdout
    used = after.children_user + after.children_system
    return took, used - before.children_user - before.children_system


def compare(folder: Path, runs: int, *more: str) -> None:
    ratios = []
    for turn in range(runs):
        sides = [(*RUN, *more), (*RUN, NONE)]
        timed = [seconds(folder, *each) for each in (sides[::-1] if turn % 2 else sides)]
        with_entries, without = timed[::-1] if turn % 2 else timed
        ratios.append([one / other for one, other in zip(with_entries, without, strict=True)])
    for name, column in zip(("wall", "CPU"), zip(*ratios, strict=True), strict=True):
        print(f"  {name}: {statistics.median(column):.3f} ({min(column):.3f} to {max(column):.3f})")


def main() -> None:
    runs = int(sys.argv[1]) if sys.argv[1:] else 15
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        ignored = shutil.ignore_patterns(".edgegate_cache", "__pycache__", "edge-baseline")
        shutil.copytree(PROJECT, folder, ignore=ignored)
        seconds(folder, *RUN, "--edge-update-baseline")
        seconds(folder, *RUN)
        print("with accepted entries, over without")
        compare(folder, runs)
        print("with regressions of every artifact, over without")
        compare(folder, runs, *ASKED)


if __name__ == "__main__":
    main()
