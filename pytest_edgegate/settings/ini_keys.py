"""Ini keys that are meant for the gate and are none of its: they would change nothing, unseen.

pytest warns of an unknown key and goes on, so that ``edge_targets`` gates the host in place of the
chip. A file is read as pytest reads it only where a line looks like such a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import UnknownNameError
from pytest_edgegate.settings.ini_values import PROGRAMS, TIMES

_LINE = re.compile(r"""^[ \t]*["']?(edge[_-][\w-]*)["']?[ \t]*[=:]""", re.MULTILINE)
"""A line that may be a key; in lists and texts over several lines there are such lines, too."""
_TABLES = (("tool", "pytest"), ("tool", "pytest", "ini_options"), ("pytest",))
"""Where pytest looks for its keys in TOML."""
_INI, _CFG = "[pytest", "[tool:pytest"
"""The headings that pytest looks for in other files."""
KEYS = (
    "edge_target",
    "edge_policy",
    "edge_allow_unmeasured",
    "edge_cache",
    "edge_export",
    "edge_model",
    "edge_data",
    "edge_metric",
    "edge_budgets",
    "edge_baseline",
    "edge_accepted",
    "edge_regressions",
    "edge_evidence",
    "edge_reference_check",
    "edge_input_check",
    "edge_allow_code",
    *TIMES,
    *(f"edge_{name}" for name in PROGRAMS),
    "edge_report_samples",
    "edge_report_json",
    "edge_report_plot",
)
"""The keys that may be meant; those that no plugin has registered are left out."""


_LATER = frozenset(
    f"edge_{name}"
    for name in (
        "cache_readonly",
        "cache_trust",
        "cluster",
        "device",
        "device_samples",
        "parity_examples",
        "parity_time",
    )
)
"""Keys that another version has, or will have: pytest's own warning tells of them."""


def check_keys(config: pytest.Config, content: str) -> None:
    """Raises UnknownNameError for a key of the ini file, or of ``-o``, that nobody has registered.

    *content*: of the file.
    """
    typed = [each.partition("=")[0].strip() for each in config.getoption("override_ini") or ()]
    suspects = [each for each in _LINE.findall(content) if not is_known(config, each)]
    path = config.inipath
    written = _keys(path, content) if suspects and path is not None else ()
    for name, where in (
        *((each, "-o") for each in typed if _LINE.match(f"{each}=")),
        *((each, path.name if path else "") for each in written if each in suspects),
    ):
        if not is_known(config, name) and name not in _LATER:
            raise UnknownNameError("ini key", name, _ours(config), where, _spelt(name, config))


def _ours(config: pytest.Config) -> list[str]:
    """The keys of the gate and of its reports, as far as they are registered."""
    return [each for each in KEYS if is_known(config, each)]


def _spelt(name: str, config: pytest.Config) -> tuple[str, ...]:
    """The key that was written with hyphens, as its option is."""
    key = name.replace("-", "_")
    return (key,) if is_known(config, key) else ()


def is_known(config: pytest.Config, name: str) -> bool:
    """Whether a plugin, or pytest itself, has registered an ini key."""
    try:
        config.getini(name)
    except (ValueError, KeyError):  # pytest's answer for an unknown key
        return False
    return True


def _keys(path: Path, content: str) -> Iterator[str]:
    if path.suffix == ".toml":
        yield from _keys_of_toml(content)
    else:
        yield from _keys_of_ini(content, _CFG if path.suffix == ".cfg" else _INI)


def _keys_of_toml(content: str) -> Iterator[str]:
    import tomllib

    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        return  # pytest has read it before, and has told what is wrong with it
    for section in _TABLES:
        table: Any = tables
        for name in section:
            table = table.get(name, {}) if isinstance(table, Mapping) else {}
        yield from table


def _keys_of_ini(content: str, wanted: str) -> Iterator[str]:
    """The keys of a section; lines that begin with a space belong to the value before them."""
    section = ""
    for line in content.splitlines():
        if line.startswith("["):
            section = line.partition("]")[0]
        elif section == wanted and _LINE.match(line) and not line[0].isspace():
            yield re.split("[=:]", line, maxsplit=1)[0].strip()
