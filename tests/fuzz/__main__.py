"""``python tests/fuzz``: breaks files of every format and looks at what the gate makes of them.

An input is known by its format, the seed and its number, and is the same wherever it is made.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event, Lock
from typing import Any

from fuzzing.campaign import Tally, Worker, campaign, rows
from fuzzing.cases import Case
from fuzzing.formats import formats
from fuzzing.outcomes import BAD, Kind, Result

KEPT = 3
"""Inputs that are written for each failure that looks the same."""
_TOLD = 1000
_PROGRESS = "progress.json"


def main() -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or it prints into what is told here
    given = _arguments()
    if given.reproduce:
        return _reproduce(given)
    run = Run(given)
    with ThreadPoolExecutor(given.jobs) as pool:
        asked = [pool.submit(run.through, form) for form in given.formats]
        try:
            wait(asked)
        except KeyboardInterrupt:  # what was found until here is told
            run.end()
        tallies = [each.result() for each in asked]
    _print(rows(tallies))
    for tally in tallies:
        _tell(tally, given)
    return 1 if any(each.failed for each in tallies) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--formats", default=",".join(formats()), help="which, with commas between (all)")
    add("--count", type=int, default=20_000, help="inputs a format (20,000)")
    add("--seed", type=int, default=0, help="other inputs for another one (0)")
    add("--start", type=int, default=0, help="the first number (0)")
    add("--minutes", type=float, help="for each format, after which --resume goes on")
    add("--jobs", type=int, default=2, help="formats at a time (2)")
    add("--opened", type=int, help="inputs a format that runtimes and frameworks open (all)")
    add("--hang", type=float, default=60, help="seconds without an answer that are a hang (60)")
    add("--memory", type=float, default=8, help="gigabytes that a process may take (8)")
    add("--folder", type=Path, default=Path(".fuzz"), help="for failing inputs (.fuzz)")
    add("--resume", action="store_true", help="go on where the run in that folder has ended")
    add("--reproduce", metavar="FORMAT:SEED:NUMBER", help="try one input, write it, shrink it")
    given = parser.parse_args()
    given.formats = [each for each in given.formats.split(",") if each]
    unknown = [each for each in given.formats if each not in formats()]
    if unknown:
        parser.error(f"no format {unknown[0]!r}: they are {', '.join(formats())}")
    return given


class Run:
    """What all formats of one command have in common."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._ended = Event()
        self._lock = Lock()
        self._file = given.folder / _PROGRESS
        self._progress: dict[str, dict[str, Any]] = {}
        if given.resume and self._file.exists():
            self._progress = json.loads(self._file.read_text("utf-8"))

    def through(self, form: str) -> Tally:
        """All inputs of a format, from where an earlier run has ended."""
        given, tally = self._given, self._known(form)
        first = max(given.start, int(self._progress.get(self._key(form), {}).get("next", 0)))
        started, before = time.monotonic(), tally.seconds

        def told(result: Result) -> None:
            tally.add(result)
            tally.seconds = before + time.monotonic() - started
            if result.number % _TOLD == _TOLD - 1 or enough() or result.number == last:
                self._keep(tally, result.number + 1)

        def enough() -> bool:
            late = given.minutes is not None and time.monotonic() - started > 60 * given.minutes
            return late or self._ended.is_set()

        numbers = range(first, given.start + given.count)
        last = numbers.stop - 1
        with _worker([form], given) as worker:
            campaign(
                worker, form, given.seed, numbers, opened=given.opened, told=told, enough=enough
            )
        return tally

    def end(self) -> None:
        """Ends all formats after the input that they are at."""
        self._ended.set()

    def _key(self, form: str) -> str:
        return f"{form}:{self._given.seed}"

    def _known(self, form: str) -> Tally:
        known = self._progress.get(self._key(form))
        if known is None:
            return Tally(form)
        return Tally(
            form,
            Counter({Kind(kind): count for kind, count in known["counts"].items()}),
            Counter(known["natives"]),
            [Result.from_dict(each) for each in known["bad"]],
            known["seconds"],
        )

    def _keep(self, tally: Tally, following: int) -> None:
        with self._lock:
            self._progress[self._key(tally.format)] = {
                "next": following,
                "counts": dict(tally.counts),
                "natives": dict(tally.natives),
                "bad": [each.as_dict() for each in tally.bad],
                "seconds": tally.seconds,
            }
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._progress), "utf-8")
            bad = f", {tally.failed} bad" if tally.failed else ""
            print(f"{tally.format}: {following:,} in {tally.seconds:.0f} s{bad}", flush=True)


def _worker(names: Sequence[str], given: argparse.Namespace) -> Worker:
    return Worker(names, hang=given.hang, memory=int(given.memory * 1e9))


def _tell(tally: Tally, given: argparse.Namespace) -> None:
    """The failures that differ, how many look like each, and some inputs that lead there."""
    alike = Counter(_signature(each) for each in tally.bad)
    for signature, count in alike.most_common():
        same = [each for each in tally.bad if _signature(each) == signature]
        print(f"\n{tally.format}: {count} x {same[0].kind}: {same[0].text}")
        for each in same[:KEPT]:
            name = f"{tally.format}:{given.seed}:{each.number}"
            print(f"  {_written(name, each, given.folder)}")
            print(f"  python tests/fuzz --reproduce {name}")


def _signature(result: Result) -> tuple[str, str]:
    """What tells one failure from another: without what the input has put into its text."""
    return str(result.kind), result.text.split(": ")[0][:80]


def _written(name: str, result: Result, folder: Path, kept: tuple[int, ...] | None = None) -> Path:
    """The input as files, with what became of it beside them."""
    form, seed, number = name.split(":")
    place = folder / name.replace(":", "-")
    if kept is not None:
        place = place.with_name(f"{place.name}-shrunk")
    case = Case(formats()[form], int(seed), int(number), kept)
    draft, faults = case.make()
    (place / "input").mkdir(parents=True, exist_ok=True)
    if not any((place / "input").iterdir()):
        draft.write(place / "input")
    (place / "result.txt").write_text(
        f"{result.kind}: {result.text}\n{', '.join(faults)}\n\npython tests/fuzz --reproduce {name}"
        f"\n\n{result.detail}\n",
        "utf-8",
        "backslashreplace",
    )
    return place


def _reproduce(given: argparse.Namespace) -> int:
    form, seed, number = given.reproduce.split(":")
    case = Case(formats()[form], int(seed), int(number))
    with _worker([form], given) as worker:

        def tried(kept: tuple[int, ...] | None) -> Result:
            return next(worker.tried(form, int(seed), [int(number)], kept=kept))

        result = tried(None)
        print(f"{result.kind}: {result.text}\n{result.detail}")
        print(_written(given.reproduce, result, given.folder))
        print(", ".join(case.make()[1]))
        if result.kind not in (*BAD, Kind.NATIVE):
            return 0
        kept = tuple(range(len(case.steps())))
        for step in kept:
            fewer = tuple(each for each in kept if each != step)
            if _signature(tried(fewer)) == _signature(result):
                kept = fewer
        print(
            f"shrunk to {len(kept)} faults:", _written(given.reproduce, result, given.folder, kept)
        )
        print(", ".join(Case(formats()[form], int(seed), int(number), kept).make()[1]))
    return 1


def _print(table: list[list[object]]) -> None:
    widths = [max(len(str(row[at])) for row in table) for at in range(len(table[0]))]
    for row in table:
        cells = [str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("| " + " | ".join(cells) + " |")
        if row is table[0]:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


if __name__ == "__main__":
    sys.exit(main())
