"""``report``: draws reports from one or several JSON reports. Nothing of a project is loaded."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import TextIO

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.ports import Reporter
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import RunRecord
from pytest_edgegate.systems.files import STANDARD_OUTPUT

REPORTERS = {
    "json": "pytest_edgegate.reports.json:JsonReporter",
    "html": "pytest_edgegate.reports.html:HtmlReporter",
    "md": "pytest_edgegate.reports.markdown:MarkdownReporter",
    "plot": "pytest_edgegate.reports.plot:PlotReporter",
}
"""The reports that can be drawn, by their options."""


def add_to(parser: ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument(
        "reports",
        nargs="+",
        metavar="REPORT.json",
        type=Path,
        help="what --edge-report-json has written; several are merged",
    )
    for name in REPORTERS:
        parser.add_argument(
            f"--{name}", metavar="FILE", type=Path, help=f"draw what --edge-report-{name} writes"
        )
    parser.epilog = "Without an option the table of the run is printed; FILE may be - (stdout)."
    parser.set_defaults(run=draw)


def draw(given: Namespace) -> int:
    """Writes what is asked for. Returns 2 if a file could not be written; the others are.

    Raises EdgeGateError for a report that can't be read, before anything is written.
    """
    from pytest_edgegate.reports.merging import merged

    wanted = {name: path for name in REPORTERS if (path := getattr(given, name)) is not None}
    _refuse_one_file_twice(given.reports, wanted)
    run = merged(_read(given.reports))
    told = sys.stderr if any(str(path) == "-" for path in wanted.values()) else sys.stdout
    if not wanted:
        _print_table(run)
    for line in run.disagreements:
        print(printable_line(f"disagree: {line}"), file=told)
    return max([0, *(_write(name, path, run, told) for name, path in wanted.items())])


def _refuse_one_file_twice(reports: Sequence[Path], wanted: Mapping[str, Path]) -> None:
    """Raises ConfigurationError where one file would replace another, or what is read."""
    used = {path.resolve(): str(path) for path in reports}
    for name, path in wanted.items():
        at = STANDARD_OUTPUT if str(path) == "-" else path.resolve()
        if at in used:
            raise ConfigurationError(
                f"--{name} {path} would replace {used[at]}", "give each of them a file of its own"
            )
        used[at] = f"what --{name} writes"


def _read(paths: Sequence[Path]) -> list[tuple[str, RunRecord]]:
    from pytest_edgegate.reports.reading import read_report

    named_by: dict[Path, Path] = {}
    for path in paths:
        if (same := named_by.setdefault(path.resolve(), path)) is not path:
            raise ConfigurationError(
                f"{path} is given twice" + ("" if path == same else f", also as {same}"),
                "name each report once",
            )
    return [(str(path), read_report(path)) for path in paths]


def _write(name: str, path: Path, run: RunRecord, told: TextIO) -> int:
    reporter: Reporter = resolve_name(REPORTERS[name])()
    told.flush()
    try:
        reporter.write(STANDARD_OUTPUT if str(path) == "-" else path, run)
    except EdgeGateError as error:
        error.reword(f"--edge-report-{name}", f"--{name}")
        print(error, file=sys.stderr)
        return 2
    return 0


def _print_table(run: RunRecord) -> None:
    """The table of the terminal."""
    from pytest_edgegate.reports.terminal import summary

    title, lines = summary(run.verdicts, run.artifacts, verbosity=1, errors=run.errors)
    print(printable_line(title))
    for line in lines:
        print(line.text)
    for each in run.errors:
        print(printable_line(f"error: {each.test}: {each.message}; next: {each.remedy}"))
