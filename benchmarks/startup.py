"""What the plugin costs a pytest run that has nothing to do with it.

    python benchmarks/startup.py

Times ``pytest --collect-only`` in an empty folder with and without the plugin, in turn, and prints
both medians and their difference; then which heavy modules were loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 20
HEAVY = ("numpy", "scipy", "torch", "tensorflow", "keras", "onnx", "tomllib")
PROBE = (
    "import sys, pytest; pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider']);"
    f"print([m for m in {HEAVY!r} if m in sys.modules])"
)


def seconds(folder: str, *arguments: str) -> float:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    # As on a user's machine: compiled modules are kept from one run to the next
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=False, capture_output=True, env=kept)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds(folder)
        pairs = [(seconds(folder), seconds(folder, "-p", "no:edgegate")) for _ in range(RUNS)]
        ran = subprocess.run(
            [sys.executable, "-c", PROBE], cwd=folder, check=True, capture_output=True, text=True
        )
    with_plugin, without = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"with the plugin     {with_plugin * 1e3:7.1f} ms")
    print(f"without             {without * 1e3:7.1f} ms")
    paired = statistics.median(one - other for one, other in pairs)
    print(f"difference          {paired * 1e3:7.1f} ms (median of {RUNS} pairs)")
    print(f"heavy modules       {ran.stdout.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
