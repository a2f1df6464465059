"""``python -m pytest_edgegate``: the commands beside pytest."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from pytest_edgegate.commands import cache, report
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
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except EdgeGateError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
