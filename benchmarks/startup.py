"""What the plugin costs a pytest run that has nothing to do with it.

    python benchmarks/startup.py

Times ``pytest --collect-only`` in an empty folder with and without the plugin, in turn, and prints
both medians and their difference, in wall time and in CPU time: on a busy machine the latter says
more. Then which heavy modules were loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 30
HEAVY = ("numpy", "scipy", "torch", "tensorflow", "keras", "onnx", "tomllib")
OTHERS = ("-p", "no:anyio", "-p", "no:jaxtyping")
"""Plugins that torch and LiteRT's converter bring along; they load numpy and jax."""
PROBE = (
    f"import sys, pytest; pytest.main(['--collect-only', '-q', *{OTHERS!r}]);"
    f"print([m for m in {HEAVY!r} if m in sys.modules])"
)


def seconds(folder: str, *arguments: str) -> tuple[float, float]:
    """Wall and CPU time of one start."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *OTHERS, *arguments]
    # As on a user's machine: compiled modules are kept from one run to the next
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, check=False, capture_output=True, env=kept)
    took, after = time.perf_counter() - start, os.times()
    used = (after.children_user, after.children_system)
    return took, sum(used) - before.children_user - before.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds(folder)
        off = ("-p", "no:edgegate")
        pairs = []
        for turn in range(RUNS):  # in turn, each first every second time: drift falls on both
            if turn % 2:
                without = seconds(folder, *off)
                pairs.append((seconds(folder), without))
            else:
                pairs.append((seconds(folder), seconds(folder, *off)))
        ran = subprocess.run(
            [sys.executable, "-c", PROBE], cwd=folder, check=True, capture_output=True, text=True
        )
    for at, kind in enumerate(("wall", "CPU")):
        on, out = ([side[at] for side in column] for column in zip(*pairs, strict=True))
        print(f"{kind} time")
        for name, column in (("  with the plugin", on), ("  without", out)):
            middle, least = statistics.median(column), min(column)
            print(f"{name:<18} {middle * 1e3:7.1f} ms (least {least * 1e3:.1f})")
        apart = statistics.median(on) - statistics.median(out)
        print(
            f"  difference       {apart * 1e3:7.1f} ms of medians of {RUNS}, "
            f"{(min(on) - min(out)) * 1e3:.1f} ms of least"
        )
    print(f"heavy modules      {ran.stdout.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
