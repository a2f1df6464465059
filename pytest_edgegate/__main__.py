"""``python -m pytest_edgegate``: the commands beside pytest."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from pytest_edgegate.commands import cache, init, report, sysroot
from pytest_edgegate.core.errors import EdgeGateError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status: 2 for an error of its use."""
    parser = ArgumentParser(
        "python -m pytest_edgegate",
        description="Commands of pytest-edgegate; the gates themselves run in pytest.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    cache.add_to(commands.add_parser("cache", help="look at a cache, or make it smaller"))
    report.add_to(commands.add_parser("report", help="draw reports from JSON reports"))
    init.add_to(commands.add_parser("init", help="write a first conftest.py and test file"))
    sysroot.add_to(
        commands.add_parser("sysroot", help="make the emulated ARM Python of raspberry-pi-4 and -5")
    )
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except EdgeGateError as error:
        print(_harmless(str(error)), file=sys.stderr)
        return 2


def _harmless(text: str) -> str:
    """The text with what a terminal would obey escaped: names of files and arrays are in it."""
    return "".join(
        each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text
    )


if __name__ == "__main__":
    sys.exit(main())
