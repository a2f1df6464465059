"""The names that a target may give to Vela, read from its package without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "ethos-u-vela"
OWN_CONFIG = "Arm/vela.ini"
"""The configuration file of Vela's own package."""
_ACCELERATORS = "ethosu/vela/architecture_features.py"
_ACCELERATOR = re.compile(r'"(ethos-u\d+-\d+)"')
_SECTIONS = {"system_config": "System_Config.", "memory_mode": "Memory_Mode."}


class UnreadableError(Exception):
    """A configuration file that Vela could not read either."""


def known_names(config: str) -> Mapping[str, Sequence[str]]:
    """The names that are known for each option, of those that can be told here.

    *config*: the absolute path of a configuration file, or the name of one in Vela's package. A
    package that is missing, or has its files in other places, tells none. Raises UnreadableError.
    """
    own = Path(config).is_absolute()
    path = Path(config) if own else _packaged(f"ethosu/config_files/{config}")
    found = {} if path is None else dict(_sections(path) if own else _sections_of_package(path))
    accelerators = _accelerators()
    return {**found, **({"accelerator": accelerators} if accelerators else {})}


def _sections(path: Path) -> Mapping[str, Sequence[str]]:
    if path.suffix != ".ini":
        raise UnreadableError(f"config = {path.name!r} does not end in .ini, which vela asks for")
    parser = ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), path.name)
    except (ConfigParserError, OSError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise UnreadableError(f"config = {path.name!r} can't be read: {said}") from error
    return {
        key: [each.removeprefix(start) for each in parser.sections() if each.startswith(start)]
        for key, start in _SECTIONS.items()
    }


_sections_of_package = cache(_sections)


@cache
def _accelerators() -> Sequence[str]:
    path = _packaged(_ACCELERATORS)
    if path is None:
        return ()
    return tuple(dict.fromkeys(_ACCELERATOR.findall(path.read_text("utf-8", "replace"))))


@cache
def _packaged(name: str) -> Path | None:
    """A file of Vela's package, if it is there."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(name)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None
