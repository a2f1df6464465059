"""``cache stats`` and ``cache prune``: what a cache holds, and making it smaller."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.settings.units import age_from, bytes_from
from pytest_edgegate.spelling import spell_bytes
from pytest_edgegate.storage.upkeep import Kept, Upkeep

_DAY = 86_400
_AGES = (
    ("within a day", _DAY),
    ("within a week", 7 * _DAY),
    ("within 30 days", 30 * _DAY),
    ("longer ago", None),
)


def add_to(parser: ArgumentParser) -> None:
    """Adds the commands and their options."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    stats = commands.add_parser("stats", help="show what a cache holds, by when it was used")
    prune = commands.add_parser("prune", help="remove what was not used for long, or is too much")
    for each, run in ((stats, show_stats), (prune, run_prune)):
        each.add_argument(
            "--edge-cache",
            metavar="FOLDER",
            type=Path,
            default=Path(".edgegate_cache"),
            help="the folder of the cache, as in pytest's options (default: .edgegate_cache)",
        )
        each.set_defaults(run=run)
    prune.add_argument(
        "--older-than", metavar="AGE", help="remove entries not used for 12h, 30d, 4w"
    )
    prune.add_argument(
        "--keep", metavar="SIZE", help='keep at most this much, the last used: 5GB, "500 MB"'
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")


def show_stats(given: Namespace) -> int:
    """Prints the entries and bytes by age. Raises EdgeGateError."""
    upkeep = Upkeep(given.edge_cache)
    entries, now = upkeep.entries(), time.time()
    lines = [
        f"{given.edge_cache}: {_counted(entries)}",
        f"  {'last used':<15} {'entries':>8} {'size':>10}",
    ]
    rest = entries
    for name, age in _AGES:
        young = [each for each in rest if age is None or each.used >= (now - age) * 1e9]
        rest = rest[len(young) :]
        lines.append(f"  {name:<15} {len(young):>8,} {spell_bytes(_bytes_of(young)):>10}")
    unfinished, sessions = upkeep.unfinished(), len(upkeep.sessions())
    if unfinished:
        size = spell_bytes(_bytes_of(unfinished))
        lines.append(
            f"  {len(unfinished):,} unfinished ({size}): being built, or left by a killed run"
        )
    if sessions:
        whose = "it has" if sessions == 1 else "they have"
        plural = "" if sessions == 1 else "s"
        lines.append(f"  {sessions} running session{plural}: what {whose} used is not pruned")
    print("\n".join(lines))
    return 0


def run_prune(given: Namespace) -> int:
    """Removes old entries and prints what went. Raises EdgeGateError."""
    if given.older_than is None and given.keep is None:
        raise ConfigurationError(
            "cache prune does not know what may go",
            "add --older-than=30d, --keep=5GB or both; --dry-run shows what would go",
        )
    age = None if given.older_than is None else age_from(given.older_than, "--older-than")
    most = None if given.keep is None else bytes_from(given.keep, "--keep")
    pruned = Upkeep(given.edge_cache).prune(
        used_before=None if age is None else time.time() - age,
        most_bytes=most,
        dry_run=given.dry_run,
    )
    stay = [*pruned.stay, *pruned.in_use, *pruned.failed]
    done = "would remove" if given.dry_run else "removed"
    print(f"{given.edge_cache}: {done} {_counted(pruned.removed)}; {_counted(stay)} stay")
    if pruned.in_use:
        print(f"  of these, running sessions use {_counted(pruned.in_use)}")
    if pruned.failed:
        print(
            f"edgegate error: {_counted(pruned.failed)} can't be removed, for example "
            f"{pruned.failed[0].path}\nrun it as the user who owns them",
            file=sys.stderr,
        )
        return 1
    return 0


def _counted(entries: Sequence[Kept]) -> str:
    what = "entry" if len(entries) == 1 else "entries"
    return f"{len(entries):,} {what} ({spell_bytes(_bytes_of(entries))})"


def _bytes_of(entries: Sequence[Kept]) -> int:
    return sum(each.size for each in entries)
