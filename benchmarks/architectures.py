"""Architectures of real size through every built-in target: what is made, what is refused, and why.

    pip install -c constraints.txt --group benchmarks
    python benchmarks/architectures.py [--only=NAME] [--target=NAME] [--minutes=N] [--again]
    python benchmarks/architectures.py --page

Targets that take the same format under the same constraints share an artifact, ``PTQ(32)``. Each
cell (an architecture for a group of targets) runs in a process of its own, one after the other,
with an empty cache, and its result is appended to results/architectures.jsonl: a cell that is there
is not run again, so that a run that was stopped continues. ``--page`` draws the tables of
docs/architectures.md from that file. Pictures are crops of the 20 of ImageNet that the package
foolbox ships and of the two of scikit-learn; other crops calibrate. The CPU seconds are those of
all processes of a cell, the memory is the peak of its largest process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from architecture_models import SAMPLES, Architecture, Array, inputs, known, prepare
from architecture_page import CHIP, Cell, Group, shortened, wanted_cells, why, with_regions

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "architectures.jsonl"
PAGE = HERE.parent / "docs" / "architectures.md"


# --- one cell, in a process of its own


def asked(architecture: Architecture, target: Target) -> tuple[Budget, ...]:
    """Budgets without a bite: the figures are wanted."""
    wanted = [Budget("size", 10**10), Budget("parameters", 10**10), Budget("macs", 10**12)]
    wanted += [Budget("sqnr_db", -1000), Budget("parity_abs", 1e30), Budget("parity_lsb", 255)]
    wanted.append(Budget("parity_within_lsb", 0.0))
    if architecture.classifies:
        wanted.append(Budget("parity_agreement", 0.0))
    if architecture.weights != "random":
        wanted.append(Budget("accuracy_min", 0.0))
    told = [each for each in CHIP if each in target.tools]
    wanted += [Budget(each, 0 if each == "mapped_ops" else 10**12) for each in told]
    return tuple(wanted)


def subject(architecture: Architecture, folder: Path) -> Given:
    path, x = folder / architecture.file, inputs(architecture, 1)
    evaluation: Any = x
    if architecture.weights != "random":
        evaluation = (x, answers(path, x))
    data = EdgeData(calibration=inputs(architecture, 2), evaluation=evaluation)
    return Given(path, data)


def answers(path: Path, x: Array) -> Array:
    """The classes that the model under test, a torch program, finds."""
    import torch

    with torch.no_grad():
        found = torch.export.load(path).module()(torch.from_numpy(x))
    return np.asarray(found.argmax(1).numpy())


def run_cell(architecture: Architecture, name: str, folder: Path) -> Cell:
    """Made and judged as in a test; an error of the gate is a refusal with its way out."""
    with tempfile.TemporaryDirectory() as cache:
        settings = Settings(
            root=Path(cache), cache=Path(cache), reference_check=False, runtime_timeout=1800.0
        )
        session, start = EdgeSession(settings, Registry()), time.perf_counter()
        try:
            target = session.target(name)
            case = session.case(subject(architecture, folder), target)
            plan = session.plan(case, (PTQ(SAMPLES),))
            session.look_ahead(replace(case, budgets=asked(architecture, target)), plan)
            artifact = session.build(case, plan)
            made = time.perf_counter()
            case = replace(case, budgets=asked(architecture, target))
            found = judged(session, case, artifact)
            found |= {"make_s": made - start, "judge_s": time.perf_counter() - made}
        except EdgeGateError as error:
            kind, seconds = type(error).__name__, time.perf_counter() - start
            found = {"status": "refused", "kind": kind, "seconds": seconds}
            found |= {"message": error.message, "remedy": error.remedy}
        finally:
            session.close()
    return found


_MAPPED = "mapped_ops"


def judged(session: EdgeSession, case: Case, artifact: Artifact) -> Cell:
    """The figures; where only the comparison of runtimes ends in an error, the others and it."""
    # a budget on mapped_ops would decide in place of the contract
    asked = tuple(each for each in case.budgets if each.metric != _MAPPED)
    mapped = tuple(each for each in case.budgets if each.metric == _MAPPED)
    told = session.judge(case, artifact, mapped) if mapped else ()
    case = replace(case, budgets=asked)
    try:
        return figures(artifact, (*session.judge(case, artifact, asked, contract=True), *told))
    except EdgeGateError as error:
        alone = tuple(each for each in asked if not each.kind.in_every_runtime)
        case = replace(case, budgets=alone)
        verdicts = session.judge(case, artifact, alone, contract=True)
        found = figures(artifact, (*verdicts, *told))
        found["error"] = {"message": error.message, "remedy": error.remedy}
        return found


def figures(artifact: Artifact, verdicts: Sequence[Verdict]) -> Cell:
    """Of an artifact that was made: what was measured, and why a verdict is red."""
    by_name = {each.budget.metric: each for each in verdicts}
    contract = by_name.pop("contract")
    return {
        "status": "made",
        "bytes": artifact.size_bytes,
        "measured": {name: each.measured.value for name, each in by_name.items() if each.measured},
        "notes": {name: each.note for name, each in by_name.items() if each.note},
        "red": {
            each.budget.metric: {
                "outcome": str(each.outcome),
                "reason": each.reason,
                "remedy": each.remedy,
                "cause": each.cause,
                "details": list(each.details),
            }
            for each in (contract, *by_name.values())
            if each.red
        },
    }


# --- all cells, one after the other


def read(results: Path) -> dict[tuple[str, str], Cell]:
    """The last result of each cell, by architecture and group."""
    if not results.exists():
        return {}
    rows = map(json.loads, results.read_text("utf-8").splitlines())
    return {(row["architecture"], row["group"]): row for row in rows}


def measured(command: Sequence[str], log: Path) -> Cell:
    """Runs a command to its end; its seconds, and the peak of its largest process."""
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1000),
    }


def run_one(architecture: Architecture, group: Group, folder: Path) -> Cell:
    own = folder / architecture.key
    out, log = own / f"{group.name}.json", own / f"{group.name}.log"
    own.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    start = [sys.executable, str(Path(__file__).resolve()), "--folder", str(folder)]
    if not (own / architecture.file).exists():
        prepared = measured([*start, "--prepare", architecture.key], own / "prepare.log")
        if prepared["exit"]:
            return {"status": "not prepared", "message": tail(own / "prepare.log")}
    cost = measured([*start, "--cell", architecture.key, group.name, "--out", str(out)], log)
    if cost["exit"] or not out.exists():
        return {"status": "failed", "message": tail(log), **cost}
    found: Cell = json.loads(out.read_text("utf-8"))
    return found | cost


def tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-12:])


def run_all(given: argparse.Namespace) -> None:
    end = time.monotonic() + 60 * given.minutes
    given.results.parent.mkdir(parents=True, exist_ok=True)
    done = {} if given.again else read(given.results)
    for architecture, group in wanted_cells(given.only, given.target):
        if (architecture.key, group.name) in done:
            continue
        if time.monotonic() > end:
            print("the time is over; the same command continues")
            return
        row = {
            "architecture": architecture.key,
            "group": group.name,
            "targets": list(group.targets),
            "form": group.form,
            **run_one(architecture, group, given.folder),
        }
        with given.results.open("a", encoding="utf-8") as told:
            told.write(json.dumps(row) + "\n")
        print(
            f"{architecture.key:36}{group.name:14}{row['status']:10}{row.get('cpu_s', 0):>8} CPU s"
            f"{row.get('peak_mb', 0):>7} MB  {shortened(why(row))}",
            flush=True,
        )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--target", action="append", default=[], metavar="NAME")
    parser.add_argument("--minutes", type=float, default=1e6, help="start no cell after these")
    parser.add_argument("--again", action="store_true", help="run cells that have a result, too")
    parser.add_argument("--page", action="store_true", help="draw the tables of the page")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "edgegate-architectures"
    )
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.prepare:
        prepare(known(given.prepare), given.folder / given.prepare)
    elif given.cell:
        key, target = given.cell
        found = run_cell(known(key), target, given.folder / key)
        given.out.write_text(json.dumps(found), "utf-8")
    elif given.page:
        PAGE.write_text(with_regions(PAGE.read_text("utf-8"), read(given.results)), "utf-8")
    else:
        run_all(given)


if __name__ == "__main__":
    main(sys.argv[1:])
