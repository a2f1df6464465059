"""A process that has imported what pytest and the gate import, and forks for every run.

Each line of its standard input is a run: its folder, arguments, environment, and the files for what
it prints. Each line of the answer is the status that it exits with. A run has a process of its own,
as ``python -m pytest`` has, without the second that its imports take.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from typing import Any

from warm_python.gate import imported
from warm_python.leaving import leave_after


def become(asked: dict[str, Any]) -> None:
    """Turns the forked process into a fresh one that runs pytest."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None  # found by the environment of another run
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    for descriptor, path in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    if context := os.environ.get("EDGEGATE_CONTEXT"):  # of tests/mutants
        import coverage

        current = coverage.Coverage.current()
        if current is not None:
            current.switch_context(context)
    sys.path[0] = asked["folder"]
    sys.argv = ["pytest", *asked["arguments"]]


def main() -> None:
    imported()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            become(asked)
            leave_after(lambda: runpy.run_module("pytest", run_name="__main__", alter_sys=True))
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
