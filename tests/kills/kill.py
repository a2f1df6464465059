"""Kills pytest at random moments of its work, and looks at what is left and at the next run.

    python tests/kills/kill.py [--kills 60] [--seed 0] [--minutes 60] [--folder FOLDER]

Each kill works in a project and with a cache of its own. What was found is kept line by line in
FOLDER/results.jsonl, so that the same command goes on where it was stopped; --only takes some kinds
of work out of the row. The moments are drawn by the seed, as parts of what an undisturbed run took.
It exits with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from projects import SCENARIOS, Scenario

from pytest_edgegate.storage.cache import Cache

MARK = "EDGEGATE_KILLED_RUN"
"""An environment variable that all processes of a run inherit: what bears it is not yet gone."""
SIGNALS = [signal.SIGKILL] * 4 + [signal.SIGTERM, signal.SIGINT]
LONGEST = 400
"""Seconds for a whole run."""
ENDING = 60
"""Seconds for what a killed run has started to end; xdist gives its workers up to 15."""
HARMLESS = ("edgegate-latency-",)
"""Empty lock files, which stay: whoever removes one takes it from under another session."""


@dataclass(frozen=True)
class Kill:
    """One kill and what was found after it; nothing in ``faults`` is what there should be."""

    number: int
    scenario: str
    victim: str
    signal: str
    after: float
    status: int | None
    """Of the run that was killed."""
    gone_after: float
    """Seconds until the last of its processes had ended."""
    faults: tuple[str, ...]


class Project:
    """A project, its cache, its folder for temporary files, and runs of pytest on it."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder, self._scenario = folder / "project", scenario
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        scenario.write(self.folder)
        self._given = self._listing()
        self._mark = uuid.uuid4().hex

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder.parent / "printed.txt").open("ab") as printed:
            started = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-p",
                    "no:cacheprovider",
                    f"--basetemp={self.folder.parent / 'base'}",
                    "--edge-report-json=../report.json",
                    *self._scenario.arguments,
                ],
                cwd=self.folder,
                stdout=printed,
                stderr=printed,
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    MARK: self._mark,
                    "TMPDIR": str(self.temporary),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
            )
            try:
                yield started
            finally:
                started.kill()
                started.wait()

    def run(self) -> tuple[int, dict[str, Any]]:
        """Exit status and figures of an undisturbed run."""
        report = self.folder.parent / "report.json"
        report.unlink(missing_ok=True)
        with self.running() as started:
            status = started.wait(LONGEST)
        return status, _figures(json.loads(report.read_text())) if report.exists() else {}

    def living(self) -> dict[int, str]:
        """The processes of this project, by what they are."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and self._mark.encode() in (entry / "environ").read_bytes():
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = command.decode("utf-8", "replace")
        return found

    def gone_after(self) -> float:
        """Seconds until no process is left, or infinity."""
        start = time.monotonic()
        while self.living():
            if time.monotonic() - start > ENDING:
                return float("inf")
            time.sleep(0.1)
        return time.monotonic() - start

    def end(self) -> None:
        for each in self.living():
            with suppress(OSError):
                os.kill(each, signal.SIGKILL)

    def leftovers(self) -> Iterator[str]:
        """What is on the disk and should not be."""
        for path in sorted(self.temporary.rglob("*")):
            if not path.name.startswith(HARMLESS) or path.stat().st_size:
                yield f"left in TMPDIR: {path.relative_to(self.temporary)}"
        cache = self.folder / ".edgegate_cache"
        for path in sorted(cache.glob("scratch/*")):
            yield f"left in the cache: {path.relative_to(cache)}"
        for path in cache.glob("locks/*"):
            if path.stat().st_size:
                yield f"a lock that is not empty: {path.name}"
        for name in sorted(self._listing() - self._given):
            yield f"left beside the tests: {name}"

    def corrupt(self) -> Iterator[str]:
        """Entries of the cache that can't be read."""
        cache = Cache(self.folder / ".edgegate_cache")
        for entry in cache.folder.glob("entries/*/*"):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                if cache.find(entry.name, lambda whole: whole) is None or told:
                    yield f"corrupt: {entry.name[:12]} {[str(each.message) for each in told]}"

    def _listing(self) -> set[str]:
        names = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        return {each for each in names if not each.startswith(".edgegate_cache")}


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """Outcomes of all budgets; values too where they do not depend on the clock."""
    found = {}
    for each in report["verdicts"]:
        metric = each["budget"]["metric"]
        measured = each.get("measured") or {}
        value = None if metric.startswith("latency") else measured.get("value")
        found[f"{each['test']} {metric}"] = [each["outcome"], value]
    return found


def kill(number: int, seed: int, folder: Path, undisturbed: Mapping[str, Any]) -> Kill:
    """One kill, drawn by *seed* and *number*, and what came of it."""
    draw = random.Random(f"{seed}-{number}")
    name = list(SCENARIOS)[number % len(SCENARIOS)]
    scenario = SCENARIOS[name]
    after = draw.uniform(0.02, 0.98) * undisturbed["seconds"]
    kind = draw.choice(SIGNALS)
    victim = draw.choice(["worker", "controller"]) if scenario.parallel else "pytest"
    hit = None
    while hit is None:  # the run may be faster than the undisturbed one was
        shutil.rmtree(folder, ignore_errors=True)
        project = Project(folder, scenario)
        hit = _hit(project, after, kind, draw if victim == "worker" else None)
        after *= 1 if hit else 0.7
    gone = project.gone_after()
    faults = [*_orphans(project, gone), *project.corrupt()]
    next_status, figures = project.run()
    if next_status != 0:
        faults.append(f"the next run exits with {next_status}")
    if figures != undisturbed["figures"]:
        faults.append(f"other verdicts: {figures} instead of {undisturbed['figures']}")
    faults += _orphans(project, project.gone_after())
    faults += [*project.corrupt(), *project.leftovers()]
    if not faults:
        shutil.rmtree(folder)
    return Kill(
        number, name, victim, kind.name, round(after, 2), hit.status, round(gone, 2), tuple(faults)
    )


@dataclass(frozen=True)
class Hit:
    """A run that a signal has met, and how it ended; None where it had to be ended."""

    status: int | None


def _hit(
    project: Project, after: float, kind: signal.Signals, draw: random.Random | None
) -> Hit | None:
    """Sends a signal to a run, or to the xdist worker that is drawn; None where it was over."""
    with project.running() as started:
        with suppress(subprocess.TimeoutExpired):
            started.wait(after)
            return None
        workers = sorted(each for each in project.living() if _parent(each) == started.pid)
        chosen = draw.choice(workers) if draw and workers else started.pid
        with suppress(ProcessLookupError):
            os.kill(chosen, kind)
        with suppress(subprocess.TimeoutExpired):  # Ctrl-C and SIGTERM let pytest take its leave
            return Hit(started.wait(LONGEST))
    return Hit(None)


def _orphans(project: Project, gone_after: float) -> list[str]:
    """What outlives a run, which is ended here."""
    if gone_after != float("inf"):
        return []
    found = [f"orphan: {command[:200]}" for command in project.living().values()]
    project.end()
    return found


def _parent(process: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def undisturbed_run(name: str, folder: Path) -> dict[str, Any]:
    """Seconds and figures of a run that nothing happens to, from a cold cache."""
    shutil.rmtree(folder, ignore_errors=True)
    project = Project(folder, SCENARIOS[name])
    start = time.monotonic()
    status, figures = project.run()
    seconds = time.monotonic() - start
    if status:
        sys.exit(f"{name} does not even run undisturbed: see {folder / 'printed.txt'}")
    left = [*project.leftovers(), *project.corrupt()]
    if left:
        sys.exit(f"{name} leaves this when nothing happens to it: {left}")
    shutil.rmtree(folder)
    return {"seconds": seconds, "figures": figures}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=60)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    options.add_argument("--folder", type=Path, default=Path(".kills"))
    given = options.parse_args()
    # A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    baseline, results = folder / f"undisturbed-{given.seed}.json", folder / "results.jsonl"
    known = json.loads(baseline.read_text()) if baseline.exists() else {}
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    until = time.monotonic() + 60 * given.minutes
    known_numbers = {each["number"] for each in done}
    for number in sorted(set(range(given.kills)) - known_numbers):
        name = list(SCENARIOS)[number % len(SCENARIOS)]
        if name not in given.only:
            continue
        if time.monotonic() > until:
            break
        if name not in known:
            known[name] = undisturbed_run(name, folder / f"undisturbed-{name}".replace(" ", "-"))
            baseline.write_text(json.dumps(known))
        found = asdict(kill(number, given.seed, folder / f"kill-{number}", known[name]))
        done.append(found)
        with results.open("a") as opened:
            opened.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)
    _summarise(done)
    sys.exit(any(each["faults"] for each in done))


def _summarise(done: list[dict[str, Any]]) -> None:
    print(f"{len(done)} kills, {sum(bool(each['faults']) for each in done)} with a fault")
    for key in ("scenario", "victim", "signal"):
        print(f"  {key}: {dict(Counter(each[key] for each in done))}")
    kinds = Counter(fault.split(":")[0] for each in done for fault in each["faults"])
    print(f"  faults: {dict(kinds) or 'none'}")
    longest = max((each["gone_after"] for each in done), default=0)
    print(f"  the last process had ended at most {longest:g} s after the kill")


if __name__ == "__main__":
    main()
