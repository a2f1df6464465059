"""A process that has imported what pytest and the gate import, and forks for every run.

Each line of its standard input is a run: its folder, arguments, environment, and the files for what
it prints. Each line of the answer is the status that it exits with. A run has a process of its own,
as ``python -m pytest`` has, without the second that its imports take.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
import tempfile
from typing import Any

from _pytest.config import default_plugins
from warm_python import SELDOM

_IMPORTED = (
    "faulthandler",
    "logging.config",
    "unittest.mock",
    "xml.etree.ElementTree",
    "filelock",
    "numpy",
    "scipy.optimize",
    "scipy.special",
    "scipy.stats",
    "pytest_edgegate.collection",
    "pytest_edgegate.gating",
    "pytest_edgegate.measures.accuracy",
    "pytest_edgegate.planner",
    "pytest_edgegate.plugin",
    "pytest_edgegate.reporting",
    "pytest_edgegate.reports.json",
    "pytest_edgegate.session.ahead.look",
    "pytest_edgegate.session.ahead.trial",
    "pytest_edgegate.session.ahead.unmeasurable",
    "pytest_edgegate.session.frameworks.sources",
    "pytest_edgegate.session.judging",
    "pytest_edgegate.session.measuring.observing",
    "pytest_edgegate.storage.cache",
    "pytest_edgegate.workers.device",
)


def imported() -> None:
    """What runs import, and all that is installed: to plan, a run loads it, though no framework.
    No plugin: pytest would warn that it can't rewrite its assertions.
    """
    from pytest_edgegate.registry import KINDS, Registry

    for name in (*_IMPORTED, *(f"_pytest.{each}" for each in default_plugins)):
        importlib.import_module(name)
    for kind in KINDS:
        Registry().all(kind)
    gc.freeze()  # or a collection in a child would copy all of it
    gc.set_threshold(*SELDOM)


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
            runpy.run_module("pytest", run_name="__main__", alter_sys=True)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
