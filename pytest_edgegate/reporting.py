"""Moves verdicts from a test's gate to pytest's reports, and from there to terminal and files."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import attempts
from pytest_edgegate.attempts import Attempts
from pytest_edgegate.core.environment import processor, python_version, versions
from pytest_edgegate.core.errors import EdgeGateError, presentable
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.printable import printable, printable_line
from pytest_edgegate.core.record import ErrorRecord, RunRecord, VerdictRecord
from pytest_edgegate.item_gate import GATE_KEY, ItemGate
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.registry import Registry
from pytest_edgegate.reports.places import ROOT, Folders, home

_OWN_PACKAGES = ("pytest-edgegate", "pytest", "numpy", "scipy")

_MORE = "its traceback is at --tb=long"


def clean_text(error: BaseException, config: pytest.Config) -> str:
    """The message alone; with --tb=long also the framework's own error."""
    if not isinstance(error, EdgeGateError) or config.option.tbstyle != "long":
        return str(error)
    original = error.__cause__ or error
    shown = "".join(traceback.format_exception(original)).rstrip()
    return printable(f"edgegate error: {error.message}\n\n{shown}\n\n{error.remedy}")


def clean_collection(report: pytest.CollectReport) -> None:
    """Reduces an edgegate error from the import of a test file to its message."""
    call: pytest.CallInfo[object] | None = getattr(report, "call", None)
    raised = None if call is None or call.excinfo is None else call.excinfo.value
    fault = raised if isinstance(raised, EdgeGateError) else getattr(raised, "__cause__", None)
    found: tuple[ErrorRecord, ...] = getattr(raised, "edge_errors", ())
    if isinstance(fault, EdgeGateError):
        place = f"{report.nodeid}{_line_in(report.nodeid, fault)}"
        text = f"edgegate error: {fault.message} ({place})\n{fault.remedy}"
        report.longrepr = printable(text)
        found = (ErrorRecord(report.nodeid, None, fault.message, fault.remedy, place=place),)
    report.edge_errors = [each.to_json() for each in found]  # type: ignore[attr-defined]


def _line_in(file: str, error: BaseException) -> str:
    """``:12``, the line of a test file that raised an error; empty if it was raised elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno for each in frames if Path(each.filename).as_posix().endswith(f"/{file}")]
    return f":{lines[-1]}" if lines else ""


def uncollected(report: pytest.CollectReport) -> list[ErrorRecord]:
    """The errors attached to the report of a file."""
    return [ErrorRecord.from_json(each) for each in getattr(report, "edge_errors", [])]


def lost(report: pytest.TestReport, targets: Sequence[str]) -> ErrorRecord | None:
    """The error for a test whose worker has died; None for a test that runs for no target.

    Nothing of the worker tells what kind of test it was, but each test of the gate has its target
    in its name.
    """
    parts = report.nodeid.rpartition("[")[2].removesuffix("]")
    named = [each for each in targets if f"-{each}-" in f"-{parts}-"]
    if not named:
        return None
    return ErrorRecord(
        report.nodeid,
        max(named, key=len),
        presentable(f"the test was lost: {report.longreprtext.splitlines()[-1]}"),
        "run it without workers to see what ends the process: "
        f'pytest -p no:xdist "{presentable(report.nodeid)}"',
    )


def attach(
    item: pytest.Item,
    report: pytest.TestReport,
    placed: Callable[[VerdictRecord], VerdictRecord],
) -> None:
    """Attaches records to the report as JSON values, which xdist sends to the controller.

    *placed* adds the line of its budget to a verdict that does not pass.
    """
    from pytest_edgegate.reports.junit import properties

    gate = item.stash.get(GATE_KEY, None)
    if gate is not None and gate.session.settings.explain:
        report.edge_plan = _plan_lines(gate) if report.when == "call" else []  # type: ignore[attr-defined]
    # a helper may have been called in a fixture
    judged = [] if gate is None else [each.record for each in gate.take_unreported()]
    fresh = [each if each.outcome is Outcome.PASS else placed(each) for each in judged]
    attempts.keep(item, fresh)
    expected = hasattr(report, "wasxfail") and report.skipped
    shown = [replace(each, xfailed=True) for each in fresh] if expected else fresh
    attempts.attach(item, report, properties(shown))


def print_summary(
    terminal: pytest.TerminalReporter,
    run: Attempts,
    plans: Sequence[tuple[str, list[str]]],
) -> None:
    """The table of verdicts, or the plans of --edge-explain."""
    if plans:
        terminal.section("edge gate: plans, nothing was built")
        for test, lines in plans:
            terminal.line(printable_line(test))
            for line in lines:
                terminal.line(printable_line(f"  {line}"))
    else:
        _print_verdicts(terminal, run)


def _print_verdicts(terminal: pytest.TerminalReporter, run: Attempts) -> None:
    """Nothing with -qq."""
    from pytest_edgegate.reports.terminal import summary

    verbosity = terminal.config.getoption("verbose")
    if verbosity < -1:
        return
    writer = terminal.config.get_terminal_writer()
    title, lines = summary(
        run.verdicts,
        run.artifacts,
        verbosity=verbosity,
        width=writer.fullwidth,
        wraps=bool(terminal.isatty) or "COLUMNS" in os.environ,
        errors=run.errors,
        lost=run.lost,
        repeated=run.repeated,
    )
    red = any(each.red for each in run.errors) or any(each.red for each in run.verdicts)
    terminal.section(title, red=red, green=not red)
    for line in lines:
        terminal.line(line.text, **({line.colour: True} if line.colour else {}))


def write_reports(config: pytest.Config, registry: Registry, attempted: Attempts) -> list[str]:
    """Calls the hook pytest_edgegate_report and writes the requested files.

    Returns the errors of files that could not be written; the others are written regardless.
    """

    folders = Folders(config.rootpath, home())
    verdicts = [folders.verdict(each).to_json() for each in attempted.verdicts]
    config.hook.pytest_edgegate_report(verdicts=verdicts)
    wanted = registry.wanted_reports.values()
    if not wanted:
        return []
    run = record_of(attempted, registry, config.rootpath)
    faults = []
    with _uncaptured(config):
        for asked in wanted:
            path = config.invocation_params.dir / asked.path
            try:
                with foreign(f"the report {path} can't be written", _MORE):
                    asked.reporter.write(path, run)
            except EdgeGateError as error:
                faults.append(clean_text(error, config))
    return faults


def record_of(attempted: Attempts, registry: Registry, root: Path) -> RunRecord:
    """The record of a run, from which all reports are drawn. *root*: pytest's root folder."""
    from pytest_edgegate.reports.pictures import with_few_pictures

    folders = Folders(root, home())
    return RunRecord(
        _environment(registry) | {ROOT: presentable(str(root))},
        tuple(map(folders.verdict, attempted.verdicts)),
        tuple(map(folders.error, attempted.errors)),
        tuple(map(folders.verdict, attempted.superseded_verdicts)),
        tuple(map(folders.error, attempted.superseded_errors)),
        with_few_pictures(map(folders.seen, attempted.artifacts)),
    )


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    """Suspends pytest's capture, for a report that goes to standard output."""
    config.get_terminal_writer().flush()
    capture = config.pluginmanager.getplugin("capturemanager")
    return nullcontext() if capture is None else capture.global_and_fixture_disabled()


def _environment(registry: Registry) -> dict[str, Any]:
    chip = processor()
    tools: set[str] = set(_OWN_PACKAGES)
    for kind in ("transform", "runtime"):
        for backend in registry.all(kind).values():
            tools.update(backend.packages)
    return {
        "python": python_version(),
        "cpu": chip.name,
        "machine": chip.machine,
        "isa": list(chip.isa),
        "packages": versions(*sorted(tools)),
    }


def _plan_lines(gate: ItemGate) -> list[str]:
    from pytest_edgegate.reports.explanation import explain_budgets, explain_plan

    lines = []
    for source, plan, cached in gate.plans:
        lines += explain_plan(source, plan, cached)
    form = gate.plans[0][1].format if gate.plans else gate.case.target.formats[0]
    if gate.plans or gate.case.budgets:
        policy, emulated = gate.session.settings.policy, gate.session.emulated(gate.case.target)
        lines += explain_budgets(gate.case.budgets, gate.case.target, form, policy, emulated)
    if gate.is_stopped:
        lines.append(f"nothing is built and no body runs: {gate.allowing}")
    return lines or ["edge_gate in the body: not known before it runs"]
