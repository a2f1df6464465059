"""A process that has imported what pytest and the gate import, and forks for every run.

Each line of its standard input is a run: its folder, arguments, environment, and the files for what
it prints. Each line of the answer is the status that it exits with. A run has a process of its own,
as ``python -m pytest`` has, without the second that its imports take.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import runpy
import sys
import sysconfig
import tempfile
from importlib.metadata import PathDistribution, distributions
from pathlib import Path
from typing import Any

from _pytest.config import default_plugins
from warm_python import SELDOM
from warm_python.leaving import leave_after

_IMPORTED = (
    "faulthandler",
    "logging.config",
    "pdb",
    "readline",
    "unittest.mock",
    "xml.etree.ElementTree",
    "filelock",
    "_pytest._argcomplete",
    "numpy",
    "scipy.optimize",
    "scipy.special",
    "scipy.stats",
    "pytest_edgegate.collection",
    "pytest_edgegate.gating",
    "pytest_edgegate.hookspecs",
    "pytest_edgegate.mark_places",
    "pytest_edgegate.measures.accuracy",
    "pytest_edgegate.near_marks",
    "pytest_edgegate.planner",
    "pytest_edgegate.plugin",
    "pytest_edgegate.progress.drawer",
    "pytest_edgegate.progress.line",
    "pytest_edgegate.progress.screen",
    "pytest_edgegate.progress.views",
    "pytest_edgegate.reporting",
    "pytest_edgegate.reports.json",
    "pytest_edgegate.reports.junit",
    "pytest_edgegate.reports.terminal",
    "pytest_edgegate.reports.writing",
    "pytest_edgegate.session.ahead.look",
    "pytest_edgegate.session.ahead.trial",
    "pytest_edgegate.session.ahead.unmeasurable",
    "pytest_edgegate.session.frameworks.sources",
    "pytest_edgegate.session.frameworks.tasks",
    "pytest_edgegate.session.intake.compiled_models",
    "pytest_edgegate.session.judging",
    "pytest_edgegate.session.measuring.observing",
    "pytest_edgegate.storage.cache",
    "pytest_edgegate.storage.ownership",
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
    remember_installed()
    gc.freeze()  # or a collection in a child would copy all of it
    gc.set_threshold(*SELDOM)


def remember_installed() -> None:
    """Files of installed distributions, which pytest searches for plugins three times a run, are
    read once. Those that a project brings lie elsewhere.
    """
    installed, read = Path(sysconfig.get_path("purelib")), PathDistribution.read_text

    @functools.cache
    def kept(path: Path, name: str) -> str | None:
        return read(PathDistribution(path), name)

    def read_text(self: PathDistribution, filename: str) -> str | None:
        path: Path = self._path  # type: ignore[attr-defined]
        return kept(path, filename) if path.parent == installed else read(self, filename)

    PathDistribution.read_text = read_text  # type: ignore[method-assign]
    for each in distributions():
        _ = each.metadata, each.entry_points


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
