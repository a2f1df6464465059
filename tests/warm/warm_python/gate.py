"""What runs of pytest with the gate begin with: their imports, and what is the same for each run.

No framework: a run of the gate imports none before it needs one.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import inspect
import os
import runpy
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import Distribution, PathDistribution, distributions
from pathlib import Path
from typing import Any

from _pytest._code import Source, code
from _pytest.config import default_plugins

import warm_python
from warm_python import SELDOM

_IMPORTED = (
    "faulthandler",
    "logging.config",
    "pdb",
    "readline",
    "unittest.mock",
    "xml.etree.ElementTree",
    "filelock",
    "_pytest._argcomplete",
    "encodings.cp437",
    "encodings.unicode_escape",
    "numpy",
    "scipy.optimize",
    "scipy.special",
    "scipy.stats",
    "pytest_edgegate.accepting",
    "pytest_edgegate.collection",
    "pytest_edgegate.gating",
    "pytest_edgegate.hookspecs",
    "pytest_edgegate.mark_places",
    "pytest_edgegate.measures.accuracy",
    "pytest_edgegate.measures.regression",
    "pytest_edgegate.merge_gate",
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
    "pytest_edgegate.reports.pictures",
    "pytest_edgegate.reports.terminal",
    "pytest_edgegate.reports.writing",
    "pytest_edgegate.session.ahead.look",
    "pytest_edgegate.session.ahead.trial",
    "pytest_edgegate.session.ahead.unmeasurable",
    "pytest_edgegate.session.frameworks.sources",
    "pytest_edgegate.session.frameworks.tasks",
    "pytest_edgegate.session.intake.compiled_models",
    "pytest_edgegate.session.judging",
    "pytest_edgegate.session.ledger",
    "pytest_edgegate.session.measuring.observing",
    "pytest_edgegate.storage.accepted_files",
    "pytest_edgegate.storage.cache",
    "pytest_edgegate.storage.candidates",
    "pytest_edgegate.storage.history",
    "pytest_edgegate.storage.ownership",
    "pytest_edgegate.storage.unused",
    "pytest_edgegate.unused",
    "pytest_edgegate.workers.device",
)
_LED_THROUGH = ("pytest_edgegate.plugin", "pytest_edgegate.gating", "pytest_edgegate.item_gate")
"""What the tracebacks of red tests lead through."""


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
    remember_sources()
    inspect.getmodule(imported.__code__)  # finds out where each module lies, as tracebacks do
    gc.freeze()  # or a collection in a child would copy all of it
    gc.set_threshold(*SELDOM)


def remember_installed() -> None:
    """Files of installed distributions, which pytest searches for plugins three times a run and
    the gate for versions, are read and parsed once. Those that a project brings lie elsewhere.
    """
    installed = Path(sysconfig.get_path("purelib"))
    read, parsed = PathDistribution.read_text, Distribution.metadata.fget  # type: ignore[attr-defined]
    found = Distribution.entry_points.fget  # type: ignore[attr-defined]

    @functools.cache
    def kept(path: Path, what: Callable[..., Any], *name: str) -> Any:
        return what(PathDistribution(path), *name)

    def or_kept(what: Callable[..., Any]) -> Callable[..., Any]:
        def asked(self: Any, *name: str) -> Any:
            path: Path = self._path
            return kept(path, what, *name) if path.parent == installed else what(self, *name)

        return asked

    PathDistribution.read_text = or_kept(read)  # type: ignore[method-assign]
    PathDistribution.metadata = property(or_kept(parsed))  # type: ignore[assignment]
    PathDistribution.entry_points = property(or_kept(found))  # type: ignore[assignment]
    for each in distributions():
        _ = each.metadata, each.entry_points


def remember_sources() -> None:
    """The statements of a file are found once in a run, and those of the gate's modules before it:
    pytest looks for them in the traceback of each red test, also where the gate tells another text.
    """
    asked = code.getstatementrange_ast
    trees: dict[str, ast.AST] = {}

    def known(lineno: int, lines: Source, assertion: bool = False, astnode: Any = None) -> Any:
        text = str(lines)
        found = asked(lineno, lines, assertion, astnode or trees.get(text))
        trees[text] = found[0]
        return found

    for module in map(importlib.import_module, _LED_THROUGH):
        source = Source(inspect.getsource(module))
        trees[str(source)], *_ = asked(0, source)
    code.getstatementrange_ast = known


def run_module() -> None:
    """As ``python -m`` with what is left of the command line."""
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [os.getcwd(), *before, *(each for each in sys.path if each not in before)]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    del sys.argv[0]
    with warm_python.fresh():  # what it starts itself is no fork, unless it is told to
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


class Python:
    """A program that stands for Python: with ``-m``, a fork that begins with all that."""

    def __init__(self, folder: Path) -> None:
        self._server = warm_python.Server("from warm_python.gate import imported; imported()")
        client, run = " ".join(warm_python.CLIENT), "from warm_python.gate import run_module as run"
        self.path = folder / "python"
        self.path.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = -m ] || exec "{sys.executable}" "$@"\n'
            f'shift; exec {client} {self._server.address} -c "{run}; run()" "$@"\n'
        )
        self.path.chmod(0o755)

    def close(self) -> None:
        self._server.close()
